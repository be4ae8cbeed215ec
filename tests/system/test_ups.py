"""A server that speaks as RFC 9271 says; and what we write for NUT."""

import asyncio
import os

import pytest

from appliance.system.ups import Power, look, power_of
from appliance.system.ups_files import prepare

DUMMY = {"ups.status": "OB DISCHRG", "battery.charge": "63", "battery.runtime": "600", "ups.mfr": "Aries"}


@pytest.mark.parametrize(
    ("status", "source"),
    [
        ("OL", "mains"),
        ("OL CHRG", "mains"),
        ("OL LB", "mains"),  # a battery that is being charged from empty
        ("OB DISCHRG", "battery"),
        ("OB DISCHRG LB", "low"),
        ("FSD OB LB", "low"),
        ("FSD OL", "low"),  # the order to stop stands, whatever the mains do now
        ("OFF", "unknown"),
        ("", "unknown"),
    ],
)
def test_what_its_status_means(status, source):
    assert power_of({"ups.status": status}).source == source


def test_what_a_person_reads():
    assert power_of(DUMMY).text() == "on battery: the mains are gone, 63 % charged, 10 min left"
    assert Power("mains", 100, 1800).text() == "on mains, 100 % charged"
    assert power_of({"ups.status": "OL", "battery.charge": "much", "battery.runtime": "-3"}) == Power("mains")


async def served(answers: dict[str, str]) -> Power | None:
    """What is made of a server that answers so."""

    serving: list[asyncio.Task[None]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.append(asyncio.current_task())
        while line := (await reader.readline()).decode().strip():
            writer.write(answers.get(line, "ERR UNKNOWN-COMMAND\n").encode())
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        return await look(port=server.sockets[0].getsockname()[1])
    finally:
        await asyncio.gather(*serving)
        server.close()
        await server.wait_closed()


def listed(what: str, *lines: str) -> str:
    return "\n".join([f"BEGIN LIST {what}", *lines, f"END LIST {what}", ""])


UPS = listed("UPS", 'UPS ups "the one in the cupboard"')


async def test_the_first_ups_of_the_server_is_ours():
    lines = [f'VAR ups {name} "{value}"' for name, value in DUMMY.items()]
    found = await served({"LIST UPS": UPS, "LIST VAR ups": listed("VAR ups", *lines)})
    assert found == Power("battery", 63.0, 600.0, "Aries")


async def test_a_driver_that_is_gone_is_not_mains():
    assert await served({"LIST UPS": UPS, "LIST VAR ups": "ERR DATA-STALE\n"}) == Power("unknown")


async def test_no_ups_is_none():
    assert await served({"LIST UPS": listed("UPS")}) is None
    assert await served({"LIST UPS": "BEGIN LIST 'UPS\n"}) is None  # rubbish
    assert await served({"LIST UPS": "x" * 100_000}) is None
    assert await look(port=1) is None


def test_files_are_written_once_and_a_person_s_are_left_alone(tmp_path):
    (tmp_path / "nut.conf").write_text("# as shipped\n\nMODE=none\n")
    (tmp_path / "ups.conf").write_text("# mine\n[ups]\n driver = snmp-ups\n")
    written = prepare(tmp_path, os.getgid())
    assert written == ["nut.conf", "upsd.conf", "upsd.users", "upsmon.conf"]
    assert "snmp-ups" in (tmp_path / "ups.conf").read_text()
    texts = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir() if path.name != "ups.conf"} == {0o640}
    secret = texts["upsd.users"].split("password = ")[1].split()[0]
    assert len(secret) > 30 and f" upsmon {secret} primary" in texts["upsmon.conf"]
    assert prepare(tmp_path, os.getgid()) == []
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == texts


@pytest.mark.parametrize("kept", ["upsd.users", "upsmon.conf"])
def test_the_two_that_share_a_password_are_written_together_or_not_at_all(kept, tmp_path):
    (tmp_path / kept).write_text("[somebody]\n")
    assert not {"upsd.users", "upsmon.conf"} & set(prepare(tmp_path, os.getgid()))
