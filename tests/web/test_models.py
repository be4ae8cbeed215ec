"""Which models there are, changing the one that looks, how it does: over HTTP."""

from typing import Any

import msgspec
import pytest

from appliance.base.clock import rfc3339
from appliance.store import audit
from appliance.vision.packs import choice
from appliance.vision.packs.choice import Choice
from appliance.vision.state import Activation, VisionState
from appliance.web.model_shapes import ActivationAnswer, InstallAnswer, ModelHealthAnswer, ModelsAnswer


async def get(site: Any, path: str = "/models", who: str = "viewer") -> Any:
    response = await site.ask("GET", path, who)
    assert response.status == 200, await response.text()
    return await response.json()


async def activate(site: Any, name: str, body: Any = None, who: str = "admin") -> tuple[int, Any]:
    response = await site.ask("POST", f"/models/{name}/activate", who, json={} if body is None else body)
    return response.status, await response.json()


async def chosen(site: Any) -> Choice:
    return await site.db.read(choice.read)


async def test_a_viewer_sees_what_looks_and_why_and_what_else_there_is(site: Any) -> None:
    body = await get(site)
    msgspec.convert(body, ModelsAnswer)
    assert {m["name"]: (m["active"], m["installed"], m["known"]) for m in body["models"]} == {
        "deimv2-femto": (True, True, True),
        "own-model": (False, True, False),
        "yolox-nano": (False, False, True),
        "motion": (False, True, True),
    }
    assert body["models"][0]["input"] == {"width": 416, "height": 416} and body["models"][3]["input"] is None
    assert body["activation"] is None and body["chosen"] == "auto" and body["fixed"] is False
    detector = body["detector"]
    assert (detector["name"], detector["backend"], detector["because"], detector["state"]) == (
        "deimv2-femto", "onnxruntime, CPU", "no GPU here", "running",
    )  # fmt: skip


async def test_nothing_is_active_while_nothing_looks(site: Any) -> None:
    site.models.now = VisionState("down", 0, "deimv2-femto", "it crashed", 3)
    body = await get(site)
    assert not any(m["active"] for m in body["models"])
    assert body["detector"]["reason"] == "it crashed"


async def test_an_activation_is_stored_audited_and_begun(site: Any) -> None:
    status, body = await activate(site, "own-model", {"shadow_s": 90, "backend": "openvino"})
    assert status == 200
    msgspec.convert(body, ActivationAnswer)
    assert body["model"]["name"] == "own-model"
    assert (body["activation"]["phase"], body["activation"]["pictures"]) == ("shadow", 7)
    assert body["activation"]["switches_at"] == rfc3339(site.clock.now_ns() + 90 * 10**9)
    assert site.models.asked == [("own-model", "openvino", 90)]
    assert await chosen(site) == Choice("own-model", "openvino", 90)
    row = await site.db.read(lambda c: audit.page(c, 1, None)[0][0])
    assert (row.username, row.action, row.thing) == ("admin", "changed", "model/own-model")
    assert row.detail == {"activated": True, "backend": "openvino", "shadow_s": 90, "by": "api"}
    after = await get(site)
    assert after["chosen"] == "own-model" and after["activation"]["wanted"] == "own-model"


@pytest.mark.parametrize("name", ["motion", "auto"])
async def test_motion_and_auto_can_be_chosen_and_a_shadow_is_a_minute(site: Any, name: str) -> None:
    status, body = await activate(site, name)
    assert status == 200 and (body["model"] is None) is (name == "auto")
    assert site.models.asked == [(name, "auto", 60)]
    assert (await chosen(site)).detector == name


async def test_an_unknown_name_is_refused_with_the_nearest(site: Any) -> None:
    status, body = await activate(site, "deimv2-fento")
    assert status == 404 and "deimv2-femto" in body["error"]["hint"]
    status, body = await activate(site, "%F0%9F%90%B4" * 300)
    assert status == 404 and len(body["error"]["message"]) < 200
    assert site.models.asked == [] and await chosen(site) == Choice()


async def test_what_is_not_installed_says_how(site: Any) -> None:
    status, body = await activate(site, "yolox-nano")
    assert status == 409 and "appliance models install yolox-nano" in body["error"]["hint"]
    assert await chosen(site) == Choice()


async def test_a_box_that_was_started_with_a_detector_keeps_it(site: Any) -> None:
    site.models.fixed_to = "motion"
    status, body = await activate(site, "own-model")
    assert status == 409 and "--detector" in body["error"]["hint"]
    body = await get(site)
    assert body["fixed"] is True and body["chosen"] == "motion"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"shadow_s": -1}, "shadow_s"),
        ({"shadow_s": 86_401}, "shadow_s"),
        ({"shadow_s": "60"}, "shadow_s"),
        ({"backend": ""}, "backend"),
        ({"backend": "coreml"}, "backend"),
        ({"backend": "Open Vino"}, "backend"),
        ({"backend": "a" * 41}, "backend"),
        ({"backend": "cpu\n"}, "backend"),
        ({"backend": None}, "backend"),
        ({"shadow": 5}, "shadow"),
        ([], None),
    ],
)
async def test_bad_bodies_change_nothing(site: Any, body: Any, field: str | None) -> None:
    status, answer = await activate(site, "own-model", body)
    assert status == 400 and answer["error"].get("field") == field, answer
    assert site.models.asked == [] and await chosen(site) == Choice()


@pytest.mark.parametrize("who", ["viewer", "operator", "installer"])
async def test_only_an_admin_changes_the_model(site: Any, who: str) -> None:
    status, _ = await activate(site, "own-model", who=who)
    assert status == 403 and site.models.asked == []


async def test_a_rolled_back_change_says_why(site: Any) -> None:
    site.models.change = Activation(
        "own-model",
        "deimv2-femto",
        "rolled_back",
        site.clock.now_ns(),
        "3 of 5 batches failed",
        40,
        0.5,
        30.0,
        9.0,
    )
    found = (await get(site))["activation"]
    assert (found["phase"], found["reason"], found["switches_at"]) == (
        "rolled_back", "3 of 5 batches failed", None,
    )  # fmt: skip


async def test_health_is_of_the_cameras_one_may_see(site: Any) -> None:
    found = await get(site, "/models/health")
    msgspec.convert(found, ModelHealthAnswer)
    gate, yard = found["cameras"]
    assert (gate["state"], gate["level"], gate["usual"], gate["alarm"]["kind"]) == (
        "drop",
        0.41,
        0.62,
        "drop",
    )
    assert (yard["state"], yard["alarm"], yard["classes"]) == ("learning", None, {"car": 3})
    limited = await get(site, "/models/health", "limited")
    assert [c["camera_id"] for c in limited["cameras"]] == ["gate"]


async def test_without_analysis_it_says_so(site: Any) -> None:
    site.box.models = None
    for path in ("/models", "/models/health"):
        assert (await site.ask("GET", path)).status == 503
    assert (await activate(site, "motion"))[0] == 503
    assert (await site.client.get("/metrics")).status == 200


async def test_confidence_is_a_figure(site: Any) -> None:
    text = await (await site.client.get("/metrics")).text()
    assert 'ai_confidence_mean{camera_id="gate"} 0.41' in text


async def test_an_admin_installs_a_known_model_and_sees_how_it_goes(site: Any) -> None:
    assert (await site.ask("POST", "/models/yolox-nano/install", "installer", json={})).status == 403
    assert (await get(site))["installing"] is None
    response = await site.ask("POST", "/models/yolox-nano/install", "admin", json={})
    assert response.status == 202
    body = await response.json()
    msgspec.convert(body, InstallAnswer)
    assert (body["installing"]["name"], body["installing"]["phase"]) == ("yolox-nano", "running")
    assert (await get(site))["installing"] == body["installing"]
    assert site.models.installed == [("yolox-nano", False, b"")]
    row = await site.db.read(lambda c: audit.page(c, 1, None)[0][0])
    assert (row.username, row.action, row.thing) == ("admin", "changed", "models")
    assert row.detail == {"installed": "yolox-nano", "licence_accepted": False}


async def test_a_file_is_taken_in_as_it_comes(site: Any) -> None:
    path = "/models?name=yard.zip&accept_licence=true"
    assert (await site.ask("POST", path, "operator", data=b"zip")).status == 403
    response = await site.ask("POST", path, "admin", data=b"zip" * 1000)
    assert response.status == 202
    assert site.models.installed == [("yard.zip", True, b"zip" * 1000)]
