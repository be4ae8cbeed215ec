"""What is done with a camera, with those of six makers that share no code with this room."""

import asyncio

import aiohttp

from appliance.base.clock import BoxClock
from appliance.base.model import Credentials
from appliance.onvif.device import Device
from appliance.onvif.encoder import encoder_options, set_encoder
from appliance.onvif.events import CameraEvent, PullPoint
from appliance.onvif.imaging import Imaging, imaging, imaging_ranges, set_imaging
from appliance.onvif.ptz import go_to, move, presets, save_preset, stop
from appliance.onvif.relays import relays, set_relay
from appliance.onvif.streams import profiles, snapshot
from appliance.simulator.onvif.makers import BY_KEY


async def each(fleet, work) -> dict[str, object]:
    """maker -> what ``work(device, camera)`` gives, for one camera of each maker at once."""
    known = Credentials(fleet.user, fleet.password)
    async with aiohttp.ClientSession() as session:
        devices = [Device(camera.url, known, session, clock=BoxClock()) for camera in fleet.cameras]
        found = await asyncio.gather(*map(work, devices, fleet.cameras))
    return {camera.maker: one for camera, one in zip(fleet.cameras, found, strict=True)}


async def looked_at(device: Device, camera) -> tuple[bool, bool]:
    """A still, and a darker picture and back; whether they were had."""
    main = max(await profiles(device), key=lambda each: each.width)
    still = (await snapshot(device, main)).startswith(b"\xff\xd8") if camera.snapshot else False
    ranges = await imaging_ranges(device, main.source)
    least, most = ranges["brightness"]
    wanted = round(least + (most - least) / 4)
    await set_imaging(device, main.source, Imaging(brightness=wanted))
    return still, (await imaging(device, main.source)).brightness == wanted


async def encoded(device: Device, _) -> tuple[int, int]:
    sub = min(await profiles(device), key=lambda each: each.width)
    options = await encoder_options(device, sub)
    assert any(one.codec == sub.codec and (sub.width, sub.height) in one.sizes for one in options)
    await set_encoder(device, sub, gop=7, bitrate_bps=100_000)
    after = next(each for each in await profiles(device) if each.token == sub.token)
    return after.gop, after.bitrate_bps


async def relayed(device: Device, _) -> list[str]:
    found = [relay.token for relay in await relays(device)]
    for token in found:
        await set_relay(device, token, active=True)
    return found


async def noticed(device: Device, camera, fleet) -> list[tuple[str, bool | None]]:
    """The kinds of events, while it is told to notice all it can, and to stop."""
    kinds = list(BY_KEY[camera.maker].topics)
    events: list[CameraEvent] = []
    async with PullPoint(device) as point:
        await point.pull(wait_s=1)  # how things are; nothing has changed yet
        for value in ("on", "off"):
            for kind in kinds:
                assert fleet.order(camera.name, kind, value)["ok"]
            async with asyncio.timeout(10):
                while len([event for event in events if event.active is (value == "on")]) < len(kinds):
                    events += [event for event in await point.pull(wait_s=2) if not event.is_initial]
    assert all(abs(event.at_ns - device.box_clock.now_ns()) < 30e9 for event in events)
    return [(event.kind, event.active) for event in events]


async def test_makers_do_what_they_are_told(start_fleet) -> None:
    fleet = start_fleet(6)
    looks = await each(fleet, looked_at)
    assert {maker for maker, (_, darker) in looks.items() if darker} == set(looks)
    assert {maker for maker, (still, _) in looks.items() if not still} == {
        camera.maker for camera in fleet.cameras if not camera.snapshot
    }
    assert set((await each(fleet, encoded)).values()) == {(7, 100_000)}
    switched = await each(fleet, relayed)
    for camera in fleet.cameras:
        state = fleet.order(camera.name, "status")
        assert state["relays"] == [True] * len(switched[camera.maker])
    assert {len(tokens) for tokens in switched.values()} == {0, 1, 2}
    known = Credentials(fleet.user, fleet.password)
    async with aiohttp.ClientSession() as session:
        for camera in fleet.cameras:
            device = Device(camera.url, known, session, clock=BoxClock())
            kinds = {"input": "digital_input"}
            wanted = {
                (kinds.get(kind, kind), value)
                for kind in BY_KEY[camera.maker].topics
                for value in (True, False)
            }
            assert set(await noticed(device, camera, fleet)) == wanted, camera.maker
        await turned(fleet, session)


async def turned(fleet, session: aiohttp.ClientSession) -> None:
    """A camera moves, stops, and comes back to where it was."""
    camera = next(one for one in fleet.cameras if BY_KEY[one.maker].moves)
    device = Device(camera.url, Credentials(fleet.user, fleet.password), session, clock=BoxClock())
    turning = next(one for one in await profiles(device) if one.ptz)
    await move(device, turning, pan=0.5, tilt=0, zoom=0, for_s=5)
    assert fleet.order(camera.name, "status")["moving"]
    await stop(device, turning)
    assert not fleet.order(camera.name, "status")["moving"]
    token = await save_preset(device, turning, "Gate")
    assert (token, "Gate") in [(one.token, one.name) for one in await presets(device, turning)]
    await go_to(device, turning, token)
