"""The stick comes back: the box settles what the hub signed, and D6 holds in all of it."""

import base64
from types import SimpleNamespace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from appliance.base.clock import SECOND_NS
from appliance.store import delivered, hub_link, outbox, outbox_counts
from appliance.store.database import Database
from appliance.store.hub_link import HubLink
from appliance.sync.bundle.folders import Folder
from appliance.sync.targets.receipts import Receipts

DAY_NS = 86_400 * SECOND_NS


class Box:
    """A box's outbox, its stick target and its hub target; ``played`` is whom the hub knows."""

    def __init__(self, folder, served, played, stick) -> None:
        self.db = Database.open(folder / "appliance.db", "appliance", synchronous="NORMAL")
        self.clock, self.played, self.stick = served.clock, played, stick
        key = base64.b64decode(served.hub.command_key.public)
        self.db.write_now(lambda conn: hub_link.put(conn, HubLink("hub", played.id, key, 1)))
        self.woken = 0
        self.given = SimpleNamespace(
            db=self.db, clock=self.clock, device_id=played.id, target=SimpleNamespace(id="stick"),
            wake=self._wake,
        )  # fmt: skip
        self.receipts = Receipts(self.given)

    def _wake(self) -> None:
        self.woken += 1

    def owe(self, *ids, kind="event"):
        for id_ in ids:
            row = self.stick.clip(self.played, id_) if kind == "clip" else self.stick.row(self.played, id_)
            self.db.write_now(
                lambda conn, r=row: outbox.enqueue(conn, ["stick", "hub"], r.id, kind, r.body, r.created_ns)
            )

    def write(self, files=None):
        """What is owed to the stick, as one bundle, and acknowledged."""
        now_ns, is_file = self.clock.now_ns(), bool(files)
        taken = self.db.write_now(lambda conn: outbox.take(conn, "stick", 100, now_ns, files=is_file))
        folder = self.stick.bundle(self.played, taken, files)
        ids = [row.id for row in taken]
        self.db.write_now(lambda conn: outbox.acknowledge(conn, "stick", ids, now_ns, journal=True))
        return folder

    async def back(self, resend_days=0.0):
        with Folder.at(self.stick.root) as root:
            self.receipts.look(root)
        await self.receipts.settle(resend_days)

    async def figures(self, target_id):
        """(waiting, acknowledged), and D6."""
        said = await self.db.read(lambda conn: outbox_counts.figures(conn, target_id))
        assert said.owed == sum(
            (said.acknowledged, said.tombstoned, said.waiting, said.in_flight, said.parked)
        )
        return said.waiting, said.acknowledged


@pytest.fixture
async def box(tmp_path, served, stick):
    made = Box(tmp_path, served, await served.box("box-1"), stick)
    yield made
    made.db.close()


async def test_what_was_imported_is_not_sent_over_the_link_as_well(box, served, bring):
    box.owe("e1", "e2")
    box.write()
    box.owe("e3")
    assert await box.figures("hub") == (3, 0)
    await box.back()  # it was nowhere yet
    assert await box.figures("hub") == (3, 0)
    await bring(served)
    await box.back()
    assert await box.figures("hub") == (1, 2) and await box.figures("stick") == (1, 2)
    # and both ends have the same: the hub's word is in the journal
    ours = await box.db.read(lambda conn: delivered.buckets(conn, "hub"))
    theirs = await box.played.counts()
    assert {(b.kind, b.day): (b.count, b.digest) for b in ours} == theirs
    assert await box.db.read(lambda conn: delivered.buckets(conn, "stick")) == []


async def test_a_row_on_its_way_is_left_to_its_own_answer(box, served, bring):
    box.owe("e1", "e2")
    box.write()
    now_ns = box.clock.now_ns()
    box.db.write_now(lambda conn: outbox.take(conn, "hub", 1, now_ns))
    await bring(served)
    await box.back()
    assert await box.figures("hub") == (0, 1)
    assert box.db.write_now(lambda conn: outbox.acknowledge(conn, "hub", ["e1"], now_ns, journal=True)) == 1
    assert await box.figures("hub") == (0, 2)


async def test_a_file_that_was_damaged_on_the_way_is_owed_again_and_written_anew(box, served, bring, film):
    box.owe("c1", kind="clip")
    folder = box.write({"c1": film})
    (folder / "files" / "c1.mp4").write_bytes(b"x" + film[1:])
    assert (await bring(served))["box-1"].refused == 1
    await box.back()
    assert await box.figures("stick") == (1, 0) and box.woken == 1
    assert await box.figures("hub") == (1, 0)
    assert (await box.db.read(lambda conn: conn.execute("SELECT count(*) FROM locks").fetchone()[0])) == 1


@pytest.mark.parametrize("how", ["forged", "moved", "of another box", "nonsense"])
async def test_a_receipt_that_the_hub_did_not_sign_for_this_bundle_counts_for_nothing(
    box, served, bring, stick, how
):
    box.owe("e1")
    mine = box.write()
    if how == "moved":
        other = stick.bundle(box.played, [stick.row(box.played, "e9")])
        await bring(served)
        (mine / "receipt.json").write_bytes((other / "receipt.json").read_bytes())
    elif how == "of another box":
        two = await served.box("box-2")
        theirs = stick.bundle(two, [stick.row(two, "e1")])
        await bring(served)
        (mine / "receipt.json").write_bytes((theirs / "receipt.json").read_bytes())
    elif how == "forged":
        served.hub.command_key._private = Ed25519PrivateKey.generate()
        await bring(served)
    else:
        (mine / "receipt.json").write_bytes(b'{"receipt":"\\ud800","signature":""}')
    await box.back()
    assert await box.figures("hub") == (1, 0)


async def test_a_stick_that_never_comes_back_is_written_again_where_that_is_wanted(box, served, bring):
    box.owe("e1", "e2")
    box.write()
    box.clock.tick(3 * 86_400)
    await box.back()
    assert await box.figures("stick") == (0, 2)  # not asked for
    await box.back(resend_days=4)
    assert await box.figures("stick") == (0, 2)  # not yet
    await box.back(resend_days=2)
    assert await box.figures("stick") == (2, 0) and box.woken == 1


async def test_what_has_its_receipt_is_not_written_again(box, served, bring):
    box.owe("e1")
    box.write()
    await bring(served)
    box.clock.tick(30 * 86_400)
    await box.back(resend_days=1)
    assert await box.figures("stick") == (0, 1)
