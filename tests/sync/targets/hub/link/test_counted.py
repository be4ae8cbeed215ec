"""What goes out is counted, for budgets that are kept within 1 %."""

import pytest


async def test_what_was_sent_is_counted_to_the_byte(hub, bench, proxied) -> None:
    """For the budget: rows by their verdicts, files by what the pace was asked for."""
    asked = []

    class Pace:
        async def ready(self, length_bytes: int) -> None:
            asked.append(length_bytes)

    async with proxied(hub.url, []) as proxy:
        target = bench.target(proxy.url)
        for count in (1, 3, 300):
            before = proxy.sent_bytes
            verdict = await target.put([bench.row(f"r-{n}", body=b'{"n":%d}' % n) for n in range(count)])
            assert verdict.sent_bytes == pytest.approx(proxy.sent_bytes - before, abs=20)
        hub.script["batch"] = ["status:422"]
        before = proxy.sent_bytes
        verdict = await target.put([bench.row("x")])
        assert verdict.sent_bytes == pytest.approx(proxy.sent_bytes - before, abs=20)
        before = proxy.sent_bytes
        await target.put_file(bench.file_row(), bench.Held(bytes(90_000)), Pace())
        assert sum(asked) == pytest.approx(proxy.sent_bytes - before, rel=0.005)
        await target.close()
