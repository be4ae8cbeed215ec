"""What a stick brings is held once, whichever way it came before or comes after; and strangers' sticks."""

import os
import random
import shutil

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance.base.errors import ApplianceError
from appliance.hub.sticks.importing import import_stick
from appliance.hub.store import audit, boxes, received, uploads


async def counts(served, box):
    kept = await served.hub.store.read(lambda: received.buckets(box.id))
    assert kept == await served.hub.store.read(lambda: received.recounted(box.id))
    return {bucket.kind: bucket.count for bucket in kept}


async def whole(served, box, id_):
    upload = await served.hub.store.read(lambda: uploads.get(box.id, id_))
    return b"".join([piece async for piece in served.hub.files.read(upload.name, 0, 1 << 30)])


async def test_what_came_over_the_link_too_is_held_once(served, stick, bring, film):
    box = await served.box("box-1")
    await box.batch(box.row("e1"))
    folder = stick.bundle(box, [stick.row(box, "e1"), stick.row(box, "e2"), stick.row(box, "c0", "tombstone",
                          body={"kind": "clip", "reason": "quota"})])  # fmt: skip
    clips = stick.bundle(box, [stick.clip(box, "c1")], {"c1": film})
    said = (await bring(served))["box-1"]
    assert (said.bundles, said.rows_new, said.rows_known, said.files_new, said.refused, said.receipts) == (
        2, 2, 1, 1, 0, 2,
    )  # fmt: skip
    assert await counts(served, box) == {"event": 2, "clip": 1, "tombstone": 1}
    assert await whole(served, box, "c1") == film
    told = stick.receipt(served, box, folder)
    assert set(told.acknowledged) == {"e1", "e2"} and told.tombstoned == ("c0",)
    assert stick.receipt(served, box, clips).acknowledged == ("c1",)

    again = (await bring(served))["box-1"]  # the same stick, twice; then the link comes back
    assert (again.rows_new, again.rows_known, again.files_new, again.files_known) == (0, 3, 0, 1)
    assert (await box.batch(box.row("e2")))[1]["acknowledged"] == ["e2"]
    assert (await box.begin("c1", film))[1]["state"] == "complete"
    assert await counts(served, box) == {"event": 2, "clip": 1, "tombstone": 1}
    rows, _ = await served.hub.store.read(lambda: audit.page(10, None))
    assert [row.thing for row in rows if row.action == "imported"] == ["box/box-1", "box/box-1"]


async def test_a_file_that_was_half_sent_goes_on_and_one_that_was_sent_wrong_is_made_good(
    served, stick, bring, film
):
    box = await served.box("box-1")
    stick.bundle(box, [stick.clip(box, "c1")], {"c1": film})
    stick.bundle(box, [stick.clip(box, "c2")], {"c2": film[::-1]})
    for id_, data, sent in (("c1", film, film[:5_000]), ("c2", film[::-1], b"x" * 5_000)):
        await box.begin(id_, data)
        assert (await box.chunk(id_, 0, sent))[1]["received_bytes"] == 5_000
    said = (await bring(served))["box-1"]
    assert (said.files_new, said.refused) == (2, 0)
    assert await whole(served, box, "c1") == film and await whole(served, box, "c2") == film[::-1]


async def test_an_unknown_box_a_revoked_one_and_another_s_signature_are_refused_in_words(
    served, stick, bring
):
    known, revoked = await served.box("box-1"), await served.box("box-2")
    await served.hub.store.write(lambda: boxes.revoke("box-2"))
    stick.bundle(known, [stick.row(known, "e1")], key=Ed25519PrivateKey.generate())
    stick.bundle(known, [stick.row(known, "e2")], device="box-9")
    stick.bundle(revoked, [stick.row(revoked, "e3")])
    said = await bring(served)
    words = {id_: summary.reasons[0][1] for id_, summary in said.items()}
    assert "signature" in words["box-1"] and "known" in words["box-9"] and "revoked" in words["box-2"]
    assert all(summary.rows_new == 0 and summary.receipts == 0 for summary in said.values())
    for box_id in ("box-1", "box-2", "box-9"):
        assert await served.hub.store.read(lambda i=box_id: received.count(i)) == 0
    assert not list(stick.root.rglob("receipt.json"))


async def test_a_box_speaks_for_itself_alone(served, stick, bring):
    """Its own, valid signature, over rows and folders of another's."""
    one, other = await served.box("box-1"), await served.box("box-2")
    stick.bundle(one, [stick.row(one, "e1")], device="box-2")
    mine = stick.bundle(one, [stick.row(one, "e2")])
    theirs = stick.root / "aries" / "box-2" / mine.parent.name
    theirs.mkdir(parents=True, exist_ok=True)
    shutil.copytree(mine, theirs / mine.name)
    said = await bring(served)
    assert said["box-2"].refused == 2 and said["box-2"].rows_new == 0
    assert said["box-1"].rows_new == 1
    assert await counts(served, other) == {}


async def test_a_bad_row_is_refused_and_the_others_are_taken(served, stick, bring):
    box = await served.box("box-1")
    bad = stick.row(box, "e1", body={"id": "another", "type": "t", "severity": "info", "start_time": "x"})
    folder = stick.bundle(box, [bad, stick.row(box, "e2"), stick.clip(box, "c1")])
    said = (await bring(served))["box-1"]
    assert (said.rows_new, said.refused) == (1, 2)
    told = stick.receipt(served, box, folder)
    assert told.acknowledged == ("e2",) and set(told.refused) == {"e1", "c1"}
    assert "not in the bundle" in told.refused["c1"]


@pytest.mark.parametrize("how", ["changed", "short", "gone", "link", "pipe"])
async def test_a_damaged_file_leaves_no_trace_and_does_not_hold_up_the_others(
    served, stick, bring, film, how
):
    box = await served.box("box-1")
    folder = stick.bundle(box, [stick.clip(box, "c1"), stick.clip(box, "c2")], {"c1": film, "c2": film[1:]})
    path = folder / "files" / "c1.mp4"
    path.unlink()
    if how in ("changed", "short"):
        path.write_bytes(b"x" + film[1:] if how == "changed" else film[:-1])
    elif how == "link":
        (stick.root / "elsewhere").write_bytes(film)
        path.symlink_to(stick.root / "elsewhere")
    elif how == "pipe":
        os.mkfifo(path)
    said = (await bring(served))["box-1"]
    assert (said.files_new, said.refused) == (1, 1)
    told = stick.receipt(served, box, folder)
    assert told.acknowledged == ("c2",) and told.damaged == ("c1",)
    assert await served.hub.store.read(lambda: uploads.get("box-1", "c1")) is None


@pytest.mark.parametrize("how", ["link", "pipe", "folder"])
async def test_a_receipt_s_place_that_is_a_trap_is_not_stepped_into(served, stick, bring, how):
    box = await served.box("box-1")
    folder = stick.bundle(box, [stick.row(box, "e1")])
    precious = stick.root.parent / "precious"
    precious.write_bytes(b"precious")
    place = folder / "receipt.json"
    if how == "link":
        place.symlink_to(precious)
    elif how == "pipe":
        os.mkfifo(place)
    else:
        place.mkdir()
    said = (await bring(served))["box-1"]
    assert said.rows_new == 1
    assert precious.read_bytes() == b"precious"
    assert said.receipts == (0 if how == "folder" else 1)
    assert [name for name in os.listdir(folder) if name.startswith(".receipt")] == []
    if how != "folder":
        assert stick.receipt(served, box, folder).acknowledged == ("e1",)


async def test_what_is_no_stick_says_so_and_torn_bundles_are_passed_over(served, stick, bring):
    with pytest.raises(ApplianceError) as caught:
        await bring(served)
    assert caught.value.kind == "unavailable" and caught.value.hint
    box = await served.box("box-1")
    folder = stick.bundle(box, [stick.row(box, "e1")])
    folder.rename(folder.with_name(".partial-" + folder.name))
    assert await bring(served) == {}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None)
@given(data=st.data())
def test_whatever_is_done_to_a_stick_only_what_was_signed_comes_in_and_once(
    embedded, stick_at, tmp_path, data, film
):
    """Bits flipped, parts deleted and copied; imported as often as you like, mixed with the link:
    the journal holds true rows alone, each once, and every complete file is bit for bit what was signed."""
    rng = random.Random(data.draw(st.integers(0, 1 << 30)))

    async def play(served, box, name):
        root = tmp_path / name
        stick = stick_at(root)
        ids = [f"{name}-e{n}" for n in range(4)]
        clip = f"{name}-c"
        for id_ in ids:
            stick.bundle(box, [stick.row(box, id_, at_s=rng.random())])
        stick.bundle(box, [stick.clip(box, clip)], {clip: film})
        before = await served.hub.store.read(lambda: received.count(box.id))
        for _ in range(2):
            _spoil(root, rng)
            if rng.random() < 0.5:
                await box.batch(box.row(rng.choice(ids)))
            await import_stick(served.hub, root, tmp_path)
        held = await served.hub.store.read(lambda: received.held(box.id, [*ids, clip]))
        assert await served.hub.store.read(lambda: received.count(box.id)) == before + len(held)
        assert await served.hub.store.read(lambda: received.recounted(box.id)) == (
            await served.hub.store.read(lambda: received.buckets(box.id))
        )
        if clip in held:
            assert await whole(served, box, clip) == film
        shutil.rmtree(root)

    embedded(play)


def _spoil(root, rng):
    places = [path for path in root.rglob("*") if path.is_file()]
    for path in rng.sample(places, rng.randrange(4)):
        how = rng.choice(["flip", "cut", "delete", "copy"])
        if how == "flip" and path.stat().st_size:
            content = bytearray(path.read_bytes())
            content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
            path.write_bytes(content)
        elif how == "cut":
            os.truncate(path, path.stat().st_size // 2)
        elif how == "delete":
            path.unlink()
        else:
            other = rng.choice(places)
            path.write_bytes(other.read_bytes() if other.exists() else b"")
