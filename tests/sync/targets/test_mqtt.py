"""What is MQTT's own: nobody who listens, rights by topic, topics made of rows."""

import pytest

from appliance.store.outbox import OutboxRow
from appliance.sync.envelope.reading import read
from appliance.sync.targets import registry

NOW_NS = 1_768_919_400_123_000_000
ROWS = [OutboxRow(f"r{n}", "event", b'{"camera_id":"gate"}', NOW_NS, 0, False) for n in range(3)]


@pytest.fixture
async def broker(start_peer):
    return await start_peer("mqtt")


async def test_what_nobody_has_subscribed_to_waits(broker):
    await broker.unsubscribe()
    target = registry.make(broker.given())
    verdict = await target.put(ROWS)
    assert verdict.kind == "later" and "nobody listens to the topic" in verdict.error
    await target.close()
    careless = registry.make(broker.given(options={"subscribers": "any"}))
    assert (await careless.put(ROWS)).kind == "delivered"
    await careless.close()


@pytest.mark.parametrize(("chosen", "words"), [("required", "waits on the box"), ("any", "and is gone")])
async def test_a_test_does_not_promise_that_somebody_listens(broker, chosen, words):
    await broker.unsubscribe()
    target = registry.make(broker.given(options={"subscribers": chosen}))
    probed = await target.probe()
    await target.close()
    assert probed.ok and "lets this box in; whether anybody listens" in probed.detail
    assert words in probed.detail


async def test_a_topic_that_is_not_ours_is_refused(broker):
    target = registry.make(broker.given(options={"topic": "others/{kind}"}))
    verdict = await target.put(ROWS)
    assert verdict.kind == "refused" and "ACL" in verdict.error
    await target.close()


async def test_topics_are_made_of_rows_and_of_nothing_else(broker):
    seen = []
    target = registry.make(broker.given())
    topic_of = target._peer._topic
    target._peer._topic = lambda message: seen.append(topic_of(message)) or seen[-1]
    bodies = [b'{"camera_id":"gate"}', b'{"camera_id":"a/../#+"}', b"{}", b"[]"]
    some = [OutboxRow(f"t{n}", "event", body, NOW_NS, 0, n == 2) for n, body in enumerate(bodies)]
    assert (await target.put(some)).kind == "delivered"
    await target.close()
    assert seen == [
        "aries/box-1/gate/event",
        "aries/box-1/box/event",
        "aries/box-1/box/tombstone",
        "aries/box-1/box/event",
    ]


async def test_either_schema_arrives(broker):
    for schema in ("1", "2"):
        target = registry.make(broker.given(options={"schema": schema}))
        assert (await target.put(ROWS[:1])).kind == "delivered"
        await target.close()
    await broker.held()
    assert [read(message).schema for message in broker.messages] == [1, 2]
    assert {read(message).source.camera_id for message in broker.messages} == {"gate"}


# paho leaves a socket whose handshake failed to the garbage collector
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
async def test_a_certificate_of_nobody_s_is_not_believed(broker):
    import ssl

    target = registry.make(broker.given(tls=ssl.create_default_context()))
    verdict = await target.put(ROWS)
    assert verdict.kind == "later" and "certificate" in verdict.error.lower()
    await target.close()
