"""Servers that channels speak to: a small mail server (RFC 5321) and a receiver of webhooks, on loopback."""

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from appliance.alerts.channels import Given
from appliance.alerts.channels.notice import Notice
from appliance.base.clock import BoxClock
from appliance.store.channels import Channel
from appliance.system import tls

PASSWORD = "a horse in the rain"


class MailServer:
    """Takes mail. ``say``: what it answers to a command instead, e.g. ``{"RCPT": "550 no such box"}``.
    ``silent``: it takes the connection and says nothing."""

    def __init__(self, context: ssl.SSLContext, cert: Path) -> None:
        self._context = context
        self.ca = cert.read_text()
        self.say: dict[str, str] = {}
        self.silent = False
        self.offers_starttls = True
        self.mails: list[EmailMessage] = []
        self.users: list[tuple[str, str]] = []
        self.was_encrypted: list[bool] = []
        self._servers: list[asyncio.Server] = []

    async def start(self) -> None:
        for context in (None, self._context):
            self._servers.append(await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=context))
        self.port, self.tls_port = (server.sockets[0].getsockname()[1] for server in self._servers)

    async def stop(self) -> None:
        for server in self._servers:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if self.silent:
                await reader.read()
                return
            writer.write(b"220 mail.test\r\n")
            while line := (await reader.readline()).decode().strip():
                verb = line.split()[0].upper()
                if verb in self.say:
                    writer.write(f"{self.say[verb]}\r\n".encode())
                elif verb == "EHLO":
                    offers = "250-STARTTLS\r\n" if self.offers_starttls else ""
                    writer.write(f"250-mail.test\r\n{offers}250 AUTH PLAIN\r\n".encode())
                elif verb == "STARTTLS":
                    writer.write(b"220 go\r\n")
                    await writer.drain()
                    await writer.start_tls(self._context)
                elif verb == "AUTH":
                    self._sign_in(line, writer)
                elif verb == "DATA":
                    writer.write(b"354 go\r\n")
                    self._take(await reader.readuntil(b"\r\n.\r\n"), writer)
                elif verb == "QUIT":
                    writer.write(b"221 bye\r\n")
                    break
                else:
                    writer.write(b"250 ok\r\n")
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            pass
        finally:
            writer.close()

    def _sign_in(self, line: str, writer: asyncio.StreamWriter) -> None:
        _, user, password = base64.b64decode(line.split()[2]).decode().split("\0")
        self.users.append((user, password))
        writer.write(b"235 in\r\n" if password == PASSWORD else b"535 5.7.8 wrong\r\n")

    def _take(self, data: bytes, writer: asyncio.StreamWriter) -> None:
        self.was_encrypted.append(writer.get_extra_info("ssl_object") is not None)
        self.mails.append(message_from_bytes(data[:-3], policy=policy.default))  # type: ignore[arg-type]
        writer.write(b"250 taken\r\n")

    def channel(self, **more: Any) -> Channel:
        options = {
            "host": "127.0.0.1",
            "port": self.port,
            "from": "box@site.test",
            "to": ["guard@site.test", "chief@site.test"],
            "username": "box",
            "ca": self.ca,
        }
        return Channel("c-mail", "Guards by mail", "mail", options=options | more)


class Receiver:
    """Keeps what was posted. ``status``: what it answers."""

    def __init__(self, ca: str) -> None:
        self.ca = ca
        self.status = 200
        self.silent = False
        self.posts: list[tuple[dict[str, str], Any]] = []

    async def take(self, request: web.Request) -> web.Response:
        if self.silent:
            await asyncio.sleep(60)
        self.posts.append((dict(request.headers), await request.json()))
        return web.Response(status=self.status, headers={"Location": "https://elsewhere.test/"})

    def channel(self, **more: Any) -> Channel:
        options = {"url": f"https://127.0.0.1:{self.port}/in", "ca": self.ca}
        return Channel("c-hook", "Control room", "webhook", options=options | more)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tls.ServerTls:
    return tls.own(tmp_path_factory.mktemp("tls"), BoxClock())


@pytest.fixture
async def mail_server(certificate: tls.ServerTls) -> AsyncIterator[MailServer]:
    server = MailServer(certificate.context, certificate.cert)
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def receiver(certificate: tls.ServerTls) -> AsyncIterator[Receiver]:
    found = Receiver(certificate.cert.read_text())
    app = web.Application()
    app.router.add_post("/in", found.take)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=certificate.context)
    await site.start()
    found.port = site._server.sockets[0].getsockname()[1]  # type: ignore[attr-defined,union-attr]
    yield found
    await runner.cleanup()


@pytest.fixture
def notice() -> Notice:
    alert = {"id": "alert-1", "severity": "critical"}
    return Notice(
        "Harbour", "Fence north (Gate)", "critical", 1_768_919_400 * 10**9, ("Camera: Gate",), alert,
        {"id": "event-1"}, "Gate", still=b"\xff\xd8 a still",
    )  # fmt: skip


@pytest.fixture
def given():
    def make(channel: Channel, secret: str | None = PASSWORD, timeout_s: float = 5.0) -> Given:
        return Given(channel, secret, "0198c0de-0000-7000-8000-00000000beef", timeout_s)

    return make
