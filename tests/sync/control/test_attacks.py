"""What is no order for this box changes nothing, and is in the audit log."""

import base64
import random

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance.base.clock import SECOND_NS, rfc3339
from appliance.store import hub_link
from appliance.sync.control.order import AHEAD_NS
from appliance.sync.control.refusals import ONE_BY_ONE, WINDOW_NS
from appliance.sync.protocol import signing
from appliance.sync.protocol.command import CONTEXT, LONGEST_PAYLOAD_BYTES, Signed
from appliance.sync.protocol.enrolment import CONTEXT as ENROLMENT

ANSWERED = ("audit", "commands", "outbox", "outbox_counts")  # what an answer may touch
PATCH = {"patch": {"site": {"name": "Taken over"}}, "based_on": 0}


@pytest.fixture
def changes_nothing(bench):
    """Take it; only the audit log (and the answer, where the hub did sign it) may differ."""

    async def take(signed, reason, *, answered=False) -> None:
        but = ANSWERED if answered else ("audit", "sqlite_sequence")
        before, rows = bench.everything(*but, "sqlite_sequence"), len(bench.audit("refused"))
        await bench.take(signed)
        assert bench.everything(*but, "sqlite_sequence") == before
        assert [row["reason"] for row in bench.audit("refused")[rows:]] == [reason]
        assert (bench.states()[-1:] == ["refused"]) is answered
        assert bench.audit("commanded") == [] and bench.changed == []

    return take


def resigned(hub, payload: bytes, context: bytes = CONTEXT) -> Signed:
    signature = base64.b64encode(hub.key.sign(context + payload)).decode()
    return Signed(payload.decode(), signature, signing.key_id(signing.public_bytes(hub.key)))


async def test_an_order_of_another_key_is_forged(bench, hub, changes_nothing):
    for kind, body in (("ping", {}), ("patch_settings", PATCH)):
        other = Ed25519PrivateKey.generate()
        forged = signing.sign_command(other, hub.command(kind, body))
        await changes_nothing(forged, "forged")
        named = msgspec.structs.replace(forged, key_id=signing.key_id(signing.public_bytes(hub.key)))
        await changes_nothing(named, "forged")


async def test_one_byte_altered_anywhere_is_no_order(bench, hub):
    raw = msgspec.json.encode(hub.signed("ping"))
    letters = random.Random(4)
    for place in range(len(raw)):
        altered = bytearray(raw)
        while altered[place] == raw[place]:
            altered[place] = letters.choice(b"0Aa-+/= }\x00\xff")
        before = bench.everything("audit", "sqlite_sequence")
        await bench.take(bytes(altered))
        assert bench.everything("audit", "sqlite_sequence") == before, bytes(altered)
        bench.clock.tick(301)  # each in a window of its own: all of them are in the audit log
    assert len([r for r in bench.audit("refused") if "more" not in r]) == len(raw)
    assert {row["reason"] for row in bench.audit("refused")} == {"forged", "malformed"}


async def test_a_signature_has_one_spelling(bench, hub, changes_nothing):
    fine = hub.signed("ping")
    raw = base64.b64decode(fine.signature)
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    last = letters.index(fine.signature[85])
    twin = fine.signature[:85] + letters[last ^ 1] + "=="
    assert base64.b64decode(twin) == raw, "decoders take both for the same"
    for spelling in (twin, fine.signature + "\n", " " + fine.signature, fine.signature[:-2], ""):
        await changes_nothing(msgspec.structs.replace(fine, signature=spelling), "forged")


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    payload=st.text(max_size=200) | st.from_type(dict).map(str),
    signature=st.text(max_size=100)
    | st.binary(min_size=64, max_size=64).map(lambda raw: base64.b64encode(raw).decode()),
)
async def test_no_signature_but_the_hub_s_is_believed(bench, hub, payload, signature):
    before = bench.everything("audit", "sqlite_sequence")
    key_id = signing.key_id(signing.public_bytes(hub.key))
    await bench.take(Signed(payload.encode(errors="ignore").decode(), signature, key_id))
    assert bench.everything("audit", "sqlite_sequence") == before


@pytest.mark.parametrize(
    "raw",
    [b"", b"{", b"7", b"null", b"[]", b'{"payload": 7}', b"[" * 100_000,
     b'{"payload":"","signature":"","key_id":""',
     b'{"payload":"' + b"x" * (LONGEST_PAYLOAD_BYTES + 1) + b'","signature":"","key_id":""}', b"\xff\xfe{}"],
)  # fmt: skip
async def test_what_is_no_signed_order_at_all(raw, changes_nothing):
    await changes_nothing(raw, "malformed")


async def test_a_huge_body_is_neither_signed_nor_read(bench, hub, changes_nothing):
    from appliance.base.errors import ApplianceError

    with pytest.raises(ApplianceError):
        hub.signed("ping", {"x": "y" * LONGEST_PAYLOAD_BYTES})
    letters = "ü" * (LONGEST_PAYLOAD_BYTES - 1)  # short enough as text, not as bytes
    await changes_nothing(resigned(hub, letters.encode()), "forged")


@pytest.mark.parametrize("payload", [b"{}", b"7", b'{"id": "x"}', b"[" * 50_000, b"not json"])
async def test_what_is_signed_and_is_no_order(hub, payload, changes_nothing):
    await changes_nothing(resigned(hub, payload), "malformed")


@pytest.mark.parametrize("id_", ["", "../../etc/passwd", "a b", "x" * 65, "ü", "a\n"])
async def test_an_id_that_could_be_a_path_is_none(hub, id_, changes_nothing):
    await changes_nothing(hub.signed("ping", id=id_), "malformed")


async def test_a_signature_for_another_purpose_is_none_for_this(hub, changes_nothing):
    payload = msgspec.json.encode(hub.command("ping"))
    await changes_nothing(resigned(hub, payload, ENROLMENT), "forged")
    await changes_nothing(resigned(hub, payload, b""), "forged")


async def test_an_order_for_another_box_is_foreign(hub, changes_nothing):
    await changes_nothing(hub.signed("ping", box_id="box-2"), "foreign")
    await changes_nothing(hub.signed("patch_settings", PATCH, box_id=""), "foreign")


async def test_an_order_comes_once(bench, hub, changes_nothing):
    first = hub.signed("ping")
    await bench.take(first)
    before, answers = bench.everything("audit", "sqlite_sequence"), len(bench.results())
    for _ in range(3):
        await bench.take(first)
    same_id = hub.signed("ping", id="order-1")  # as an honest hub never does
    await bench.take(same_id)
    assert bench.everything("audit", "sqlite_sequence") == before and len(bench.results()) == answers
    assert [row["reason"] for row in bench.audit("refused")] == ["replayed"] * 4
    assert len(bench.audit("commanded")) == 1


async def test_an_order_of_long_ago_is_no_order_even_if_it_was_forgotten(bench, hub, changes_nothing):
    await bench.take(hub.signed("ping", seq=1_000))
    bench.db.write_now(lambda conn: conn.execute("DELETE FROM outbox"))
    bench.db.write_now(lambda conn: conn.execute("DELETE FROM audit"))
    await changes_nothing(hub.signed("ping", seq=936), "overtaken", answered=True)
    await bench.take(hub.signed("ping", seq=937))
    assert bench.states()[-1] == "done", "people order at once: a little overtaking is fine"


@pytest.mark.parametrize("seq", [(1 << 53) - 1, None])
async def test_one_number_far_ahead_bars_no_later_orders(bench, hub, seq, changes_nothing):
    now_s = bench.clock.now_ns() // SECOND_NS
    far = now_s + 86_401 if seq is None else seq
    await changes_nothing(hub.signed("ping", seq=far), "out_of_turn", answered=True)
    assert "ahead of the clock" in bench.results()[-1]["message"]
    await bench.take(hub.signed("ping", seq=now_s))
    bench.start()
    await bench.until(lambda: hub.polls)
    assert bench.states()[-1] == "done" and hub.polls[0]["after"] == str(now_s)


async def test_a_new_enrolment_counts_anew(bench, hub):
    now_s = bench.clock.now_ns() // SECOND_NS
    await bench.take(hub.signed("ping", seq=now_s + 86_000))
    await bench.take(hub.signed("ping", seq=now_s))
    assert bench.states() == ["done", "refused"]
    bench.clock.tick(1)
    link = bench.db.read_now(hub_link.get)
    again = msgspec.structs.replace(link, enrolled_ns=bench.clock.now_ns())
    bench.db.write_now(lambda conn: hub_link.put(conn, again))
    await bench.take(hub.signed("ping", seq=now_s + 1))
    assert bench.states()[-1] == "done"


@pytest.mark.parametrize(
    ("issued_s", "expires_s", "reason"),
    [
        (-7200, -3600, "expired"),
        (-1, 0, "expired"),
        (AHEAD_NS // SECOND_NS + 1, 3600, "not_yet_valid"),
        (0, 7 * 86_400 + 1, "too_long_lived"),
        (0, 0, "too_long_lived"),
        (10, 5, "too_long_lived"),
        (-8 * 86_400, 1, "too_long_lived"),
    ],
)
async def test_an_order_has_its_time(bench, hub, issued_s, expires_s, reason, changes_nothing):
    now_ns = bench.clock.now_ns()
    times = {
        "issued_at": rfc3339(now_ns + issued_s * SECOND_NS),
        "expires_at": rfc3339(now_ns + expires_s * SECOND_NS),
    }
    await changes_nothing(hub.signed("patch_settings", PATCH, **times), reason, answered=True)


@pytest.mark.parametrize(
    "time", ["", "tomorrow", "2026-01-20", "9999-12-31T23:59:59.999Z", "0001-01-01T00:00:00+23:00"]
)
async def test_an_order_that_does_not_say_when_it_expires(hub, time, changes_nothing):
    await changes_nothing(hub.signed("ping", expires_at=time), "malformed")


async def test_a_box_that_does_not_know_the_time_says_so(bench, hub, changes_nothing):
    bench.clock.unsure = True
    await changes_nothing(hub.signed("ping"), "clock_unsure", answered=True)
    assert "clock is not set" in bench.results()[-1]["message"]


@pytest.mark.parametrize(("seq", "by"), [(-1, "anna"), (1 << 60, "anna"), (1, "a" * 101)])
async def test_numbers_and_names_have_bounds(hub, seq, by, changes_nothing):
    await changes_nothing(hub.signed("ping", seq=seq, by=by), "malformed")


async def test_kinds_that_nobody_knows_or_nobody_allowed(bench, hub, changes_nothing):
    await changes_nothing(hub.signed("format_disk"), "unknown_kind", answered=True)
    await changes_nothing(hub.signed("install_model", {"name": "x"}), "not_allowed", answered=True)
    bench.allow("ping")
    await changes_nothing(hub.signed("patch_settings", PATCH), "not_allowed", answered=True)
    assert bench.outside.began == []


async def test_a_no_of_the_admin_holds_for_what_is_under_way(bench, hub):
    class Slow:
        async def prepare(self, order):
            bench.allow()
            return lambda conn, now_ns: pytest.fail("it was applied")

    bench.control._obeying._appliers = {"ping": Slow()}
    await bench.take(hub.signed("ping"))
    assert bench.audit("refused")[-1]["reason"] == "not_allowed" and bench.states() == ["refused"]


async def test_a_flood_of_forged_orders_does_not_fill_the_disk(bench, hub):
    forged = signing.sign_command(Ed25519PrivateKey.generate(), hub.command("ping"))
    for _ in range(500):
        await bench.take(forged)
    assert len(bench.audit("refused")) == ONE_BY_ONE
    bench.clock.tick(WINDOW_NS / SECOND_NS)
    await bench.take(forged)
    told = bench.audit("refused")
    assert len(told) == ONE_BY_ONE + 2 and told[-2]["more"] == 500 - ONE_BY_ONE
    assert told[-2]["reason"] == "forged"


async def test_a_hub_in_the_wrong_hands_cannot_fill_the_disk_either(bench, hub, monkeypatch):
    monkeypatch.setattr("appliance.sync.control.order.MOST_A_DAY", 3)
    for _ in range(3):
        await bench.take(hub.signed("ping"))
    before = len(bench.audit("commanded"))
    await bench.take(hub.signed("ping"))
    assert bench.audit("refused")[-1]["reason"] == "too_many" and len(bench.audit("commanded")) == before
    assert bench.states() == ["done"] * 3
    bench.clock.tick(86_401)
    await bench.take(hub.signed("ping"))
    assert bench.states() == ["done"] * 4


async def test_one_that_is_broken_does_not_keep_the_others_from_us(bench, hub):
    hub.waiting = [{"payload": 7}, hub.signed("ping", box_id="box-9"), hub.signed("ping")]
    bench.start()
    await bench.until(lambda: bench.states() == ["done"])


async def test_a_hub_that_offers_the_same_for_ever_is_asked_once_a_second(bench, hub):
    first = hub.order("ping")
    bench.start()
    await bench.until(lambda: bench.states() == ["done"])
    began, asked = bench.clock.monotonic_ns(), len(hub.polls)
    while len(hub.polls) < asked + 5:
        hub.waiting = [first]
        await bench.until(lambda: not hub.waiting)
    assert bench.clock.monotonic_ns() - began >= 4 * SECOND_NS
    assert bench.states() == ["done"]
