"""The devices behind the cameras over HTTP, with real devices of the simulator behind them."""

from types import SimpleNamespace
from typing import Any

import pytest

from appliance.base.model import Camera, Credentials
from appliance.daemon.devices.devices import Devices
from appliance.daemon.devices.search import CameraSearch
from appliance.store import audit, camera_identities, cameras
from appliance.store.camera_identities import CameraIdentity


@pytest.fixture
async def yard(site: Any, six_cameras: Any) -> Any:
    """``site`` with the fleet's cameras in it; ``by_maker``; ``set_password`` of what the box has stored."""
    for camera in six_cameras.cameras:
        row = Camera(camera.name, camera.name, camera.main, sub_url=camera.sub)
        await site.db.write(lambda conn, row=row: cameras.insert(conn, row, None))
    search = CameraSearch(site.clock, six_cameras.group, window_s=1.0, one_window_s=1.0)
    stored = SimpleNamespace(credentials=Credentials(six_cameras.user, six_cameras.password))
    devices = Devices(site.db, site.clock, search, lambda _: stored.credentials)
    site.box.devices = devices
    by_maker = {camera.maker: camera for camera in six_cameras.cameras}
    yield SimpleNamespace(site=site, fleet=six_cameras, by_maker=by_maker, stored=stored)
    await devices.close()


def of(yard: Any, maker: str) -> str:
    return yard.by_maker[maker].name


async def test_cameras_are_found_and_those_we_have_are_named(yard: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("appliance.system.tls.names", lambda: ([], ["127.0.0.1"]))
    answer = await yard.site.ask("POST", "/cameras/discover", "installer", json={})
    found = {one["address"]: one for one in (await answer.json())["devices"]}
    assert sorted(found) == sorted(camera.address for camera in yard.fleet.cameras)
    gate = yard.by_maker["hikvision"]
    assert found[gate.address]["camera_id"] == gate.name
    assert (found[gate.address]["mac"], found[gate.address]["onvif_url"]) == (gate.mac, gate.url)
    for network in ("8.8.8.0/24", "gate", "10.0.0.0/8"):
        refused = await yard.site.ask("POST", "/cameras/discover", "installer", json={"network": network})
        assert refused.status == 400 and (await refused.json())["error"]["hint"]


async def test_one_device_is_looked_at_and_no_password_comes_back(yard: Any) -> None:
    camera = yard.by_maker["dahua"]
    body = {"address": camera.address, "username": yard.fleet.user, "password": yard.fleet.password}
    answer = await yard.site.ask("POST", "/cameras/inspect", "installer", json=body)
    text = await answer.text()
    device = (await answer.json())["device"]
    assert (device["serial"], device["mac"], device["credentials_index"]) == (camera.serial, camera.mac, 0)
    assert [stream["width"] for stream in device["streams"]] == [640, 320]
    assert yard.fleet.password not in text
    other = {"url": camera.url, "camera_id": camera.name}
    kept = await yard.site.ask("POST", "/cameras/inspect", "installer", json=other)
    assert (await kept.json())["device"]["credentials_index"] == 0
    # the password of one camera is not for another host
    foreign = {"url": yard.by_maker["axis"].url, "camera_id": camera.name}
    stranger = (await (await yard.site.ask("POST", "/cameras/inspect", json=foreign)).json())["device"]
    assert stranger["credentials_index"] is None
    assert stranger["findings"][0]["code"] == "wrong_password"
    for wrong in ({}, {"address": "a", "url": "b"}, {"address": "rtsp://10.0.0.1/"}, {"address": "a b"}):
        assert (await yard.site.ask("POST", "/cameras/inspect", json=wrong)).status == 400


async def test_the_one_button_sets_a_camera_right(yard: Any, start_fleet: Any) -> None:
    fleet = start_fleet(1, faults={1: "h265-sub"}, words=[f"--password={yard.fleet.password}"])
    camera = fleet.cameras[0]
    row = Camera("north", "North", camera.main)
    await yard.site.db.write(lambda conn: cameras.insert(conn, row, None))
    body = {"ntp_server": "10.0.0.1"}
    answer = await yard.site.ask("POST", "/cameras/north/mend", "installer", json=body)
    mended = {one["code"]: one["ok"] for one in (await answer.json())["mended"]}
    assert answer.status == 200 and mended["h265_sub"], mended
    after = fleet.order(camera.name, "status")
    assert (after["ntp"], after["encoders"]["sub"]["codec"]) == ("10.0.0.1", "h264")
    rows, _, _ = yard.site.db.read_now(lambda conn: audit.page(conn, 10, None))
    mended_by = {one.username for one in rows if "h265_sub" in one.detail.get("mended", ())}
    assert mended_by == {"installer"}


async def test_presets_and_moves(yard: Any) -> None:
    path = f"/cameras/{of(yard, 'reolink')}/ptz"
    presets = (await (await yard.site.ask("GET", path, "operator")).json())["presets"]
    assert [preset["name"] for preset in presets] == ["Gate", "Yard", "Door"]

    async def turn(**body: Any) -> int:
        return (await yard.site.ask("POST", path, "operator", json=body)).status

    def status() -> Any:
        return yard.fleet.order(of(yard, "reolink"), "status")

    assert await turn(preset=presets[2]["token"]) == 204 and status()["position"] == [0.5, -0.2, 0.5]
    assert await turn(pan=0.4, zoom=-1, for_s=10) == 204 and status()["moving"] == [0.4, 0.0, -1.0]
    assert await turn(stop=True) == 204 and status()["moving"] is None
    for wrong in ({}, {"pan": 2}, {"pan": 0.1, "stop": True}, {"pan": 0.1, "for_s": 60}, {"preset": ""}):
        assert await turn(**wrong) == 400
    assert await turn(preset="nowhere") == 400
    assert (await yard.site.ask("GET", f"/cameras/{of(yard, 'axis')}/ptz")).status == 400


async def test_relays(yard: Any) -> None:
    path = f"/cameras/{of(yard, 'dahua')}/relays"
    (first, second) = (await (await yard.site.ask("GET", path, "operator")).json())["relays"]
    body = {"relay": second["token"], "active": True}
    assert (await yard.site.ask("POST", path, "operator", json=body)).status == 204
    assert yard.fleet.order(of(yard, "dahua"), "status")["relays"] == [False, True]
    assert (await yard.site.ask("POST", path, json=body | {"active": False})).status == 204
    assert (await yard.site.ask("POST", path, json={"relay": "nine", "active": True})).status == 400
    assert yard.fleet.order(of(yard, "dahua"), "status")["relays"] == [False, False]
    assert first["token"] != second["token"]


async def test_what_does_not_work_says_why(yard: Any) -> None:
    yard.stored.credentials = Credentials(yard.fleet.user, "wrong")
    name = of(yard, "tapo")
    refused = await yard.site.ask("POST", f"/cameras/{name}/mend", json={})
    error = (await refused.json())["error"]
    assert error["kind"] == "denied" and "password" in error["message"] and error["hint"]
    assert (await yard.site.ask("GET", "/cameras/nobody/relays")).status == 404


@pytest.mark.parametrize(
    ("method", "path", "least"),
    [
        ("POST", "/cameras/discover", "installer"),
        ("POST", "/cameras/inspect", "installer"),
        ("POST", "/cameras/gate/mend", "installer"),
        ("GET", "/cameras/gate/ptz", "operator"),
        ("POST", "/cameras/gate/ptz", "operator"),
        ("GET", "/cameras/gate/relays", "operator"),
        ("POST", "/cameras/gate/relays", "operator"),
    ],
)
async def test_who_may(site: Any, method: str, path: str, least: str) -> None:
    below = {"installer": "operator", "operator": "viewer"}[least]
    assert (await site.ask(method, path, below, json={})).status == 403
    assert (await site.ask(method, path, least, json={})).status != 403


async def test_which_device_a_camera_is_counts_at_the_address_it_was_learnt_at(site: Any) -> None:
    def learn(conn: Any) -> None:
        for name, host in (("gate", "10.0.0.1"), ("yard", "10.9.9.9")):
            camera_identities.put(conn, CameraIdentity(name, host, 1, serial=f"{name}-1234"))

    await site.db.write(learn)
    found = (await (await site.ask("GET", "/camera-identities")).json())["identities"]
    assert [(one["camera_id"], one["serial"]) for one in found] == [("gate", "gate-1234")]
    assert (await site.ask("GET", "/camera-identities", "limited")).status == 403
