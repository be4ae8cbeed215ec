"""The box clock steps while recording: both passes are kept, and the ledger says so (R4, R8)."""

import pytest

from appliance.media.ring.scan import scan


@pytest.mark.parametrize(
    "step_s", [-3600, pytest.param(3600, marks=pytest.mark.long), pytest.param(-2, marks=pytest.mark.long)]
)
def test_both_passes_are_stored(bench, film, step_s):
    box = bench.start(film, 2, 3.5, "--segment", "1", "--step", "1.2", str(step_s))
    box.recording(2)
    assert box.finish() == 0, box.errors
    assert bench.check() == []
    assert bench.lost_s(box) <= 1.1  # up to a key frame may pass before the new run begins
    jumps = [gap for gap in bench.gaps() if gap.cause == "clock_jump"]
    assert jumps and all(gap.end_ns is not None for gap in jumps)
    heads = [scan(path).head for path in bench.volume.rglob("cam0/**/*.mp4")]
    runs = {head.run_id for head in heads}
    assert len(runs) == 2
    spread_s = (max(h.start_ns for h in heads) - min(h.start_ns for h in heads)) / 1e9
    assert spread_s >= abs(step_s) - 5
    again = bench.start(film, 2, 0.5)
    again.recording(2)
    again.finish()
    assert bench.check() == []
