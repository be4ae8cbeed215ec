"""A disk of its own (a tmpfs), mounted and pulled; read as a hub reads it."""

import subprocess

from base import Peer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from appliance.sync.bundle import reading
from appliance.sync.bundle.marker import Marker, prepare


class Stick(Peer):
    """A stick knows no passwords."""

    kind = "directory"
    secret = None
    overwrites = True

    async def start(self) -> None:
        self.root = self.folder / "usb"
        self.key = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
        if not self.root.exists():
            self.root.mkdir()
            self.disk = self.folder / "disk"
            self.disk.mkdir()
            self.mount("-t", "tmpfs", "-o", "size=64m", "tmpfs", self.disk)
            prepare(self.disk, Marker("stick-1", "box-1"))
        self.mount("--bind", self.disk, self.root)

    def mount(self, *words) -> None:
        subprocess.run(["mount", *map(str, words)], check=True, capture_output=True)

    async def stop(self) -> None:
        if self.root.is_mount():
            subprocess.run(["umount", "-l", str(self.root)], check=True)

    async def close(self) -> None:
        await super().close()
        subprocess.run(["umount", "-l", str(self.disk)], check=True)

    @property
    def url(self) -> str:
        return f"file://{self.root}"

    def given(self, **changes):
        return super().given(**({"sign": self.key.sign} | changes))

    def bundles(self) -> list[reading.Bundle]:
        key = self.key.public_key().public_bytes_raw()
        if not (self.disk / "aries").exists():
            return []
        return [reading.take(self.disk, found, lambda _: key) for found in reading.find(self.disk)]

    async def held(self) -> list[str]:
        return [message.id for bundle in self.bundles() for message in bundle.messages]

    async def file(self, row_id: str) -> bytes | None:
        for bundle in self.bundles():
            for entry in bundle.manifest.files:
                if entry.row_id == row_id:
                    data = bytearray()
                    reading.copy(self.disk, bundle, entry, data.extend)
                    return bytes(data)
        return None

    async def leftovers(self) -> int:
        return len(list(self.disk.glob("aries/*/*/.partial-*")))
