"""mosquitto over TLS, with a password, rights and a subscriber that writes down what it is given."""

import asyncio
import ssl
import subprocess

import aiomqtt
from base import SECRET, Peer
from link import Link, Program, free_port

from appliance.sync.envelope.reading import read

CONFIG = """listener {port} 127.0.0.1
protocol mqtt
certfile {certificate}
keyfile {certificate}
allow_anonymous false
password_file {folder}/passwords
acl_file {folder}/acl
max_packet_size 100000
persistence true
persistence_location {folder}/
autosave_on_changes true
autosave_interval 1
"""
ACL = "user box\ntopic write aries/#\nuser reader\ntopic read aries/#\n"


class Mosquitto(Peer):
    kind = "mqtt"
    options = {"username": "box"}
    wrong = {"secret": "the-Wrong-password"}
    too_long_bytes = 150_000

    async def start(self) -> None:
        if self.link is None:
            port = free_port()
            names = {"port": port, "certificate": self.tls[0], "folder": self.folder}
            (self.folder / "mosquitto.conf").write_text(CONFIG.format(**names) + "user root\n")
            (self.folder / "acl").write_text(ACL)
            for user in ("box", "reader"):
                create = ["-c"] if user == "box" else []
                command = ["mosquitto_passwd", *create, "-b", str(self.folder / "passwords"), user, SECRET]
                subprocess.run(command, check=True, capture_output=True)
            self.program = Program(
                ["mosquitto", "-c", str(self.folder / "mosquitto.conf")], port, self.folder
            )
            self.link = Link(port)
            await self.link.mend()
            self.messages: list[bytes] = []
        await self.program.start()
        self.subscribed = asyncio.Event()
        self.reader = asyncio.create_task(self._read())
        await self.subscribed.wait()

    async def stop(self) -> None:
        await self.unsubscribe()
        self.program.kill()

    async def unsubscribe(self) -> None:
        self.reader.cancel()
        await asyncio.gather(self.reader, return_exceptions=True)

    @property
    def url(self) -> str:
        return f"mqtts://127.0.0.1:{self.link.port}"

    async def held(self) -> list[str]:
        await asyncio.sleep(0.2)  # PUBACK to us and PUBLISH to the subscriber go out in one turn, or two
        return [read(message).id for message in self.messages]

    async def _read(self) -> None:
        async with aiomqtt.Client(
            "127.0.0.1",
            self.program.port,
            username="reader",
            password=SECRET,
            tls_context=ssl.create_default_context(cadata=self.tls[1]),
        ) as client:
            await client.subscribe("aries/#", qos=1)
            self.subscribed.set()
            async for message in client.messages:
                self.messages.append(bytes(message.payload))
