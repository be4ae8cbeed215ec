"""Boxes that are not there: N of them in this process, each with the real sender and the real hub target.

Every box has its own identity key, enrols with a one-time code, and then has what a real one has towards its
hub: a ``Sender`` with rows and files, the heartbeat every 30 s, the reconciliation, and the long poll for
orders; so two or three connections each, kept open. What they share, because one process is all of them: one
appliance.db with a target for each box (``synchronous=NORMAL``: one disk must not stand for N disks), and one
loop, whose lag is in every time that is taken here (``Seen.lag_ms`` says how much). Footage is made up.
"""

import asyncio
import base64
import hashlib
import random
import ssl
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from appliance import __version__
from appliance.base.clock import SECOND_NS, BoxClock, rfc3339
from appliance.base.ids import uuid7
from appliance.base.supervision import BackOff, supervise
from appliance.hub.box_api.enrol import code_hash, new_code
from appliance.hub.running import Places, open_store
from appliance.hub.store import codes
from appliance.hub.store.codes import Code
from appliance.store import outbox
from appliance.store.database import Database
from appliance.store.outbox import OutboxRow
from appliance.store.owed_files import owed_file
from appliance.store.targets import Target
from appliance.sync.answer import Verdict
from appliance.sync.control.poll import Peer, Unheard, poll
from appliance.sync.protocol import PREFIX
from appliance.sync.protocol.command import LONGEST_WAIT_S
from appliance.sync.protocol.enrolment import Enrolment
from appliance.sync.protocol.heartbeat import Heartbeat
from appliance.sync.sender import Sender
from appliance.sync.targets.given import Given
from appliance.sync.targets.hub.target import HubTarget

CRITICAL_LANE, EVENT_LANE = 0, 2
AT_ONCE = 16  # enrolments
LAG_LOOK_S = 0.01
FILLED = 20_000  # rows of a backlog per transaction


@dataclass(frozen=True)
class Habits:
    """Of one box. ``every_s``: between two times that it has something to tell, give or take a fifth;
    ``rows_each``: events, then. ``alarm_every_s``: a critical alert with its event, its still and its
    small clip, at chance; 0: never."""

    every_s: float = 30.0
    rows_each: int = 3
    alarm_every_s: float = 1800.0
    still_bytes: int = 40_000
    clip_bytes: int = 400_000


@dataclass
class Seen:
    """What the boxes saw, in ms: ``put_ms`` from handing rows to the target to its verdict, ``alarm_ms``
    from the moment a critical alert was made to the moment its box knew that the hub has it, ``lag_ms``
    by how much this process's loop was late."""

    put_ms: list[float] = field(default_factory=list)
    alarm_ms: list[float] = field(default_factory=list)
    beat_ms: list[float] = field(default_factory=list)
    lag_ms: list[float] = field(default_factory=list)
    rows: int = 0
    files: int = 0
    failures: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class Account:
    """A box as the hub knows it."""

    id: str
    token: str


class Held:
    """Footage: the same bytes each time for one row."""

    def __init__(self, row: OutboxRow, size_bytes: int, mime: str) -> None:
        self._data = (hashlib.sha256(row.id.encode()).digest() * (size_bytes // 32 + 1))[:size_bytes]
        self.size_bytes, self.mime = size_bytes, mime
        self.sha256 = hashlib.sha256(self._data).hexdigest()

    async def read(self, offset: int, length_bytes: int) -> AsyncIterator[bytes]:
        for at in range(offset, offset + length_bytes, 65_536):
            yield self._data[at : min(at + 65_536, offset + length_bytes)]


class Footage:
    def __init__(self, habits: Habits) -> None:
        self._habits = habits

    async def open(self, row: OutboxRow) -> Held:
        if row.kind == "still":
            return Held(row, self._habits.still_bytes, "image/jpeg")
        return Held(row, self._habits.clip_bytes, "video/mp4")


class Watched(HubTarget):
    """The hub's target, and how long each of its answers took."""

    def __init__(self, given: Given, seen: Seen) -> None:
        super().__init__(given)
        self._seen, self._clock = seen, given.clock

    async def put(self, rows: Sequence[OutboxRow]) -> Verdict:
        began_s = time.perf_counter()
        verdict = await super().put(rows)
        seen, now_ns = self._seen, self._clock.now_ns()
        seen.put_ms.append((time.perf_counter() - began_s) * 1000)
        seen.rows += len(verdict.acknowledged)
        if verdict.kind != "delivered" or verdict.rejected:
            seen.failures[verdict.error or verdict.rejected[0][1]] += 1
        taken = set(verdict.acknowledged)
        seen.alarm_ms += [
            (now_ns - row.created_ns) / 1e6
            for row in rows
            if row.kind == "alert" and row.lane == CRITICAL_LANE and row.id in taken
        ]
        return verdict

    async def put_file(self, row: OutboxRow, *others: Any) -> Verdict:
        verdict = await super().put_file(row, *others)
        self._seen.files += len(verdict.acknowledged)
        if verdict.kind != "delivered":
            self._seen.failures[f"file: {verdict.error}"] += 1
        return verdict


class Fleet:
    """``start`` them, let them ``live``, ``stop`` them; what was owed stays in ``folder``."""

    def __init__(self, folder: Path, url: str, accounts: Sequence[Account], habits: Habits) -> None:
        self._url, self.accounts, self.habits = url, accounts, habits
        self.seen = Seen()
        self.clock = BoxClock()
        self._db = Database.open(folder / "appliance.db", "appliance", synchronous="NORMAL")
        self._folder = folder
        self._tls = ssl.create_default_context()
        self._footage = Footage(habits)
        self._senders: dict[str, Sender] = {}
        self._targets: list[Watched] = []
        self._tasks: list[asyncio.Task[None]] = []

    def seen_anew(self) -> Seen:
        """What was seen until now; from now on it is counted anew."""
        was, new = self.seen, Seen()
        for target in self._targets:
            target._seen = new
        self.seen = new
        return was

    async def start(self, over_s: float) -> None:
        """All of them, spread over so many seconds: boxes were not switched on at one moment. 0: they
        were, by a power cut that is over."""
        self._tasks.append(asyncio.create_task(self._look_at_lag()))
        for account in self.accounts:
            self._connect(account)
            await asyncio.sleep(over_s / len(self.accounts))

    def _connect(self, account: Account) -> None:
        target = Target(id=account.id, url=self._url, kind="hub")
        peer = Watched(
            Given(
                target=target, secret=account.token, tls=self._tls, device_id=account.id,
                clock=self.clock, db=self._db, state_folder=self._folder / account.id,
                wake=lambda: self._wake(account.id), heartbeat=self._condition,
            ),
            self.seen,
        )  # fmt: skip
        sender = Sender(target, peer, self._db, self.clock, materials=self._footage)
        self._targets.append(peer)
        self._senders[account.id] = sender
        for name, run in (
            ("sync", sender.run),
            ("attend", peer.attend),
            ("orders", lambda: self._ask_for_orders(Peer(target, account.token))),
        ):
            self._run(supervise(f"{name} {account.id}", run, self.clock))

    def _wake(self, box_id: str) -> None:
        self._senders[box_id].wake()

    async def _condition(self) -> Heartbeat:
        """As a box with sixteen cameras says it (``daemon.pulse``)."""
        return Heartbeat(
            rfc3339(self.clock.now_ns()), __version__, "ok", boot_id="0" * 36, uptime_s=1.0,
            cameras_recording=16, cameras_total=16, disk_free_bytes=1 << 40,
        )  # fmt: skip

    async def _ask_for_orders(self, peer: Peer) -> None:
        """As ``sync.control`` does: one long poll after the other, on a connection of its own."""
        back_off = BackOff(1.0, 300.0)
        async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
            while True:
                try:
                    await poll(session, peer, self._tls, LONGEST_WAIT_S)
                    back_off.reset()
                except Unheard as error:
                    self.seen.failures[f"orders: {error}"] += 1
                    await asyncio.sleep(back_off.next_s())

    async def live(self) -> None:
        """Until cancelled: events, and now and then an alarm."""
        async with asyncio.TaskGroup() as group:
            for account in self.accounts:
                group.create_task(self._tell(account.id, self.habits.every_s))
            if self.habits.alarm_every_s:
                group.create_task(self._alarms(self.habits.alarm_every_s / len(self.accounts)))

    async def _tell(self, box_id: str, every_s: float) -> None:
        await asyncio.sleep(random.uniform(0, every_s))
        while True:
            await self.owe_events(box_id, self.habits.rows_each)
            await asyncio.sleep(every_s * random.uniform(0.8, 1.2))

    async def _alarms(self, every_s: float) -> None:
        while True:
            await asyncio.sleep(random.expovariate(1 / every_s))
            await self.owe_alarm(random.choice(self.accounts).id)

    async def owe_events(self, box_id: str, count: int) -> None:
        now_ns = self.clock.now_ns()
        rows = [event(box_id, now_ns) for _ in range(count)]

        def owe(conn: Any) -> None:
            for id_, body in rows:
                outbox.enqueue(conn, [box_id], id_, "event", body, now_ns)

        await self._db.write(owe)
        self._senders[box_id].wake()

    async def owe_alarm(self, box_id: str) -> None:
        """A critical alert, its event, its still and its small clip."""
        now_ns = self.clock.now_ns()
        event_id, event_body = event(box_id, now_ns, "critical")
        alert_id, alert_body = alert(event_id, now_ns)
        still = msgspec.json.encode(owed_file(event_id, "gate", now_ns, now_ns, "sub"))
        clip = msgspec.json.encode(owed_file(event_id, "gate", now_ns, now_ns + 10 * SECOND_NS, "sub"))

        def owe(conn: Any) -> None:
            outbox.enqueue(conn, [box_id], event_id, "event", event_body, now_ns, lane=CRITICAL_LANE)
            outbox.enqueue(conn, [box_id], alert_id, "alert", alert_body, now_ns, lane=CRITICAL_LANE)
            outbox.enqueue(conn, [box_id], uuid7(now_ns), "still", still, now_ns)
            outbox.enqueue(conn, [box_id], uuid7(now_ns), "small_clip", clip, now_ns)

        await self._db.write(owe)
        self._senders[box_id].wake()

    async def owe_backlog(self, seconds: float) -> int:
        """What all of them would have told in so long, as it lies there when the link is back; how many
        rows. In bulk, since that is not what is measured."""
        each = round(seconds / self.habits.every_s) * self.habits.rows_each
        now_ns = self.clock.now_ns()
        rows = [
            (id_, account.id, made_ns, len(body), body)
            for account in self.accounts
            for made_ns in range(now_ns - each * SECOND_NS, now_ns, SECOND_NS)
            for id_, body in [event(account.id, made_ns)]
        ]
        for first in range(0, len(rows), FILLED):
            part = rows[first : first + FILLED]
            await self._db.write(lambda conn, part=part: _fill(conn, part))
        return len(rows)

    async def waiting(self) -> int:
        """Rows and files that are owed and not acknowledged, of all boxes."""
        statement = "SELECT coalesce(sum(waiting + in_flight + parked), 0) FROM outbox_counts"
        return int(await self._db.read(lambda conn: conn.execute(statement).fetchone()[0]))

    async def stop(self) -> None:
        """Connections are closed; the boxes may be started again."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(target.close() for target in self._targets))
        self._tasks, self._targets, self._senders = [], [], {}

    async def close(self) -> None:
        await self.stop()
        self._db.close()

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        self._tasks.append(asyncio.create_task(work))

    async def _look_at_lag(self) -> None:
        while True:
            began_s = time.perf_counter()
            await asyncio.sleep(LAG_LOOK_S)
            self.seen.lag_ms.append((time.perf_counter() - began_s - LAG_LOOK_S) * 1000)


def event(box_id: str, now_ns: int, severity: str = "info") -> tuple[str, bytes]:
    """Its id and its body, as a box tells of it: some 700 bytes."""
    id_, at = uuid7(now_ns), rfc3339(now_ns)
    body = {
        "id": id_, "version": 1, "device_id": box_id, "camera_id": "gate", "rule_id": uuid7(now_ns),
        "type": "intrusion", "severity": severity, "start_time": at, "end_time": at,
        "confidence": round(random.random(), 3), "class_name": "person", "track_id": random.randrange(10_000),
        "bbox": {"x": round(random.random(), 4), "y": round(random.random(), 4), "width": 0.1, "height": 0.3},
        "zone_id": "yard", "direction": None, "count": None,
        "snapshot_url": f"/api/v1/events/{id_}/snapshot.jpg",
        "clip_url": f"/api/v1/events/{id_}/clip.mp4", "found_late": False, "created_at": at,
        "metadata": {"rule_name": "Yard at night"},
    }  # fmt: skip
    return id_, msgspec.json.encode(body)


def alert(event_id: str, now_ns: int) -> tuple[str, bytes]:
    id_ = uuid7(now_ns)
    body = {
        "id": id_, "event_id": event_id, "rule_id": "yard", "camera_id": "gate", "severity": "critical",
        "status": "new", "created_at": rfc3339(now_ns), "acknowledged_by": None, "acknowledged_at": None,
        "resolved_by": None, "resolved_at": None, "resolution": None, "escalated_at": None, "notes": [],
    }  # fmt: skip
    return id_, msgspec.json.encode(body)


def _fill(conn: Any, rows: list[tuple[str, str, int, int, bytes]]) -> None:
    conn.executemany(
        "INSERT INTO outbox (id, target_id, kind, lane, is_file, state, created_ns, size_bytes, body)"
        " VALUES (?, ?, 'event', 2, 0, 0, ?, ?, ?)",
        rows,
    )
    counted = Counter(row[1] for row in rows)
    conn.executemany(
        "INSERT INTO outbox_counts (target_id, lane, kind, owed, waiting, bytes)"
        " VALUES (?1, 2, 'event', ?2, ?2, ?3) ON CONFLICT (target_id, lane, kind) DO UPDATE SET"
        " owed = owed + excluded.owed, waiting = waiting + excluded.waiting, bytes = bytes + excluded.bytes",
        [(id_, count, sum(row[3] for row in rows if row[1] == id_)) for id_, count in counted.items()],
    )


async def invited(places: Places, count: int) -> list[str]:
    """One-time codes, put down beside the running hub as ``appliance hub code`` does."""
    now_ns = BoxClock().now_ns()
    store = await open_store(places, now_ns)
    texts = [new_code() for _ in range(count)]

    def work() -> Any:
        for text in texts:
            made = Code(uuid7(now_ns), "", None, "", "bench", now_ns, now_ns + 3600 * SECOND_NS)
            yield from codes.add(made, code_hash(text))

    await store.write(work)
    await store.close()
    return texts


async def enrol(url: str, codes_: Sequence[str]) -> list[Account]:
    """Each code for a box of its own, with a key of its own."""
    turns = asyncio.Semaphore(AT_ONCE)
    async with aiohttp.ClientSession(url, connector=aiohttp.TCPConnector(limit=AT_ONCE)) as session:

        async def one(number: int, code: str) -> Account:
            key = Ed25519PrivateKey.generate()
            public = base64.b64encode(key.public_key().public_bytes_raw()).decode()
            tunnel = base64.b64encode(X25519PrivateKey.generate().public_key().public_bytes_raw()).decode()
            asked = Enrolment(code, f"box-{number:05d}", f"Box {number}", __version__, public, tunnel, "")
            proof = base64.b64encode(key.sign(asked.signed_text())).decode()
            body = msgspec.json.encode(msgspec.structs.replace(asked, proof=proof))
            async with turns, session.post(f"{PREFIX}/enrol", data=body) as answer:
                said = await answer.json()
                assert answer.status == 200, said
                return Account(asked.device_id, said["token"])

        return await asyncio.gather(*(one(number, code) for number, code in enumerate(codes_)))


async def until(holds: Callable[[], Awaitable[bool]], most_s: float) -> bool:
    """Whether it held within so long."""
    end_s = time.perf_counter() + most_s
    while time.perf_counter() < end_s:
        if await holds():
            return True
        await asyncio.sleep(0.2)
    return False


def percentile(values: Sequence[float], percent: float) -> float:
    """0 where there are none."""
    return sorted(values)[min(len(values) - 1, int(len(values) * percent / 100))] if values else 0.0
