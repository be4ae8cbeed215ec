"""Which device a camera is, handed over when it is added: one that moves right after is found again."""

from typing import Any

import pytest

from appliance.base.model import CameraStatus, Credentials
from appliance.daemon.devices.search import CameraSearch
from appliance.daemon.devices.whereabouts import Whereabouts
from appliance.store import audit, camera_identities, cameras
from provisioning.steps.cameras import seen
from provisioning.steps.cameras.given import CamerasGiven, Credential
from provisioning.steps.cameras.wanted import all_wanted, body

URL = "rtsp://10.0.0.9/main"
TOLD = {"serial": "DS-2CD 4711", "mac": "2857BE657DD5", "onvif_url": "http://10.0.0.9:8000/onvif/device"}


async def add(site: Any, **fields: Any) -> Any:
    return await site.ask("POST", "/cameras", "installer", json={"name": "Lane", "rtsp_url": URL} | fields)


def known(site: Any, camera_id: str = "lane") -> Any:
    return site.db.read_now(lambda conn: camera_identities.get(conn, camera_id))


async def test_what_the_wizard_read_of_a_camera_finds_it_again_at_once(site: Any, start_fleet: Any) -> None:
    fleet = start_fleet(2)
    camera, other = fleet.cameras
    own = Credentials(fleet.user, fleet.password)
    which = seen.Seen(camera.address, camera.url, "", "", "", "", "", "scanned")
    looked = await seen.look_at_all([which], [own], site.clock)
    given = CamerasGiven(credentials=(Credential(fleet.user, fleet.password),), add_found=True)
    (wanted,) = all_wanted(given, looked, [])
    answer = await site.ask("POST", "/cameras", "installer", json=body(wanted, None))
    assert answer.status == 201
    camera_id = (await answer.json())["camera"]["id"]
    # It leaves before the daemon has looked at anything.
    now = fleet.order(camera.name, "move")["address"]
    statuses = {camera_id: CameraStatus("offline", site.clock.now_ns())}

    async def moved() -> None: ...

    part = Whereabouts(
        site.db, site.clock, CameraSearch(site.clock, fleet.group, window_s=1.0, one_window_s=1.0), "box",
        statuses=lambda: statuses, credentials=lambda _: own, moved=moved, ring=lambda _: None,
    )  # fmt: skip
    site.clock.tick(61)
    await part.look()
    after = site.db.read_now(lambda conn: cameras.get(conn, camera_id))
    assert after.rtsp_url == camera.main.replace(camera.address, now) and other.address not in after.rtsp_url


async def test_it_is_known_as_the_daemon_would_know_it_and_that_is_noted(site: Any) -> None:
    assert (await add(site, device=TOLD)).status == 201
    found = known(site)
    assert (found.serial, found.mac, found.endpoint) == ("ds-2cd 4711", "28:57:be:65:7d:d5", None)
    assert (found.host, found.onvif_url) == ("10.0.0.9", TOLD["onvif_url"])
    (row, *_), _, _ = site.db.read_now(lambda conn: audit.page(conn, 10, None))
    assert row.detail == {"added": "Lane", "known_by": ["serial", "mac"]}


async def test_what_says_nothing_counts_for_nothing(site: Any) -> None:
    nothing = {"serial": "00000000", "mac": "00:00:00:00:00:00", "endpoint": "camera"}
    assert (await add(site, device=nothing)).status == 201
    assert known(site) is None


@pytest.mark.parametrize(
    ("device", "field"),
    [
        ({"mac": "kitchen"}, "device.mac"),
        ({"serial": "x" * 129}, "device.serial"),
        ({"serial": "4711-a", "onvif_url": "http://10.0.0.10/onvif"}, "device.onvif_url"),
        ({"serial": "4711-a", "onvif_url": "http://admin:x@10.0.0.9@10.0.0.10/onvif"}, "device.onvif_url"),
        ({"serial": "4711-a", "onvif_url": "ftp://10.0.0.9/"}, "device.onvif_url"),
        ({"serial": "4711-a", "vendor": "x"}, "device.vendor"),
    ],
)
async def test_what_is_no_device_of_this_camera_is_refused_and_nothing_is_added(
    site: Any, device: Any, field: str
) -> None:
    answer = await add(site, device=device)
    error = (await answer.json())["error"]
    assert answer.status == 400 and error["hint"], error
    assert error["field"] == field
    assert site.db.read_now(lambda conn: cameras.get(conn, "lane")) is None


async def test_a_camera_without_an_address_of_its_own_is_no_device_to_look_for(site: Any) -> None:
    for url in ("rtsp://gate.local/main", "sim://10.0.0.9"):
        answer = await add(site, rtsp_url=url, device={"serial": "4711-a"})
        assert (await answer.json())["error"]["field"] == "device"


async def test_a_stored_password_is_not_led_to_another_device(site: Any) -> None:
    login = {"username": "admin", "password": "sesame"}
    await add(site, device=TOLD, **login)
    change = {"name": "Lane", "rtsp_url": URL, "device": {"serial": "of-a-stranger"}}
    refused = await site.ask("PUT", "/cameras/lane", "installer", json=change)
    assert (await refused.json())["error"]["field"] == "password"
    assert known(site).serial == "ds-2cd 4711"
    done = await site.ask("PUT", "/cameras/lane", "installer", json=change | login)
    assert done.status == 200 and known(site).serial == "of-a-stranger"
