"""A camera that has only the IPv6 address it gave itself: found and asked over a real link."""

import os
import subprocess
import sys

import pytest

CAMERA = r"""
import asyncio, socket, struct
from aiohttp import web

TIME = "".join(f"<{n}>{v}</{n}>" for n, v in (("Hour", 1), ("Minute", 2), ("Second", 3)))
DATE = "".join(f"<{n}>{v}</{n}>" for n, v in (("Year", 2026), ("Month", 1), ("Day", 2)))
CLOCK = f"<R><UTCDateTime><Time>{TIME}</Time><Date>{DATE}</Date></UTCDateTime></R>"
CLOCK = f"<Envelope><Body>{CLOCK}</Body></Envelope>"
MATCH = ("<E><Body><ProbeMatches><ProbeMatch>"
         "<EndpointReference><Address>urn:uuid:6</Address></EndpointReference>"
         "<XAddrs>http://[fe80::2]/onvif/device_service http://10.9.9.2/onvif/device_service</XAddrs>"
         "</ProbeMatch></ProbeMatches></Body></E>")

async def say(request):
    return web.Response(text=CLOCK)

async def main():
    plug = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    plug.bind(("::", 3702))
    group = socket.inet_pton(socket.AF_INET6, "ff02::c") + struct.pack("@I", socket.if_nametoindex("camera"))
    plug.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, group)
    plug.setblocking(False)
    app = web.Application()
    app.router.add_post("/onvif/device_service", say)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "::", 80).start()
    print("ready", flush=True)
    while True:
        _, sender = await asyncio.get_running_loop().sock_recvfrom(plug, 65000)
        await asyncio.get_running_loop().sock_sendto(plug, MATCH.encode(), sender)

asyncio.run(main())
"""
BOX = """
import asyncio, aiohttp
from appliance.base.clock import BoxClock
from appliance.onvif.device import Device
from appliance.onvif.discovery import discover

async def main():
    (found,) = await discover(["fe80::1%box"], window_s=1.2)
    async with aiohttp.ClientSession() as session:
        device = Device(found.urls[0], None, session, clock=BoxClock())
        await device.clock()
    print(found.address, found.urls[0])

asyncio.run(main())
"""


@pytest.fixture
def two_hosts():
    """(of the box, of the camera): namespaces of our own, joined by a cable."""
    names = [f"onvif-{os.getpid()}-{end}" for end in ("box", "camera")]
    commands = [f"netns add {name}" for name in names]
    commands += [f"-n {names[0]} link add box type veth peer name camera netns {names[1]}"]
    for number, (name, link) in enumerate(zip(names, ("box", "camera"), strict=True), start=1):
        commands += [
            f"-n {name} link set {link} addrgenmode none",
            f"-n {name} link set {link} up",
            f"-n {name} addr add fe80::{number}/64 dev {link} nodad",
        ]
    try:
        for command in commands:
            try:
                done = subprocess.run(["ip", *command.split()], capture_output=True, text=True, check=False)
            except FileNotFoundError:
                pytest.skip("iproute2 is not here")
            if done.returncode:
                pytest.skip(f"no namespaces of our own here: {done.stderr.strip()}")
        yield names
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)


@pytest.mark.long
def test_a_camera_with_a_link_local_address_alone(two_hosts, root) -> None:
    environment = os.environ | {"PYTHONPATH": str(root)}
    box, camera = (["ip", "netns", "exec", name, sys.executable, "-c"] for name in two_hosts)
    with subprocess.Popen([*camera, CAMERA], stdout=subprocess.PIPE, text=True, env=environment) as peer:
        try:
            assert peer.stdout is not None and peer.stdout.readline() == "ready\n"
            done = subprocess.run([*box, BOX], capture_output=True, text=True, env=environment, check=False)
        finally:
            peer.terminate()
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["fe80::2%box", "http://[fe80::2%box]/onvif/device_service"]
