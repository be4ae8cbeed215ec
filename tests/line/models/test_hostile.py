"""Bad model packs on a whole box: installed by command, activated over HTTP, and started with. What an
installer is told; and that recording and the daemon's memory do not notice."""

import time

import pytest

MB = 1 << 20
REASONS = {  # of those that install well: their files are what model.toml names
    "truncated": "is not a whole model (install truncated again)",
    "unknown-operator": "uses an operator that onnxruntime does not know: com.vendor.magic:CrystalBall",
    "wrong-labels": "knows 80 classes, model.toml has 3 labels",
    "nonsense-shapes": "does not answer as family yolox does",
    "many-at-once": "takes 1000000 pictures at a time",
    "eats-100-gb": "needs more memory than analysis may take here (choose a smaller model pack",
}
NOTICED_S, BEATS_S = 4.0, 2.0  # V4, of a detector that was quick; and what a busy machine makes of a beat


@pytest.mark.long
async def test_bad_packs_are_refused_and_what_looks_looks_on(start, box):
    yard, said = await start("good", "wrong-hash", *REASONS)
    assert list(said) == ["wrong-hash"] and "is not what wrong-hash names" in said["wrong-hash"]
    assert not (box.data / "models" / "wrong-hash").exists()
    await yard.looks_with("good", 20)
    before, ours = await box.detector(), yard.rss_bytes()
    for kind, wanted in REASONS.items():
        phase, reason, took_s = await yard.activate(kind)
        assert phase == "refused" and wanted in reason, (kind, phase, reason)
        print(f"{kind}: {phase} after {took_s:.2f} s: {reason}")
    after = await yard.looks_with("good", 5)
    assert (after["restarts"], after["since"]) == (0, before["since"])
    print(f"the daemon: {ours / MB:.1f} MB, then {yard.rss_bytes() / MB:.1f} MB")
    assert yard.rss_bytes() - ours < 8 * MB
    assert await yard.recorded_all() > 20


@pytest.mark.long
async def test_a_model_that_hangs_is_rolled_back(start, box):
    yard, _ = await start("good", "hangs-on-pictures")
    await yard.looks_with("good", 20)
    ours, began = yard.rss_bytes(), time.monotonic()
    await yard.tools.until(lambda: time.monotonic() > began + 3.0, 5)  # it shows how quick it is
    phase, reason, took_s = await yard.activate("hangs-on-pictures")
    assert phase == "rolled_back" and "at one picture for" in reason
    looking = await yard.looks_with("good", 10)
    print(f"{phase} after {took_s:.2f} s: {reason}; daemon {ours / MB:.1f} -> {yard.rss_bytes() / MB:.1f} MB")
    assert took_s < NOTICED_S + BEATS_S and looking["restarts"] == 1
    assert yard.rss_bytes() - ours < 8 * MB
    await yard.recorded_all()


@pytest.mark.long
async def test_a_box_that_starts_with_a_model_that_hangs_ends_with_one_that_does_not(start, box):
    began = time.monotonic()
    yard, _ = await start("hangs-on-pictures")
    ours = yard.rss_bytes()
    found = await yard.looks_with("motion", 90)
    print(f"motion looks after {time.monotonic() - began:.1f} s: {found['reason']}")
    assert found["restarts"] == 3
    assert "hangs-on-pictures on onnxruntime brought analysis down 3 times" in found["reason"]
    assert "choose another model, or install this one again" in found["reason"]
    print(f"the daemon: {ours / MB:.1f} MB, then {yard.rss_bytes() / MB:.1f} MB")
    assert yard.rss_bytes() - ours < 16 * MB  # it had only just started
    assert await yard.recorded_all() > 200
