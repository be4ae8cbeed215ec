"""Support bundle and backup while the box runs: the box's own commands, each as a child at low priority.

What they read and write for minutes can neither hold up the loop nor crash the daemon, and a stick that
hangs holds up nothing but its own child. One at a time; how it went is forgotten with the daemon.
"""

import asyncio
import contextlib
import logging
import os
import shutil
import signal
import sys
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

import msgspec

from appliance.base.clock import SECOND_NS, Clock, rfc3339
from appliance.base.config import Config
from appliance.base.errors import ApplianceError, invalid
from appliance.base.model import User
from appliance.base.redaction import forbid
from appliance.daemon.care import backing_up
from appliance.daemon.care.reset_by_stick import ResetByStick
from appliance.store import audit, passphrase, settings
from appliance.store.database import Database
from appliance.system.sticks import PLACES, Stick, backups, sticks
from appliance.web.care_port import CareState, Footage, Job, JobKind, LastBackup, OnStick

log = logging.getLogger(__name__)

COMMAND = (sys.executable, "-m", "appliance")
FOLDER, BUNDLE = "care", "support.tar.gz"
SILENT_S = 300.0  # a step that takes longer is none
END_S = 3.0
STALE_NS = 3600 * SECOND_NS
LONGEST_LINE = 1 << 16
_HANGS = ("it does not go on", "pull the stick out, plug it in again, and begin anew")
_BROKE = ("it broke off", "try again; the box's journal says more")


class Care:
    """``places``: folders in which sticks are mounted. ``command``: what the children are. ``stop``: ends the
    daemon cleanly, so that its next start resets the box."""

    def __init__(
        self,
        config: Config,
        db: Database,
        clock: Clock,
        *,
        places: Sequence[Path] = PLACES,
        command: Sequence[str] = COMMAND,
        silent_s: float = SILENT_S,
        stop: Callable[[], None] = lambda: os.kill(os.getpid(), signal.SIGTERM),
    ) -> None:
        self._config, self._db, self._clock = config, db, clock
        self._places, self._command, self._silent_s = places, command, silent_s
        self._jobs: dict[str, Job] = {}
        self._task: asyncio.Task[None] | None = None
        device_id = db.read_now(settings.device_id)
        self._reset = ResetByStick(config, db, clock, device_id, self._sticks, stop)
        self._folder = config.data_dir / FOLDER
        _take_away(self._folder)  # what the daemon before made

    async def close(self) -> None:
        await self._reset.close()
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def state(self) -> CareState:
        here = await asyncio.to_thread(self._sticks)
        last = await asyncio.to_thread(backing_up.last, self._config.data_dir)
        return CareState(
            self._jobs.get("support"),
            self._jobs.get("backup"),
            None if last is None else LastBackup(last.at, last.name, last.folder, last.size_bytes),
            await asyncio.to_thread(lambda: [_on_stick(stick) for stick in here]),
            self._reset.asked,
        )

    async def ask_reset(self, footage: Footage, by: User) -> None:
        await self._reset.ask(footage, by)

    async def call_off_reset(self, by: User) -> None:
        await self._reset.call_off(by)

    def bundle(self) -> Path:
        job = self._jobs.get("support")
        if job is None or job.phase != "done":
            raise ApplianceError("not_found", "no support bundle was made yet", "make one first")
        return self._folder / BUNDLE

    async def support_now(self) -> bytes:
        """Make it and wait for it."""
        await self.make_support()
        assert self._task is not None
        await self._task
        job = self._jobs["support"]
        if job.phase == "failed":
            raise ApplianceError("unavailable", job.message, job.hint)
        return await asyncio.to_thread((self._folder / BUNDLE).read_bytes)

    async def make_support(self) -> None:
        self._must_be_free()
        self._begin(self._new("support"), self._support())

    async def back_up(self, folder: str, secret: str, by: User) -> None:
        passphrase.check_strength(secret)
        if "\n" in secret or "\r" in secret:
            raise invalid("a passphrase is one line", "leave the line ends out", field="passphrase")
        found = await asyncio.to_thread(self._sticks)
        stick = next((stick for stick in found if stick.folder == folder), None)
        if stick is None:
            raise ApplianceError("not_found", "this stick is not there any more", "plug it in again")
        if not stick.writable:
            hint = "open its lock, or take another; on a box installed by hand, mount it for the box's user"
            raise ApplianceError("unavailable", "this stick can only be read", hint)
        self._must_be_free()
        forbid(secret)
        self._begin(self._new("backup", folder=folder), self._backup(stick, secret, by))

    # -- the work --------------------------------------------------------------------------------

    def _must_be_free(self) -> None:
        busy = next((job for job in self._jobs.values() if job.phase == "working"), None)
        if busy is not None:
            what = "a backup" if busy.kind == "backup" else "a support bundle"
            raise ApplianceError("conflict", f"{what} is being made", "wait until it is done")

    def _begin(self, job: Job, work: Coroutine[Any, Any, None]) -> None:
        self._jobs[job.kind] = job
        self._task = asyncio.create_task(self._carried_out(job.kind, work))

    async def _carried_out(self, kind: JobKind, work: Coroutine[Any, Any, None]) -> None:
        """Whatever becomes of it, the job says so: one that never ends would be the last."""
        heard: dict[str, Any] = {}
        try:
            await work
        except ApplianceError as error:
            heard = {"error": {"message": error.message, "hint": error.hint}}
        except OSError as error:
            heard = {"error": {"message": f"it cannot begin: {error.strerror}", "hint": _BROKE[1]}}
        finally:
            if self._jobs[kind].phase == "working":
                self._jobs[kind] = self._ended(self._jobs[kind], heard)

    def _new(self, kind: JobKind, **fields: Any) -> Job:
        return Job(kind, "working", rfc3339(self._clock.now_ns()), **fields)

    async def _support(self) -> None:
        await asyncio.to_thread(self._sweep)
        await asyncio.to_thread(_take_away, self._folder)
        await asyncio.to_thread(self._folder.mkdir, mode=0o700)
        await self._child("support", ["support", "-o", str(self._folder / BUNDLE)], "")

    async def _backup(self, stick: Stick, secret: str, by: User) -> None:
        words = ["backup", "--to", stick.folder, "--passphrase-file", "-"]
        await self._note(by, {"folder": stick.folder})  # on disk before the first byte leaves
        await asyncio.to_thread(self._sweep)
        await self._child("backup", words, f"{secret}\n")
        job = self._jobs["backup"]
        detail = {"folder": stick.folder, "phase": job.phase, "name": job.name, "message": job.message}
        await self._note(by, {key: value for key, value in detail.items() if value})

    async def _note(self, by: User, detail: dict[str, Any]) -> None:
        now_ns = self._clock.now_ns()
        await self._db.write(lambda conn: audit.add(conn, now_ns, by, "exported", "backup", detail))

    async def _child(self, kind: JobKind, words: Sequence[str], given: str) -> None:
        """Runs it; the job says how it ended."""
        heard: dict[str, Any] = {}
        try:
            process = await self._start(words)
            try:
                await self._follow(process, kind, given, heard)
            finally:
                await _end(process)
        except TimeoutError:
            heard = {"error": {"message": _HANGS[0], "hint": _HANGS[1]}}
        self._jobs[kind] = self._ended(self._jobs[kind], heard)

    async def _start(self, words: Sequence[str]) -> asyncio.subprocess.Process:
        listen = self._config.listen
        at = f"[{listen.host}]" if ":" in listen.host else listen.host
        return await asyncio.create_subprocess_exec(
            *self._command, *words, "--json", "--data", str(self._config.data_dir),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=os.environ | {"APPLIANCE_LISTEN": f"{at}:{listen.port}"},  # ours may be the command line's
            limit=LONGEST_LINE,
        )  # fmt: skip

    async def _follow(
        self, process: asyncio.subprocess.Process, kind: str, given: str, heard: dict[str, Any]
    ) -> None:
        assert process.stdin is not None and process.stdout is not None
        with contextlib.suppress(ConnectionError):  # it ended at once: why, it says itself
            process.stdin.write(given.encode())
            await process.stdin.drain()
            process.stdin.close()
        while True:
            async with asyncio.timeout(self._silent_s):
                line = await process.stdout.readline()
            if not line:
                return
            try:
                said = msgspec.json.decode(line, type=dict[str, Any])
            except msgspec.MsgspecError:
                continue
            if "step" in said:
                step = {"step": str(said["step"]), "done": int(said["done"]), "all": int(said["all"])}
                self._jobs[kind] = msgspec.structs.replace(self._jobs[kind], **step)
            else:
                heard.update(said)

    def _ended(self, job: Job, heard: dict[str, Any]) -> Job:
        at = rfc3339(self._clock.now_ns())
        made = heard.get("made")
        if isinstance(made, dict):
            known = {key: made[key] for key in ("name", "size_bytes", "parts") if key in made}
            return msgspec.structs.replace(job, phase="done", ended_at=at, **known)
        error = heard.get("error") or {"message": _BROKE[0], "hint": _BROKE[1]}
        log.warning("%s: %s", job.kind, error["message"])
        return msgspec.structs.replace(
            job, phase="failed", ended_at=at, message=error["message"], hint=error["hint"]
        )

    def _sticks(self) -> list[Stick]:
        return sticks(self._places, (self._config.data_dir, *self._config.volumes))

    def _sweep(self) -> None:
        """What a power cut left of a backup: copies with secrets in them."""
        for folder in self._config.data_dir.glob(f"{backing_up.SCRATCH_PREFIX}*"):
            with contextlib.suppress(OSError):
                if self._clock.now_ns() - folder.stat().st_mtime_ns > STALE_NS:
                    _take_away(folder)


def _on_stick(stick: Stick) -> OnStick:
    names = backups(Path(stick.folder))
    return OnStick(
        stick.folder, stick.name, stick.size_bytes, stick.free_bytes, stick.writable,
        len(names), names[-1] if names else "",
    )  # fmt: skip


def _take_away(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)


async def _end(process: asyncio.subprocess.Process) -> None:
    """Kindly first: it takes away what it has begun. One that hangs in a bad stick is left to the kernel."""
    if process.returncode is not None:
        return
    for end, within_s in ((None, 0.5), (process.terminate, END_S), (process.kill, END_S)):
        with contextlib.suppress(ProcessLookupError, TimeoutError):
            if end is not None:
                end()
            async with asyncio.timeout(within_s):
                await process.wait()
                return
