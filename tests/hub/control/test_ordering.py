"""People order, the hub signs, a real box obeys over HTTP, and the answer comes back as a row."""

import asyncio
import json

import msgspec
import pytest

from appliance.base.clock import SECOND_NS
from appliance.base.model import Alert, Camera, Event
from appliance.base.wire import alert_json
from appliance.hub.control.ordering import LONGEST_QUEUE, ROLE
from appliance.hub.store import boxes, commands
from appliance.store import alerts, cameras, events, settings, targets
from appliance.store.database import Database
from appliance.store.sealing import Sealer
from appliance.sync.control.acknowledge_alert import AcknowledgeAlert
from appliance.sync.control.control import Control
from appliance.sync.control.ping import Ping
from appliance.sync.enrol import Applicant
from appliance.sync.protocol import signing
from appliance.sync.protocol.command import Signed
from appliance.sync.protocol.invitation import Invitation


class RealBox:
    """The box's own enrolment and control; its outbox is carried to the hub by hand."""

    def __init__(self, folder, served) -> None:
        folder.mkdir()
        self.served, self.clock = served, served.clock
        self.db = Database.open(folder / "appliance.db", "appliance", synchronous="NORMAL")
        self.sealer = Sealer.from_dir(folder / "secrets")
        self.id = self.db.write_now(lambda conn: settings.ensure_device_id(conn, self.clock.now_ns()))
        self.task = None

    async def start(self) -> None:
        url = str(self.served.client.make_url("")).rstrip("/")
        invitation = Invitation(url, await self.served.code())
        await Applicant(self.db, self.sealer, self.clock).enrol(invitation)

        async def changed(noun: str) -> None:
            return None

        appliers = {"ping": Ping(), "acknowledge_alert": AcknowledgeAlert()}
        control = Control(self.db, self.sealer, self.clock, appliers, changed=changed, wait_s=0)
        self.task = asyncio.create_task(control.run())

    async def stop(self) -> None:
        if self.task is not None:
            self.task.cancel()
            await asyncio.gather(self.task, return_exceptions=True)
        self.db.close()

    def owed(self) -> list[tuple[str, str, bytes]]:
        sql = "SELECT id, kind, body FROM outbox ORDER BY position"
        return self.db.read_now(lambda conn: [tuple(row) for row in conn.execute(sql)])

    async def until_owed(self, kind: str) -> list[tuple[str, str, bytes]]:
        for _ in range(1_000):
            if any(row[1] == kind for row in self.owed()):
                return self.owed()
            self.clock.tick(0.2)
            await asyncio.sleep(0.005)
        raise AssertionError(f"no {kind} is owed")


@pytest.fixture
async def real_box(served, tmp_path):
    made = RealBox(tmp_path / "real-box", served)
    await made.start()
    yield made
    await made.stop()


async def carry(served, real_box, played) -> None:
    """What is owed, in one batch, with the box's own token."""
    sealed = real_box.db.read_now(lambda conn: targets.secret(conn, "hub"))
    played.id, played.token = real_box.id, real_box.sealer.open(sealed, "target/hub").decode()
    rows = [played.row(id_, kind, json.loads(body)) for id_, kind, body in real_box.owed()]
    status, said = await played.batch(*rows)
    assert status == 200 and len(said["acknowledged"]) == len(rows), said


async def test_an_order_goes_to_the_box_and_its_answer_comes_back(served, real_box):
    anna = await served.person("anna", "operator")
    status, said = await anna.ask("POST", f"/boxes/{real_box.id}/commands", {"kind": "ping"})
    assert status == 201 and said["command"]["state"] == "waiting"
    await real_box.until_owed("command_result")
    await carry(served, real_box, await served.box("carrier"))
    _, said = await anna.ask("GET", f"/boxes/{real_box.id}/commands")
    (command,) = said["commands"]
    assert (command["state"], command["by"], command["kind"]) == ("done", "anna", "ping")
    assert command["result"]["box_time"]


async def test_an_alert_acknowledged_here_is_acknowledged_there(served, real_box):
    now_ns = served.clock.now_ns()
    event = Event("event-1", real_box.id, "gate", "r", "zone_enter", "warning", now_ns, None, 0.8,
                  "person", "t1", None, "z", now_ns)  # fmt: skip
    alert = Alert("alert-1", "event-1", "r", "gate", "warning", "new", now_ns)

    def work(conn) -> None:
        cameras.insert(conn, Camera("gate", "Gate", "rtsp://10.0.0.1/s", created_ns=0), None)
        events.insert(conn, event)
        alerts.insert(conn, alert)

    real_box.db.write_now(work)
    carrier = await served.box("carrier")
    await carry(served, real_box, carrier)
    row = carrier.row("alert-1", "alert", json.loads(msgspec.json.encode(alert_json(alert))))
    assert (await carrier.batch(row))[0] == 200
    anna = await served.person("anna", "operator")
    status, said = await anna.ask("POST", f"/alerts/{real_box.id}/alert-1/ack", {"note": "seen"})
    assert status == 200 and said["alert"]["wish"]["by"] == "anna"
    await real_box.until_owed("alert_update")
    await carry(served, real_box, carrier)
    _, said = await anna.ask("GET", "/alerts")
    (shown,) = said["alerts"]
    assert shown["alert"]["status"] == "acknowledged" and shown["wish"] is None
    assert shown["alert"]["acknowledged_by"] == "anna (hub)" and shown["alert"]["notes"] == ["seen"]


async def test_who_may_order_what(served):
    box = await served.box("box-1")
    for role in ("viewer", "operator", "admin"):
        person = await served.person(role, role)
        for kind, wanted in ROLE.items():
            body = {"kind": kind, "body": {}}
            status, _ = await person.ask("POST", f"/boxes/{box.id}/commands", body)
            may = role == "admin" or (role == "operator" and wanted == "operator")
            assert status == (201 if may else 403), (role, kind)


async def test_a_box_of_a_site_that_is_not_theirs_cannot_be_ordered(served):
    box = await served.box("box-1")
    stranger = await served.person("eve", "admin", site_ids=[])
    status, _ = await stranger.ask("POST", f"/boxes/{box.id}/commands", {"kind": "ping"})
    assert status == 404
    assert await served.hub.store.read(lambda: commands.count_waiting("box-1", 0)) == 0


NONSENSE = (
    {}, {"kind": "format_disk"}, {"kind": "ping", "life_s": 1}, {"kind": "ping", "life_s": 1e9},
    {"kind": "ping", "body": []}, {"kind": "ping", "body": {"x": "y" * 65_000}},
    {"kind": "ping", "by": "bob"},
)  # fmt: skip


async def test_an_order_that_makes_no_sense(served):
    box, admin = await served.box("box-1"), await served.person("root")
    for body in NONSENSE:
        status, said = await admin.ask("POST", f"/boxes/{box.id}/commands", body)
        assert status == 400 and said["error"]["message"], body
    assert await served.hub.store.read(lambda: commands.count_waiting("box-1", 0)) == 0


async def test_nobody_acknowledges_in_another_s_name(served):
    box, anna = await served.box("box-1"), await served.person("anna", "operator")
    body = {"kind": "acknowledge_alert", "body": {"alert_id": "a", "by": "bob"}}
    await anna.ask("POST", f"/boxes/{box.id}/commands", body)
    _, said = await box.ask("GET", "/commands?wait=0")
    payload = json.loads(said["commands"][0]["payload"])
    assert payload["by"] == "anna" and payload["body"]["by"] == "anna"


async def test_orders_are_for_their_box_in_order_and_after_what_it_has(served):
    one, two, admin = await served.box("box-1"), await served.box("box-2"), await served.person("root")
    for box in (one, two, one, one):
        await admin.ask("POST", f"/boxes/{box.id}/commands", {"kind": "ping"})
    _, said = await one.ask("GET", "/commands?wait=0")
    keys = {served.hub.command_key.key_id: signing.decoded(served.hub.command_key.public, 32)}
    found = [signing.verify_command(Signed(**signed), keys) for signed in said["commands"]]
    assert [command.box_id for command in found] == ["box-1"] * 3
    numbers = [command.seq for command in found]
    assert numbers == sorted(set(numbers))
    _, said = await one.ask("GET", f"/commands?wait=0&after={numbers[1]}")
    assert [json.loads(signed["payload"])["seq"] for signed in said["commands"]] == numbers[2:]
    assert (await one.ask("GET", "/commands?wait=0&after=-1"))[0] == 400


async def test_a_hub_restored_from_a_backup_does_not_count_again_what_boxes_have_seen(served):
    box, admin = await served.box("box-1"), await served.person("root")
    for _ in range(5):
        _, newest = await admin.ask("POST", f"/boxes/{box.id}/commands", {"kind": "ping"})
        served.clock.tick(2)
    now_s = served.clock.now_ns() // SECOND_NS
    forgotten = await served.hub.store.write(lambda: commands.next_seq("as-if-it-had-none", now_s))
    assert forgotten > newest["command"]["seq"]


async def test_a_revoked_box_and_a_full_queue_are_said(served):
    box, admin = await served.box("box-1"), await served.person("root")
    for _ in range(LONGEST_QUEUE):
        status, _ = await admin.ask("POST", f"/boxes/{box.id}/commands", {"kind": "ping"})
        assert status == 201
    status, said = await admin.ask("POST", f"/boxes/{box.id}/commands", {"kind": "ping"})
    assert status == 429 and "too many" in said["error"]["message"]
    await served.hub.store.write(lambda: boxes.revoke("box-1"))
    status, said = await admin.ask("POST", f"/boxes/{box.id}/commands", {"kind": "ping"})
    assert status == 409 and "revoked" in said["error"]["message"]


async def test_many_at_once_get_numbers_of_their_own(served):
    box, admin = await served.box("box-1"), await served.person("root")
    asked = [admin.ask("POST", f"/boxes/{box.id}/commands", {"kind": "ping"}) for _ in range(20)]
    numbers = [said["command"]["seq"] for _, said in await asyncio.gather(*asked)]
    assert len(set(numbers)) == 20
