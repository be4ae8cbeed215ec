"""A real hub with a small fleet whose boxes speak through the real API, as a process of its own.

Orders come in as JSON lines: ``{"do": "event", "box": 0}`` and so on; each is answered with one line. The
fleet is hostile where it can be: names with markup, letters that turn the direction of writing, long words.
"""

import argparse
import asyncio
import base64
import hashlib
import json
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
from aiohttp import web
from argon2 import PasswordHasher
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from footage import footage
from played_reports import reports

from appliance.base.clock import SECOND_NS, BoxClock, parse_rfc3339, rfc3339
from appliance.base.errors import ApplianceError
from appliance.base.ids import uuid7
from appliance.hub.app import make_app
from appliance.hub.box_api.enrol import code_hash
from appliance.hub.hub import Hub
from appliance.hub.running import Places, open_hub, running
from appliance.hub.store import boxes, codes, presence, sites, users
from appliance.hub.store.codes import Code
from appliance.hub.store.sites import Site
from appliance.hub.store.users import Person
from appliance.sync.protocol.enrolment import Enrolment
from appliance.web.people.passwords import Passwords

FIGURES = ("acknowledged", "tombstoned", "waiting", "in_flight", "parked")
PASSWORD = "correct horse battery"
CLAIM_CODE = "once and never again"
HOSTILE = '<img src=x onerror="document.title=1">"\'&'
NAMES = (
    "Warehouse north",
    "Depot Ænes",
    HOSTILE,
    "W" * 90,
    "Filling station 7",
    "Yard \u05d0\u05d1\u05d2 12",
)
ZONES = ("Europe/Berlin", "Europe/Oslo", "Europe/Lisbon", "", "Asia/Tokyo", "Europe/Lisbon")
SITES = (
    Site("berlin", "Berlin Süd", "Europe/Berlin", 52.45, 13.38),
    Site("oslo", HOSTILE, "Europe/Oslo", 59.91, 10.75),
    Site("porto", "Porto", "Europe/Lisbon", 41.15, -8.61),
)


class PlayedBox:
    """What a box says: heartbeats, rows, files, and answers to commands."""

    def __init__(self, number: int, url: str, session: aiohttp.ClientSession, clock: BoxClock) -> None:
        self.number, self.url, self.session, self.clock = number, url, session, clock
        self.id = f"0199-box-{number}"
        self.key = Ed25519PrivateKey.generate()
        self.token = ""
        self.counts: dict[str, dict[str, int]] = defaultdict(lambda: dict.fromkeys(FIGURES, 0))
        self.uploads: dict[str, tuple[bytes, int]] = {}
        self.kinds: dict[str, str] = {}

    async def ask(self, method: str, path: str, body: Any = None, **more: Any) -> Any:
        data = body if isinstance(body, bytes) or body is None else msgspec.json.encode(body)
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        async with self.session.request(
            method,
            f"{self.url}/api/v1/box{path}",
            data=data,
            headers=headers | more.pop("headers", {}),
            **more,
        ) as answer:
            assert answer.status < 300, await answer.text()
            return await answer.json()

    async def enrol(self, code: str) -> None:
        key = base64.b64encode(self.key.public_key().public_bytes_raw()).decode()
        bare = Enrolment(code, self.id, f"box {self.number}", "1.4.0", key, "", "")
        proof = base64.b64encode(self.key.sign(bare.signed_text())).decode()
        enrolled = await self.ask("POST", "/enrol", msgspec.structs.replace(bare, proof=proof))
        self.token = enrolled["token"]

    async def beat(
        self, *, status: str = "ok", detail: str = "", version: str = "1.4.0", cameras: int = 8
    ) -> None:
        delivery = {kind: {"owed": sum(count.values()), **count} for kind, count in self.counts.items()}
        await self.ask(
            "POST",
            "/heartbeat",
            {
                "box_time": rfc3339(self.clock.now_ns() + (7200 * SECOND_NS if self.number == 4 else 0)),
                "version": version, "status": status, "detail": detail, "uptime_s": 86_400.0 * 12,
                "cameras_recording": cameras, "cameras_total": 8, "disk_free_bytes": 412_000_000_000,
                "settings_version": 0xBEEF_1234_5678, "delivery": delivery,
            },
        )  # fmt: skip

    async def tell_names(self, **changes: Any) -> None:
        """Box 1 is of old, and tells none."""
        told = {
            "name": NAMES[self.number], "time_zone": ZONES[self.number],
            "cameras": [
                {"id": "yard", "name": "Yard", "streams": ["main", "sub"]},
                {"id": "gate-east", "name": "East gate", "streams": ["main"]},
                {"id": "hall", "name": HOSTILE, "streams": [], "enabled": False},
            ],
            "zones": [{"id": "z-gate", "name": "Loading bay " + HOSTILE, "camera_id": "gate-east"}],
            "rules": [
                {"id": "r1", "name": "Nobody at the gate at night"},
                {"id": "r2", "name": "Cars", "enabled": False},
            ],
        } | changes  # fmt: skip
        await self.ask("PUT", "/directory", told)

    async def rows(self, *rows: dict[str, Any]) -> None:
        answer = await self.ask("POST", "/batch", {"device_id": self.id, "batch": list(rows), "schema": 2})
        assert not answer["refused"], answer
        for row in rows:
            self.counts[row["kind"]]["acknowledged"] += 1

    def event(self, at_ns: int, type_: str, severity: str, camera: str, class_name: str) -> dict[str, Any]:
        id_, at = uuid7(at_ns), rfc3339(at_ns)
        body = {
            "id": id_, "version": 1, "device_id": self.id, "camera_id": camera, "rule_id": "r1",
            "type": type_,
            "severity": severity, "start_time": at, "end_time": None, "confidence": 0.87,
            "class_name": class_name,
            "track_id": "1-7", "bbox": None, "zone_id": "z-gate", "snapshot_url": None, "clip_url": None,
            "found_late": False, "created_at": at, "metadata": {},
        }  # fmt: skip
        return {"id": id_, "kind": "event", "created_at": at, "body": body}

    def alert(self, event: dict[str, Any], status: str = "new", id_: str = "") -> dict[str, Any]:
        body, fresh = event["body"], not id_
        id_ = id_ or uuid7(self.clock.now_ns())
        told = {
            "id": id_, "event_id": body["id"], "rule_id": "r1", "camera_id": body["camera_id"],
            "severity": body["severity"], "status": status, "created_at": body["created_at"], "notes": [],
        }  # fmt: skip
        row_id = id_ if fresh else uuid7(self.clock.now_ns())
        kind = "alert" if fresh else "alert_update"
        return {"id": row_id, "kind": kind, "created_at": rfc3339(self.clock.now_ns()), "body": told}

    async def begin_file(self, event: dict[str, Any], kind: str, data: bytes, mime: str) -> str:
        id_, at = uuid7(self.clock.now_ns()), event["created_at"]
        file = {
            "event_id": event["id"], "camera_id": event["body"]["camera_id"], "start_time": at,
            "end_time": at, "stream": "sub" if kind == "small_clip" else "main",
        }  # fmt: skip
        if kind != "still":
            file["end_time"] = rfc3339(parse_rfc3339(at) + 10 * SECOND_NS)
        manifest = {
            "kind": kind, "created_at": at, "file": file, "size_bytes": len(data),
            "sha256": hashlib.sha256(data).hexdigest(), "mime": mime,
        }  # fmt: skip
        await self.ask("PUT", f"/uploads/{id_}", manifest)
        self.uploads[id_] = (data, 0)
        self.counts[kind]["in_flight"] += 1
        self.kinds[id_] = kind
        return id_

    async def send_more(self, id_: str, until: float) -> None:
        """``until``: which part of the file is there afterwards, 0..1."""
        data, sent = self.uploads[id_]
        piece = data[sent : round(until * len(data))]
        headers = {
            "X-Chunk-SHA256": hashlib.sha256(piece).hexdigest(),
            "Content-Type": "application/octet-stream",
        }
        await self.ask("PUT", f"/uploads/{id_}/chunks/{sent}", piece, headers=headers)
        self.uploads[id_] = (data, sent + len(piece))
        if until >= 1:
            self.counts[self.kinds[id_]]["in_flight"] -= 1
            self.counts[self.kinds[id_]]["acknowledged"] += 1

    async def obey(self, state: str, message: str, result: dict[str, Any] | None) -> dict[str, Any]:
        """Fetch what is ordered, and answer it; what it was."""
        signed = (await self.ask("GET", "/commands?wait=0&after=0"))["commands"]
        found = [json.loads(each["payload"]) for each in signed]
        for command in found:
            await self.tell(command["id"], state, message, result)
        bodies = [command["body"] for command in found]
        return {"count": len(found), "bodies": bodies, "ids": [command["id"] for command in found]}

    async def tell(self, command_id: str, state: str, message: str, result: dict[str, Any] | None) -> None:
        body = {"command_id": command_id, "state": state, "message": message, "result": result or {}}
        now_ns = self.clock.now_ns()
        await self.rows(
            {"id": uuid7(now_ns), "kind": "command_result", "created_at": rfc3339(now_ns), "body": body}
        )


class FakeHub:
    def __init__(
        self, hub: Hub, runner: web.AppRunner, site: web.TCPSite, session: aiohttp.ClientSession
    ) -> None:
        self.hub, self.store = hub, hub.store
        self.runner, self.port = runner, runner.addresses[0][1]
        self.url = url = f"http://127.0.0.1:{self.port}"
        self.site: web.TCPSite | None = site
        self.clock: BoxClock = hub.clock  # type: ignore[assignment]  # it is one
        self.boxes = [PlayedBox(n, url, session, self.clock) for n in range(len(NAMES))]
        self.clip, self.still = b"", b""

    async def fill(self, empty: bool) -> None:
        store, now_ns = self.hub.store, self.clock.now_ns()
        hashed = await self.hub.passwords.hash(PASSWORD)
        people = (
            ("admin", "admin", None), ("operator", "operator", None), ("viewer", "viewer", None),
            ("porto", "operator", ("porto",)), ("berlinadmin", "admin", ("berlin",)),
        )  # fmt: skip
        if not empty:
            for site in SITES:
                await store.write(lambda s=site: sites.put(s))
        for name, role, only in people:
            if empty and only:
                continue
            person = Person(f"u-{name}", name, role, only, False, False, now_ns)
            await store.write(lambda p=person: users.put(p, hashed))
        claim = await self.hub.passwords.hash(CLAIM_CODE)
        newcomer = Person("u-newcomer", "newcomer", "admin", None, True, False, now_ns)
        await store.write(lambda: users.put(newcomer, claim))
        if not empty:
            self.clip, self.still = footage()
            for box in self.boxes:
                await self._start(box)
            await self._story()

    async def _start(self, box: PlayedBox) -> None:
        store, now_ns, text = self.hub.store, self.clock.now_ns(), f"code-{box.number}-abcdefgh"
        site_id = (*(site.id for site in SITES), None, "berlin", "porto")[box.number]
        name = "" if box.number >= len(NAMES) else NAMES[box.number]
        code = Code(f"c-{box.number}", "", site_id, "", "admin", now_ns, now_ns + 3600 * SECOND_NS)
        await store.write(lambda: codes.add(code, code_hash(text)))
        await box.enrol(text)
        tags = '["north", "pilot"]' if box.number < 2 else "[]"
        await store.write(lambda: boxes.change(box.id, name, site_id, tags))
        if box.number == 3:
            return  # enrolled, never heard
        if box.number != 1:
            await box.tell_names()
        box.counts["clip"]["waiting"] = 1200 if box.number == 4 else 0
        box.counts["event"]["parked"] = 2 if box.number == 5 else 0

    async def _story(self) -> None:
        now_ns, a, b = self.clock.now_ns(), self.boxes[0], self.boxes[1]
        seen = [
            a.event(now_ns - n * 400 * SECOND_NS, "zone_enter", "info", "yard", "person")
            for n in range(9, 2, -1)
        ]
        grave = a.event(now_ns - 300 * SECOND_NS, "intrusion", "critical", "gate-east", "person")
        warn = a.event(now_ns - 100_000 * SECOND_NS, "line_cross", "warning", "yard", "car")
        await a.rows(*seen, grave, warn, a.alert(grave), a.alert(warn), *reports(now_ns))
        other = b.event(
            now_ns - 200 * SECOND_NS, "loitering", "warning", "<script>alert(1)</script>", HOSTILE
        )
        await b.rows(other, b.alert(other))
        for event in (grave, seen[-1], other):
            box = b if event is other else a
            await box.send_more(await box.begin_file(event, "still", self.still, "image/jpeg"), 1.0)
        await a.send_more(await a.begin_file(grave, "small_clip", self.clip, "video/mp4"), 1.0)
        await a.send_more(await a.begin_file(seen[-1], "clip", self.clip, "video/mp4"), 0.6)
        await a.beat()
        await b.beat(status="degraded", detail=f"8 % free on the first volume {HOSTILE}", cameras=6)
        await self.boxes[2].beat(version="1.3.2")
        await self.boxes[4].beat(version=HOSTILE[:40])
        await self.boxes[5].beat(version="1.3.2")
        # One that fell silent: as the hub's watch would have found it.
        gone_ns = now_ns - 900 * SECOND_NS
        text = (
            '{"box_time": "2026-01-01T00:00:00.000Z", "version": "1.3.2", "status": "ok", "cameras_total": 4}'
        )
        await self.hub.store.write(
            lambda: presence.heard("0199-box-2", text, "ok", "1.3.2", 0, 0, 0, gone_ns)
        )
        await self.hub.store.write(lambda: presence.missed(gone_ns + 1, now_ns - 800 * SECOND_NS))

    async def obey(self, order: dict[str, Any]) -> dict[str, Any]:
        box = self.boxes[order.get("box", 0)]
        match order["do"]:
            case "event":
                event = box.event(
                    self.clock.now_ns(), "zone_enter", order.get("severity", "info"), "yard", "person"
                )
                rows = [event] if order.get("severity", "info") == "info" else [event, box.alert(event)]
                await box.rows(*rows)
                return {"id": event["id"], "alert": rows[-1]["id"]}
            case "alert_status":
                event = {
                    "body": {
                        "id": "e1",
                        "camera_id": "yard",
                        "severity": "critical",
                        "created_at": rfc3339(1),
                    }
                }
                await box.rows(box.alert(event, order["status"], order["alert"]))
            case "beat":
                await box.beat(
                    **{key: order[key] for key in ("status", "detail", "version", "cameras") if key in order}
                )
            case "begin":  # another file of which a part is here
                event = box.event(self.clock.now_ns(), "zone_enter", "info", "yard", "person")
                await box.rows(event)
                id_ = await box.begin_file(event, "clip", self.clip, "video/mp4")
                await box.send_more(id_, order["until"])
                return {"id": id_}
            case "arrive":
                await box.send_more(order["upload"], order["until"])
            case "answer":
                return await box.obey(order["state"], order.get("message", ""), order.get("result"))
            case "tell":
                await box.tell(
                    order["command"], order["state"], order.get("message", ""), order.get("result")
                )
            case "break":  # the database is away
                self.hub.store = _Broken() if order["broken"] else self.store  # type: ignore[assignment]
            case "deaf":  # nobody listens at the door, or again
                await self.listen(not order["deaf"])
        return {}

    async def listen(self, on: bool) -> None:
        if not on and self.site is not None:
            await self.site.stop()
            self.site = None
            for connection in self.runner.server.connections if self.runner.server else []:
                connection.force_close()
                if connection.transport is not None:
                    connection.transport.abort()
        elif on and self.site is None:
            self.site = web.TCPSite(self.runner, "127.0.0.1", self.port)
            await self.site.start()


class _Broken:
    kind = "broken"

    async def read(self, work: Any) -> Any:
        raise ApplianceError("unavailable", "the hub's database: TimeoutError", "is PostgreSQL running?")

    write = read


async def orders(hub: FakeHub) -> None:
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        print(json.dumps(await hub.obey(json.loads(line))), flush=True)


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--empty", action="store_true")
    parser.add_argument("--port", type=int, default=0)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        clock = BoxClock()
        async with open_hub(Places(Path(folder)), clock) as hub, aiohttp.ClientSession() as session:
            hub.passwords = Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
            runner = web.AppRunner(make_app(hub), auto_decompress=False, shutdown_timeout=0.1)
            await runner.setup()
            first = web.TCPSite(runner, "127.0.0.1", args.port)
            await first.start()
            fake = FakeHub(hub, runner, first, session)
            await fake.fill(args.empty)
            ids = [box.id for box in fake.boxes]
            print(json.dumps({"url": fake.url, "password": PASSWORD, "boxes": ids}), flush=True)
            async with running(hub):
                await orders(fake)
            await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(main())
