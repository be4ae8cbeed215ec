"""The step on a box that records two cameras: what an installer does, in that order."""

import hashlib
import io

import pytest

from appliance.base.errors import ApplianceError
from provisioning.report.kept import Reports
from provisioning.report.seal import verify
from provisioning.steps import load
from provisioning.steps.acceptance.given import Given

pytestmark = pytest.mark.asyncio(loop_scope="session")

SIGNED = {"name": "A. Kundin", "strokes": [[[0.1, 0.5], [0.3, 0.2], [0.5, 0.8]], [[0.6, 0.4], [0.9, 0.4]]]}
TAP = Given(minutes=0.045, installer="Ravi")
AGAIN = Given(minutes=0.045, installer="Ravi", again=True)


async def test_one_tap_measures_everything_and_a_customer_signs(ground):
    step, said = load("acceptance"), []
    assert (await step.plan(ground, AGAIN)).changes
    await step.apply(ground, AGAIN, said.append)
    report = Reports(ground.data_dir).newest().report
    cameras = report.result("cameras")
    assert [(line.name, line.state) for line in cameras.lines] == [("Gate", "passed"), ("Yard", "passed")]
    gate, yard = cameras.lines
    assert gate.figure("frame rate") == pytest.approx(15, abs=0.2)
    assert yard.figure("frame rate") == pytest.approx(10, abs=0.2)
    assert gate.figure("lost") == 0 and gate.figure("not recorded") == 0
    assert gate.figure("key frame every") == pytest.approx(1.0, abs=0.05)
    assert abs(gate.figure("clock skew")) < 1
    assert 50 < gate.figure("bit rate") < 2000
    disk = report.result("disk")
    assert disk.lines[0].figure("disk speed") > 0
    assert not list(ground.data_dir.glob("recordings/.acceptance*"))
    pictures = report.pictures
    assert {picture.camera_id for picture in pictures} == {"gate", "yard"}
    for picture in pictures:
        data = Reports(ground.data_dir).file(report.id, picture.file).read_bytes()
        assert hashlib.sha256(data).hexdigest() == picture.sha256
    assert report.result("power_cut").state == "not_done"
    assert not (await step.plan(ground, TAP)).changes  # the second time nothing is to be done
    before = Reports(ground.data_dir).file(report.id, "report.json").read_bytes()
    await step.apply(ground, TAP, said.append)
    assert Reports(ground.data_dir).file(report.id, "report.json").read_bytes() == before
    assert [check.ok for check in await step.verify(ground, TAP)] == [True] * 9
    by_hand = Given(minutes=0.045, by_hand=True)
    assert [check.name for check in await step.verify(ground, by_hand) if not check.ok] == ["Signature"]
    await _sign(step, ground)
    assert all(check.ok for check in await step.verify(ground, by_hand))


@pytest.mark.long
async def test_the_walk_test_says_which_cameras_saw_somebody_and_takes_back_its_rule(ground):
    step = load("acceptance")
    zone = {"camera_id": "gate", "name": "Doorway", "kind": "polygon"}
    points = [[0, 0], [1, 0], [1, 1], [0, 1]]
    doorway = (await ground.daemon.ask("POST", "/zones", zone | {"points": points}))["zone"]
    rule = {"name": "In", "kind": "zone_enter", "zone_ids": [doorway["id"]]}
    await ground.daemon.ask("POST", "/rules", rule)
    begun = await step.ask(ground, "walk_begin", {})
    assert begun.lasts and begun.anything
    for _ in range(60):
        walked = await step.ask(ground, "walk", {})
        if {one.camera_id for one in walked.seen} == {"gate", "yard"} and any(s.zone for s in walked.seen):
            break
        await ground.clock.sleep(0.25)
    assert {s.zone for s in walked.seen if s.camera_id == "gate"} == {"", "Doorway"}
    result = await step.ask(ground, "walk_end", {})
    assert result.state == "passed", result
    assert [line.text for line in result.lines] == ["fired: Doorway", "saw it; no zone of the site fired"]
    rules = (await ground.daemon.ask("GET", "/rules"))["rules"]
    zones = (await ground.daemon.ask("GET", "/zones"))["zones"]
    assert [one["name"] for one in rules] == ["In"]
    assert [one["name"] for one in zones] == ["Doorway"]
    assert Reports(ground.data_dir).draft().results["walk"].state == "passed"


@pytest.mark.long
async def test_the_power_cut_is_remembered_and_looked_at_after_the_boot(ground, daemon, monkeypatch):
    step = load("acceptance")
    with pytest.raises(ApplianceError, match="not pulled"):
        await step.ask(ground, "cut_examine", {})
    waiting = await step.ask(ground, "cut_begin", {})
    assert waiting.state == "waiting"
    await ground.clock.sleep(1.0)
    step._pulse.cancel()
    await daemon.kill()
    daemon.boot = daemon.environment["ARIES_BOOT_ID"] = "the second boot"
    monkeypatch.setenv("ARIES_BOOT_ID", daemon.boot)
    (ground.root / "proc").mkdir()
    (ground.root / "proc" / "uptime").write_text("4.00 3.00\n")
    await daemon.start()
    again = load("acceptance")  # another wizard: the plug took the first one, too
    assert (await again.probe(ground)).power_cut.state == "cut"
    await ground.clock.sleep(1.0)
    result = await again.ask(ground, "cut_examine", {})
    assert result.state == "passed", result
    assert "check of all recordings is clean" in result.text
    for line in result.lines:
        assert 0 <= line.figure("lost at the cut") <= 1.5
        assert line.figure("dark") > 0.3
        assert abs(line.figure("to recording")) < 30
    assert (await again.probe(ground)).power_cut.state == "none"


@pytest.mark.long
async def test_a_later_test_is_compared_with_the_first(ground):
    step = load("acceptance")
    await step.apply(ground, AGAIN, lambda text: None)
    await step.ask(ground, "sign", SIGNED)
    camera = (await ground.daemon.ask("GET", "/cameras/gate"))["camera"]
    slow = {"name": "Gate", "rtsp_url": "sim://gate?fps=5&size=320x180", "detect": camera["detect"]}
    await ground.daemon.ask("PUT", "/cameras/gate", slow)
    await ground.daemon.ask("DELETE", "/cameras/yard")
    for _ in range(40):
        status = (await ground.daemon.ask("GET", "/cameras/gate"))["camera"]["status"]
        if status["state"] == "recording" and status["fps"] and status["fps"] < 8:
            break
        await ground.clock.sleep(0.25)
    assert (await step.probe(ground)).is_stale
    assert (await step.plan(ground, TAP)).changes
    await step.apply(ground, TAP, lambda text: None)
    first = Reports(ground.data_dir).first().report
    now = Reports(ground.data_dir).newest().report
    assert now.first.report_id == first.id
    told = now.first.differences
    assert "Gate: frame rate 15.0 frames/s then, 5.0 frames/s now." in told
    assert any(text.startswith("Yard: was there at the first test") for text in told)
    assert sum(text.startswith("Yard:") for text in told) == 1
    pdf = Reports(ground.data_dir).file(now.id, "report.pdf").read_bytes()
    assert "frame rate 15.0 frames/s then" in words(pdf)


async def _sign(step, ground):
    """The customer signs, and nothing is changed any more."""
    for wrong in (
        {},
        SIGNED | {"name": ""},
        SIGNED | {"strokes": [[[0.5, 0.5]]]},
        SIGNED | {"strokes": [[[2, 0]]]},
    ):
        with pytest.raises(ApplianceError) as refused:
            await step.ask(ground, "sign", wrong)
        assert refused.value.kind == "invalid"
    found = await step.ask(ground, "sign", SIGNED)
    assert found.signed_by == "A. Kundin"
    pdf = await step.ask(ground, "file", {"id": found.id, "file": "report.pdf"})
    data = await step.ask(ground, "file", {"id": found.id, "file": "report.json"})
    assert (pdf.content_type, data.content_type) == ("application/pdf", "application/json")
    sealed = verify(data.body)
    assert sealed.report.signature.strokes[1] == ((0.6, 0.4), (0.9, 0.4))
    assert sealed.pdf_sha256 == hashlib.sha256(pdf.body).hexdigest()
    assert verify(pdf.body).fingerprint == sealed.fingerprint == sealed.report.site.fingerprint
    with pytest.raises(ApplianceError, match="no open report"):
        await step.ask(ground, "sign", SIGNED)
    for strange in (
        {"id": "../../secrets", "file": "box.key"},
        {"id": found.id, "file": "../../appliance.db"},
    ):
        with pytest.raises(ApplianceError) as refused:
            await step.ask(ground, "file", strange)
        assert refused.value.kind == "not_found"
    text = words(pdf.body)
    for part in (
        "Hand-over",
        "A. Kundin",
        "Gate",
        "Yard",
        "Walk test",
        "Power cut",
        "Ravi",
        sealed.report_sha256,
    ):
        assert part in text, part


def words(pdf: bytes) -> str:
    pypdf = pytest.importorskip("pypdf")
    pages = pypdf.PdfReader(io.BytesIO(pdf)).pages
    return " ".join(" ".join(page.extract_text().split()) for page in pages)
