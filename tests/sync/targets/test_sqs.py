"""What is SQS's own: FIFO queues, calls of ten and 256 KB, and what it answers to strangers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.store.outbox import OutboxRow
from appliance.sync.targets import registry
from appliance.sync.targets.messages import Outgoing
from appliance.sync.targets.sqs import ATTRIBUTES_BYTES, LONGEST_TOGETHER_BYTES, batches

ROWS = [OutboxRow(f"r{n}", "event", b'{"a":1}', 1_768_919_400_123_000_000 + n, 0, False) for n in range(25)]


async def test_a_fifo_queue_takes_a_row_once_and_keeps_the_order(start_peer):
    peer = await start_peer("sqs.fifo")
    target = registry.make(peer.given())
    for _ in range(2):
        assert (await target.put(ROWS)).acknowledged == tuple(row.id for row in ROWS)
    await target.close()
    assert await peer.held() == [row.id for row in ROWS]


@given(st.lists(st.integers(1, LONGEST_TOGETHER_BYTES - ATTRIBUTES_BYTES), max_size=40))
def test_calls_keep_the_order_and_the_limits(lengths):
    messages = [Outgoing(str(n), "event", "", bytes(length)) for n, length in enumerate(lengths)]
    made = list(batches(messages))
    assert [message for batch in made for message in batch] == messages
    for batch in made:
        assert 1 <= len(batch) <= 10
        assert sum(len(m.payload) + ATTRIBUTES_BYTES for m in batch) <= LONGEST_TOGETHER_BYTES


ANSWERS = [
    ("com.amazon.coral.service#AccessDeniedException", 400, "refused"),
    ("com.amazonaws.sqs#QueueDoesNotExist", 400, "refused"),
    ("SignatureDoesNotMatch", 403, "refused"),
    ("InvalidClientTokenId", 403, "refused"),
    ("RequestThrottled", 400, "later"),
    ("ServiceUnavailable", 503, "later"),
]


@pytest.mark.parametrize(("code", "status", "kind"), ANSWERS)
async def test_what_it_answers(start_peer, scripted, code, status, kind):
    """moto lets everybody in; these are the answers that the API reference documents."""
    import msgspec

    peer = await start_peer("sqs")
    given_ = peer.given()
    server = await scripted(status, f'{{"__type": "{code}", "message": "no: {peer.secret}"}}')
    url = f"{server}/123456789012/q"
    object.__setattr__(given_, "target", msgspec.structs.replace(given_.target, url=url))
    target = registry.make(given_)
    verdict, probed = await target.put(ROWS[:1]), await target.probe()
    await target.close()
    assert verdict.kind == kind and not probed.ok
    assert peer.secret not in verdict.error + probed.detail
