"""What is Kafka's own: topics that are not there or not ours, and what is written once."""

import pytest

from appliance.store.outbox import OutboxRow
from appliance.sync.targets import registry

ROWS = [OutboxRow(f"r{n}", "event", b"{}", 1_768_919_400_123_000_000, 0, False) for n in range(5)]


@pytest.fixture
async def broker(start_peer):
    return await start_peer("kafka")


@pytest.mark.parametrize(("topic", "word"), [("secret", "rights"), ("nowhere", "no topic")])
async def test_a_topic_that_is_not_there_or_not_ours_is_refused(broker, topic, word):
    target = registry.make(broker.given(options={"topic": topic}))
    verdict, probed = await target.put(ROWS), await target.probe()
    await target.close()
    assert verdict.kind == "refused" and word in verdict.error
    assert not probed.ok and word in f"{probed.detail} {probed.hint}"


async def test_an_answer_that_is_lost_writes_nothing_twice(broker):
    """The library sends it again on a new connection, under the same sequence number."""
    target = registry.make(broker.given(timeout_s=5.0))
    assert (await target.put(ROWS[:1])).kind == "delivered"
    broker.lose_answers = 1
    assert len((await target.put(ROWS[1:])).acknowledged) == 4
    await target.close()
    assert broker.lost == 1 and await broker.held() == [row.id for row in ROWS]
