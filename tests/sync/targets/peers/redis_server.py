"""redis-server over TLS, with users and rights; it writes every entry to disk before it answers."""

import redis.asyncio
from base import SECRET, Peer
from link import Link, Program, free_port

from appliance.sync.envelope.reading import read

CONFIG = """port 0
tls-port {port}
bind 127.0.0.1
tls-cert-file {certificate}
tls-key-file {certificate}
tls-auth-clients no
dir {folder}
appendonly yes
appendfsync always
save ""
user default on >{secret} ~* &* +@all
user box on >{secret} ~aries* +xadd +type +info +ping
"""


class RedisServer(Peer):
    kind = "redis"
    options = {"username": "box", "longest_bytes": "100000"}
    wrong = {"secret": "the-Wrong-password"}

    async def start(self) -> None:
        if self.link is None:
            port = free_port()
            names = {"port": port, "certificate": self.tls[0], "folder": self.folder, "secret": SECRET}
            (self.folder / "redis.conf").write_text(CONFIG.format(**names))
            self.program = Program(["redis-server", str(self.folder / "redis.conf")], port, self.folder)
            self.link = Link(port)
            await self.link.mend()
        await self.program.start()

    async def stop(self) -> None:
        self.program.kill()

    @property
    def url(self) -> str:
        return f"rediss://127.0.0.1:{self.link.port}/0"

    async def held(self) -> list[str]:
        client = redis.asyncio.Redis(
            host="127.0.0.1", port=self.program.port, password=SECRET, ssl=True, ssl_ca_data=self.tls[1]
        )
        try:
            entries = await client.xrange("aries")
        finally:
            await client.aclose()
        assert all(fields[b"id"].decode() == read(fields[b"message"]).id for _, fields in entries)
        return [fields[b"id"].decode() for _, fields in entries]
