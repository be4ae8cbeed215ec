"""A real box and a fleet of ONVIF cameras: one moves to a new address and is recorded again by itself."""

from typing import Any

import pytest

pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]

# the box asks after a minute, then waits for answers
FOUND_S = 120


async def test_a_camera_that_dhcp_moved_is_found_and_recorded_again(
    box: Any, start_fleet: Any, tools: Any
) -> None:
    fleet = start_fleet(6, words=["--group-port=3702"])
    await box.start("--detector", "motion")
    ids = {}
    for camera in fleet.cameras:
        ids[camera.name] = await box.add_camera(
            camera.name, camera.main, sub_url=camera.sub, username=fleet.user, password=fleet.password
        )
    for camera_id in ids.values():
        await box.in_state(camera_id, "recording", 30)
    mover = fleet.cameras[5]

    async def is_known() -> bool:
        # learnt one by one: there is no way to see it but that the device is named as ours by its MAC
        found = await box.call("POST", "/cameras/inspect", {"url": mover.url, "camera_id": ids[mover.name]})
        log = box.log.read_text()
        return bool(found.status == 200 and f"camera {ids[mover.name]} is known" in log)

    await tools.until(is_known, 60)
    now = fleet.order(mover.name, "move")["address"]
    await box.in_state(ids[mover.name], "offline", 30)

    async def is_followed() -> bool:
        camera = (await box.get(f"/cameras/{ids[mover.name]}"))["camera"]
        return bool(camera["rtsp_url"] == mover.main.replace(mover.address, now))

    await tools.until(is_followed, FOUND_S)
    await box.in_state(ids[mover.name], "recording", 30)
    (event,) = (await box.get("/events", type="camera_moved"))["events"]
    assert event["camera_id"] == ids[mover.name] and event["metadata"]["to"] == now
    entries = (await box.get("/audit"))["audit"]
    moved = [entry for entry in entries if "moved" in entry["detail"]]
    assert [entry["detail"]["moved"] for entry in moved] == [[mover.address, now]]
    assert fleet.password not in box.log.read_text()
