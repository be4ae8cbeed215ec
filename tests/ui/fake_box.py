"""A box for the browser: the real web, stores, fragmenter and live hub; only cameras, disks and the
detector are played. A process of its own, so that neither browser nor test can slow it.

    python tests/ui/fake_box.py --cameras 9

prints one line of JSON (url, username, password), then obeys lines of JSON on stdin:
``{"do": "stall", "camera": "gate"}``, ``resume``, ``state``, ``event``, ``model``,
``deaf``, ``care``, ``hub``, ``tunnel``, ``sender`` and answers each with one.
"""

import argparse
import asyncio
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import web
from argon2 import PasswordHasher

from appliance.base.clock import SECOND_NS, BoxClock
from appliance.base.ids import slug, uuid7
from appliance.base.model import Alert, Box, Camera, CameraStatus, Event, Rule, User, Zone
from appliance.base.settings import Settings, SiteSettings
from appliance.base.wire import alert_json, event_json, status_json
from appliance.media.record.live import LiveHub
from appliance.simulator.spec import CameraSpec
from appliance.store import alerts, cameras, events, journal, rules, settings, users, zones
from appliance.store.database import Database
from appliance.store.sealing import Sealer
from appliance.sync.sender import SenderState
from appliance.vision.packs import choice
from appliance.web.app import make_app
from appliance.web.box import Box as WebBox
from appliance.web.people.passwords import Passwords

sys.path.insert(0, str(Path(__file__).parent))
from played import Played, PlayedArchive, PlayedBell, PlayedDesk, PlayedHealth, PlayedVision, footage
from played_care import PlayedCare
from played_connections import Heard, PlayedControl, PlayedSenders, PlayedTunnel, enrol, fill_targets
from played_models import PlayedModels

NAMES = (
    "Front gate", "Loading bay 2", "Yard", "Reception", "Stair A", "Server room", "Car park west",
    "Back door", "Roof", "Corridor 1", "Corridor 2", "Workshop", "Fence north", "Fence south",
    "Canteen", "Archive",
)  # fmt: skip
PASSWORD = "correct horse battery"


class FakeBox:
    """Everything together; ``obey`` runs one command."""

    def __init__(self, args: argparse.Namespace, folder: Path) -> None:
        self.args = args
        self.clock = BoxClock()
        self.db = Database.open(folder / "appliance.db", "appliance", synchronous="NORMAL")
        self.played = Played(self.clock, LiveHub(asyncio.get_running_loop()))
        self.bell = PlayedBell()
        clip, still = footage(args.size)
        hasher = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
        self.models = PlayedModels(self.clock, [slug(name) for name in NAMES[: args.cameras]])
        self.senders, self.tunnel = PlayedSenders(self.clock), PlayedTunnel(folder, self.clock)
        self.control = PlayedControl(self.clock)
        self.box = WebBox(
            db=self.db,
            clock=self.clock,
            sealer=Sealer.from_dir(folder / "secrets"),
            device_id=uuid7(self.clock.now_ns()),
            version="0.1.0",
            data_path=folder,
            health=PlayedHealth(self.clock),
            recorder=self.played,
            archive=PlayedArchive(clip, self.clock),
            vision=PlayedVision(still),
            desk=PlayedDesk(self.db, self.clock, self.bell),
            bell=self.bell,
            still_of_event=self._still_of_event(still),
            passwords=Passwords(hasher),
            volume_paths=(folder,),
            models=self.models,
            control=self.control,
            senders=self.senders,
            care=PlayedCare(folder, self.clock),
        )

    def _still_of_event(self, still: bytes) -> Any:
        async def of_event(event_id: str, with_box: bool) -> bytes:
            return still

        return of_event

    def fill(self) -> list[str]:
        """The tables; returns the cameras' ids."""
        now_ns = self.clock.now_ns()
        hashed = self.box.passwords.hash_now(PASSWORD)
        ids = [slug(name) for name in NAMES[: self.args.cameras]]

        def work(conn: Any) -> None:
            settings.save(conn, Settings(site=SiteSettings("Harbour depot", self.args.zone)))
            for role in ("admin", "installer", "operator", "viewer"):
                users.insert(conn, User(f"u-{role}", role, role, created_ns=now_ns), hashed)
            users.insert(conn, User("u-part", "limited", "viewer", tuple(ids[:1])), hashed)
            users.insert(conn, User("u-new", "newcomer", "admin", must_change_password=True), hashed)
            for n, (id_, name) in enumerate(zip(ids, NAMES, strict=False)):
                cameras.insert(
                    conn, Camera(id_, name, f"rtsp://10.0.0.{n + 10}/main", created_ns=now_ns + n), None
                )
                zones.insert(
                    conn,
                    Zone(f"z-{id_}", id_, "doorway", "polygon", ((0.3, 0.4), (0.7, 0.4), (0.7, 1), (0.3, 1))),
                )
            if ids:
                rules.insert(
                    conn,
                    Rule(
                        "r-1",
                        "People at the door",
                        "zone_enter",
                        zone_ids=(f"z-{ids[0]}",),
                        severity="critical",
                    ),
                )
            for n in range(self.args.events if ids else 0):
                self._happen(
                    conn,
                    ids[n % len(ids)],
                    now_ns - (n + 1) * 977 * SECOND_NS,
                    ("critical", "warning", "info", "info")[n % 4],
                )

        self.db.write_now(work)
        if self.args.targets:
            self.db.write_now(lambda conn: fill_targets(conn, self.box.sealer, now_ns))
        for id_ in ids:
            self.played.statuses[id_] = CameraStatus(
                "recording", now_ns, "h264", 640, 360, 15.0, 812_000, now_ns
            )
        for id_ in ids[len(ids) - self.args.dead :]:
            dead_ns = now_ns - 754 * SECOND_NS
            self.played.statuses[id_] = CameraStatus(
                "offline", dead_ns, last_packet_ns=dead_ns, last_error="no route to host"
            )
            self.played.stalled.add(id_)
        return ids

    def _happen(
        self, conn: Any, camera_id: str, at_ns: int, severity: Any, class_name: str = "person"
    ) -> Event:
        event = Event(
            uuid7(at_ns), self.box.device_id, camera_id, "r-1", "zone_enter", severity, at_ns, None, 0.87,
            class_name, "1-7", Box(0.4, 0.3, 0.12, 0.5), f"z-{camera_id}",
            at_ns + 400_000_000, has_snapshot=True, has_clip=True,
        )  # fmt: skip
        events.insert(conn, event)
        journal.append(conn, "event", camera_id, at_ns, event_json(event))
        if severity != "info":
            alert = Alert(uuid7(at_ns), event.id, "r-1", camera_id, severity, "new", event.created_ns)
            if at_ns < self.clock.now_ns() - 3000 * SECOND_NS:
                alert = msgspec.structs.replace(
                    alert,
                    status="acknowledged",
                    acknowledged_by="u-operator",
                    acknowledged_ns=at_ns + 30 * SECOND_NS,
                )
            alerts.insert(conn, alert)
            journal.append(conn, "alert", camera_id, at_ns, alert_json(alert))
        return event

    async def obey(self, order: dict[str, Any]) -> dict[str, Any]:
        camera = order.get("camera", "")
        now_ns = self.clock.now_ns()
        match order["do"]:
            case "stall":
                self.played.stalled.add(camera)
            case "resume":
                self.played.stalled.discard(camera)
            case "state":
                old = self.played.status(camera)
                new = msgspec.structs.replace(
                    old, state=order["state"], since_ns=now_ns, last_packet_ns=now_ns
                )
                self.played.statuses[camera] = new
                data = {"id": camera, "status": status_json(new)}
                await self.db.write(lambda conn: journal.append(conn, "camera", camera, now_ns, data))
                self.bell.ring()
            case "model":  # the change that goes on ends
                wanted = self.models.end(order["phase"], order["reason"])
                back, reason = choice.Choice(), order["reason"]
                await self.db.write(lambda conn: choice.put_back(conn, wanted, back, reason, now_ns))
                data = {"what": "model", "phase": order["phase"]}
                await self.db.write(lambda conn: journal.append(conn, "system", None, now_ns, data))
                self.bell.ring()
            case "deaf":  # or no longer
                self.box.models = None if order["deaf"] else self.models
                data = {"what": "analysis"}
                await self.db.write(lambda conn: journal.append(conn, "system", None, now_ns, data))
                self.bell.ring()
            case "hub":  # enrolled, as if it had been asked
                await self.db.write(lambda conn: enrol(conn, self.box.sealer, now_ns))
            case "silence":  # of the hub, since so many seconds; None: since the box was started
                since = order["since_s"]
                heard_ns = None if since is None else now_ns - since * SECOND_NS
                self.control.state = Heard(heard_ns, order["error"])
            case "tunnel":
                await self.db.write(lambda conn: self._tunnel(conn, order["state"]))
            case "sender":
                self.senders.known[order["target"]] = SenderState(order.get("error"), now_ns, None)
            case "care":
                self.box.care.set(order)
            case "event":
                severity, what = order.get("severity", "critical"), order.get("class_name", "person")
                event = await self.db.write(lambda conn: self._happen(conn, camera, now_ns, severity, what))
                self.bell.ring()
                return {"id": event.id}
        return {}

    def _tunnel(self, conn: Any, word: str) -> None:
        if word == "stopped":
            self.tunnel.stop()
            return
        self.tunnel.configure(conn, self.box.sealer)
        self.tunnel.write(word, conn, self.box.sealer)


async def orders(box: FakeBox) -> None:
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        print(json.dumps(await box.obey(json.loads(line))), flush=True)


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--cameras", type=int, default=4)
    parser.add_argument("--dead", type=int, default=0)
    parser.add_argument("--events", type=int, default=12)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--size", default="640x360")
    parser.add_argument("--codec", default="h264")
    parser.add_argument("--bframes", type=int, default=0)
    parser.add_argument("--gop", type=int, default=15)
    parser.add_argument("--targets", action="store_true")
    parser.add_argument("--zone", default="Europe/Berlin")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        box = FakeBox(args, Path(folder))
        ids = box.fill()
        width, height = map(int, args.size.split("x"))
        spec = CameraSpec(
            "played", width=width, height=height, codec=args.codec, bframes=args.bframes, gop=args.gop, seed=3
        )
        filming = asyncio.create_task(box.played.film(spec, ids))
        runner = web.AppRunner(make_app(box.box), shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", args.port)
        await site.start()
        port = runner.addresses[0][1]
        print(
            json.dumps({"url": f"http://127.0.0.1:{port}", "password": PASSWORD, "cameras": ids}), flush=True
        )
        await orders(box)
        filming.cancel()
        await runner.cleanup()
        box.db.close()


if __name__ == "__main__":
    asyncio.run(main())
