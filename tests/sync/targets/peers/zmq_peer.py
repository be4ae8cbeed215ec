"""A program of the site's own: a ROUTER with CURVE and a list of whom it knows, in a thread, written from
the protocol's description alone. What it holds is in a file."""

import threading
from pathlib import Path

import zmq
import zmq.auth.thread
from base import Peer
from link import Link, free_port

from appliance.sync.envelope.reading import read

MOST_BYTES = 100_000


class Zmq(Peer):
    kind = "zmq"
    too_long_bytes = 150_000

    def __init__(self, folder, tls):
        super().__init__(folder, tls)
        self.server_public, self.server_secret = zmq.curve_keypair()
        self.box_public, box_secret = zmq.curve_keypair()
        self.secret = box_secret.decode()
        self.options = {"server_key": self.server_public.decode()}
        self.wrong = {"secret": zmq.curve_keypair()[1].decode()}
        self.thread: threading.Thread | None = None

    async def start(self) -> None:
        if self.link is None:
            self.link = Link(free_port())
            await self.link.mend()
        self.ready, self.stopping = threading.Event(), threading.Event()
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()
        assert self.ready.wait(10)

    async def stop(self) -> None:
        if self.thread is not None:
            self.stopping.set()
            self.thread.join()
            self.thread = None

    @property
    def url(self) -> str:
        return f"tcp://127.0.0.1:{self.link.port}"

    @property
    def file_of_held(self) -> Path:
        return self.folder / "held"

    async def held(self) -> list[str]:
        return self.file_of_held.read_text().split() if self.file_of_held.exists() else []

    def _serve(self) -> None:
        context = zmq.Context()
        keeper = zmq.auth.thread.ThreadAuthenticator(context)
        keeper.start()
        keeper.configure_curve_callback(credentials_provider=self)
        socket = context.socket(zmq.ROUTER)
        socket.curve_secretkey, socket.curve_publickey = self.server_secret, self.server_public
        socket.curve_server = True
        socket.setsockopt(zmq.LINGER, 0)
        socket.bind(f"tcp://127.0.0.1:{self.link.far_port}")
        self.ready.set()
        while not self.stopping.is_set():
            if socket.poll(20):
                who, empty, version, id_, message = socket.recv_multipart()
                assert (empty, version) == (b"", b"aries1")
                socket.send_multipart([who, b"", b"aries1", id_, *self._take(id_, message)])
        socket.close()
        keeper.stop()
        context.term()

    def callback(self, _domain: str, key: bytes) -> bool:
        return key == self.box_public

    def _take(self, id_: bytes, message: bytes) -> list[bytes]:
        if len(message) > MOST_BYTES:
            return [b"rejected", b"%d bytes, %d fit" % (len(message), MOST_BYTES)]
        if id_:
            assert read(message).id == id_.decode()
            with self.file_of_held.open("ab") as file:
                file.write(id_ + b"\n")
        return [b"held"]
