"""The box's daemon as a child: on loopback, over its own API, as its first administrator.

The child ends with the wizard (``setpriv --pdeathsig``), runs as the owner of the data folder, and lives
only while the wizard does: what it recorded until then is the box's first footage. The session is of 15
minutes like any other, made in the store beside the daemon as the commands do, noted in the audit once,
and revoked at the end.

A file of answers may come again when the box has long been at work: then it is that daemon which is spoken
to (``attach``), known by its certificate.
"""

import asyncio
import contextlib
import os
import secrets
import shutil
import sqlite3
import sys
from pathlib import Path
from typing import Any, cast

import aiohttp
import msgspec

from appliance.base import config as configuration
from appliance.base.clock import SECOND_NS, Clock
from appliance.base.config import Listen
from appliance.base.errors import KINDS, ApplianceError, Kind
from appliance.base.ids import uuid7
from appliance.base.model import User
from appliance.store import audit, migrations, sessions, users
from appliance.store.database import Database
from appliance.system import instance, tls

DATABASE = "appliance.db"
API = "/api/v1"
READY_S = 60.0
STOP_S = 15.0
ANSWER_S = 60.0  # a camera's test waits for the camera
BEARER_NS = 900 * SECOND_NS
RENEW_NS = 300 * SECOND_NS
LONGEST_LINE_BYTES = 1 << 16


class _SignedOut(ApplianceError):
    """401: our session is none any more."""


class _Ready(msgspec.Struct, frozen=True):
    url: str


class BoxDaemon:
    """``ground.Daemon``. Close it with ``close``. ``attach``: the daemon that runs already, no child."""

    def __init__(self, data_dir: Path, clock: Clock, *, attach: bool = False) -> None:
        self._data_dir = data_dir
        self._attach = attach
        self._clock = clock
        self._child: asyncio.subprocess.Process | None = None
        self._url = ""
        self._http: aiohttp.ClientSession | None = None
        self._token = ""
        self._family = ""
        self._until_ns = 0
        self._is_box = False
        self._turn = asyncio.Lock()

    @property
    def is_box(self) -> bool:
        """True once somebody can sign in; it never becomes false again."""
        if not self._is_box and (self._data_dir / DATABASE).is_file():
            self._is_box = _on_store(self._data_dir, users.admin_count) > 0
        return self._is_box

    async def ask(self, method: str, path: str, body: object = None) -> Any:
        status, _, data = await self._send(method, f"{API}{path}", body)
        return None if status == 204 or not data else msgspec.json.decode(data)

    async def fetch(self, path: str) -> tuple[str, bytes]:
        _, kind, data = await self._send("GET", f"{API}{path}", None)
        return kind, data

    async def restart(self) -> None:
        if self._attach:
            raise ApplianceError(
                "conflict",
                "the box has to begin anew for this",
                "run it again after: systemctl stop appliance",
            )
        async with self._turn:
            await self._stop()
            await self._start()

    async def initialise(self, name: str, password: str) -> None:
        """Make the folder a box. The password goes through a pipe. Raises what ``appliance init`` says."""
        await self._make(password, "init", "--admin-name", name, "--admin-password-file", "/dev/stdin")

    async def restore(self, file: Path, passphrase: str) -> None:
        await self._make(passphrase, "restore", str(file), "--passphrase-file", "-")

    async def _make(self, secret: str, *words: str) -> None:
        child = await asyncio.create_subprocess_exec(
            *_words(self._data_dir, *words, "--data", str(self._data_dir)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        _, said = await child.communicate(f"{secret}\n".encode())
        if child.returncode != 0:
            raise _said(said.decode(errors="replace"))

    async def close(self) -> None:
        async with self._turn:
            if self._family:
                family = self._family
                self._family = self._token = ""
                await self._stored(lambda conn: sessions.revoke_family(conn, family))
            await self._stop()
            if self._http is not None:
                await self._http.close()
                self._http = None

    async def _send(self, method: str, path: str, body: object) -> tuple[int, str, bytes]:
        try:
            return await self._send_once(method, path, body)
        except _SignedOut:  # the box's clock was set: what was to last 15 minutes is over
            self._until_ns = 0
            return await self._send_once(method, path, body)

    async def _send_once(self, method: str, path: str, body: object) -> tuple[int, str, bytes]:
        await self._ready()
        assert self._http is not None
        headers = {"Authorization": f"Bearer {self._token}"}
        data = None if body is None else msgspec.json.encode(body)
        if data is not None:
            headers["Content-Type"] = "application/json"
        try:
            async with self._http.request(method, self._url + path, data=data, headers=headers) as answer:
                found = await answer.read()
                status, kind = answer.status, answer.content_type
        except (aiohttp.ClientError, TimeoutError) as error:
            raise ApplianceError(
                "unavailable",
                f"the box's daemon does not answer ({type(error).__name__})",
                "wait a moment and try again; its log says why",
            ) from error
        if status == 401:
            raise _SignedOut("unavailable", "the box's daemon does not know the wizard", "try again")
        if status >= 400:
            raise _refused(status, found)
        return status, kind, found

    async def _ready(self) -> None:
        async with self._turn:
            if not self.is_box:
                raise ApplianceError(
                    "conflict", "this box has no administrator yet", "begin with the first step"
                )
            if self._attach:
                self._http = self._http or self._attached()
            elif self._child is None or self._child.returncode is not None:
                await self._stop()
                await self._start()
            if self._clock.monotonic_ns() > self._until_ns - RENEW_NS:
                await self._sign_in()

    async def _start(self) -> None:
        await self._wait_for_the_last()
        child = await asyncio.create_subprocess_exec(
            *_words(
                self._data_dir, "run", "--data", str(self._data_dir), "--listen", "127.0.0.1:0", "--json"
            ),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            limit=LONGEST_LINE_BYTES,
        )
        self._child = child
        assert child.stdout is not None
        try:
            async with asyncio.timeout(READY_S):
                line = await child.stdout.readline()
            self._url = msgspec.json.decode(line, type=_Ready).url
        except (TimeoutError, ValueError) as error:
            await self._stop()
            raise ApplianceError(
                "unavailable",
                "the box's daemon does not start",
                "its log says why: journalctl -u aries-provision",
            ) from error
        timeout = aiohttp.ClientTimeout(total=ANSWER_S)
        self._http = aiohttp.ClientSession(timeout=timeout, trust_env=False)

    def _attached(self) -> aiohttp.ClientSession:
        config = configuration.load(os.environ, data_dir=self._data_dir)
        host = "127.0.0.1" if config.listen.host in ("0.0.0.0", "::") else config.listen.host  # noqa: S104 - any
        own = config.secrets_dir / tls.CERT_NAME
        cert = config.tls.cert if isinstance(config.tls, configuration.TlsFiles) else own
        known = True if config.plain_http else _fingerprint(cert)
        self._url = f"{'http' if config.plain_http else 'https'}://{Listen(host, config.listen.port)}"
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=known),
            timeout=aiohttp.ClientTimeout(total=ANSWER_S),
            trust_env=False,
        )

    async def _wait_for_the_last(self) -> None:
        """The daemon of a wizard that was killed ends by itself, in some seconds."""
        for _ in range(round(STOP_S * 4)):
            if not instance.running(self._data_dir):
                return
            await asyncio.sleep(0.25)  # another process's time, which no injected clock can make pass
        raise ApplianceError(
            "conflict", "the box is running already", "stop it first: systemctl stop appliance"
        )

    async def _stop(self) -> None:
        child, self._child = self._child, None
        if self._http is not None:
            await self._http.close()
            self._http = None
        if child is None:
            return
        if child.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                child.terminate()
            try:
                async with asyncio.timeout(STOP_S):
                    await child.wait()
            except TimeoutError:
                child.kill()
        await child.wait()

    async def _sign_in(self) -> None:
        """A bearer session of the first administrator, in place of the one before."""
        token, now_ns, old = secrets.token_urlsafe(32), self._clock.now_ns(), self._family
        family = uuid7(now_ns)

        def work(conn: sqlite3.Connection) -> None:
            user = _first_administrator(conn)
            if old:
                sessions.revoke_family(conn, old)
            else:
                audit.add(conn, now_ns, user, "signed_in", f"user/{user.username}", {"by": "the wizard"})
            hashed = sessions.token_hash(token)
            expires_ns = now_ns + BEARER_NS
            made = sessions.Session(
                family, user.id, "bearer", hashed, family, now_ns, expires_ns, None, None, "local"
            )
            sessions.insert(conn, made)

        await self._stored(work)
        self._token, self._family = token, family
        self._until_ns = self._clock.monotonic_ns() + BEARER_NS

    async def _stored(self, work: Any) -> Any:
        return await asyncio.to_thread(_on_store, self._data_dir, work)


def _first_administrator(conn: sqlite3.Connection) -> User:
    found = [user for user in users.list_users(conn) if user.role == "admin" and not user.disabled]
    fit = sorted((user for user in found if not user.must_change_password), key=lambda user: user.created_ns)
    if not fit:
        raise ApplianceError(
            "conflict",
            "no administrator of this box has a password of their own yet",
            "sign in once with the claim code of `appliance init`, or begin with an empty data folder",
        )
    return fit[0]


def _on_store(data_dir: Path, work: Any) -> Any:
    """As the commands do it beside a running daemon: one transaction."""
    found = Database.open(
        data_dir / DATABASE, "appliance", synchronous="FULL", migrations=migrations.APPLIANCE
    )
    try:
        return found.write_now(work)
    finally:
        found.close()


def _fingerprint(cert: Path) -> aiohttp.Fingerprint:
    return aiohttp.Fingerprint(bytes.fromhex(tls.fingerprint_of(cert).replace(":", "")))


def _words(data_dir: Path, *arguments: str) -> list[str]:
    """``appliance …`` as the owner of the data folder, ended by the kernel if this process ends."""
    command = [sys.executable, "-m", "appliance", *arguments]
    if shutil.which("setpriv") is None:
        return command
    options = ["--pdeathsig", "TERM"]
    owner = data_dir.stat()
    if os.geteuid() == 0 and owner.st_uid != 0:
        options += [f"--reuid={owner.st_uid}", f"--regid={owner.st_gid}", "--clear-groups"]
    return ["setpriv", *options, "--", *command]


def _refused(status: int, data: bytes) -> ApplianceError:
    """The daemon's own words."""
    try:
        error = msgspec.json.decode(data)["error"]
        kind: Kind = error["kind"] if error["kind"] in KINDS else "internal"
        return ApplianceError(kind, error["message"], error.get("hint", ""), field=error.get("field"))
    except (msgspec.DecodeError, KeyError, TypeError):
        return ApplianceError("unavailable", f"the box's daemon answers {status}", "try again")


def _said(text: str) -> ApplianceError:
    """``error: MESSAGE [FIELD] (KIND)`` and ``  hint: HINT``, as the commands print them."""
    lines = [line for line in text.splitlines() if line.startswith("error: ")]
    if not lines:
        return ApplianceError("unavailable", "the box cannot be made", "the box's log says why")
    message, _, kind = lines[-1].removeprefix("error: ").removesuffix(")").rpartition(" (")
    message, _, field = message.removesuffix("]").partition(" [")
    hints = [line.removeprefix("  hint: ") for line in text.splitlines() if line.startswith("  hint: ")]
    known = cast(Kind, kind) if kind in KINDS else "unavailable"
    return ApplianceError(known, message, hints[-1] if hints else "", field=field or None)
