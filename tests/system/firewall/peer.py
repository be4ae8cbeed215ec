"""A program for one network namespace. ``serve SPEC...``: answer on tcp/PORT and udp/PORT until killed.
``ask SPEC...``: SPEC is PROTOCOL/ADDRESS/PORT, all at once; prints JSON of SPEC -> answered or not."""

import asyncio
import json
import socket
import sys

PATIENCE_S = 0.7


class Echo(asyncio.DatagramProtocol):
    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, peer):
        self.transport.sendto(data, peer)


async def echo(reader, writer):
    """One byte; then it hangs up."""
    writer.write(await reader.read(1))
    writer.close()


async def serve(specs):
    loop = asyncio.get_running_loop()
    for spec in specs:
        protocol, port = spec.split("/")
        if protocol == "tcp":
            await asyncio.start_server(echo, None, int(port))
            continue
        for family, address in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
            sock = socket.socket(family, socket.SOCK_DGRAM)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.bind((address, int(port)))
            await loop.create_datagram_endpoint(Echo, sock=sock)
    print("ready", flush=True)
    await asyncio.Event().wait()


async def answered(spec):
    protocol, address, port = spec.split("/")
    try:
        async with asyncio.timeout(PATIENCE_S):
            if protocol == "ping":
                words = ["ping", "-c", "1", "-W", "1", address]
                null = asyncio.subprocess.DEVNULL
                child = await asyncio.create_subprocess_exec(*words, stdout=null, stderr=null)
                return await child.wait() == 0
            if protocol == "tcp":
                _, writer = await asyncio.open_connection(address, int(port))
                writer.close()
                return True
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            with socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sock:
                sock.connect((address, int(port)))
                sock.send(b"?")
                return await asyncio.get_running_loop().sock_recv(sock, 8) == b"?"
    except OSError:
        return False


async def ask(specs):
    answers = await asyncio.gather(*map(answered, specs))
    print(json.dumps(dict(zip(specs, answers, strict=True))))


asyncio.run({"serve": serve, "ask": ask}[sys.argv[1]](sys.argv[2:]))
