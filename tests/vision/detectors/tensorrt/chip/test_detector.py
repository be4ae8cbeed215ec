"""The detector on a double: whose turn it is, whose memory, and what happens when there is none."""

import gc
import threading
from concurrent.futures import ThreadPoolExecutor

import av
import numpy as np
import pytest

from appliance.base.errors import ApplianceError
from appliance.vision import detectors
from appliance.vision.detectors import Picture
from appliance.vision.detectors.failures import Lost, OutOfMemory, Unbuilt
from appliance.vision.detectors.tensorrt import cuda, detector, engines
from appliance.vision.looking.gate import Motion

STILL = Motion(np.zeros((1, 1), np.bool_), np.zeros((1, 1), np.bool_))


def pictures(*greys):
    frames = [
        av.VideoFrame.from_ndarray(np.full((8, 8, 3), grey, np.uint8), format="rgb24") for grey in greys
    ]
    return [Picture("yard", number, frame, STILL) for number, frame in enumerate(frames)]


def scores(answers):
    return [float(found.scores[0]) for found in answers]


GREYS = tuple(range(40, 250, 5))  # 42 pictures, each with its own answer


@pytest.mark.parametrize("integrated", [False, True])
@pytest.mark.parametrize("half", [False, True])
def test_a_batch_equals_its_parts(make_box, make_chip, integrated, half):
    box = make_box(make_chip(integrated=integrated), half=half)
    box.chip.log.clear()
    together = scores(box.detector.detect(pictures(*GREYS)))
    assert box.chip.log.count((box.chip.log[0][0], "run")) == 2  # 32 and 10
    alone = [scores(box.detector.detect(pictures(grey)))[0] for grey in GREYS]
    assert together == alone == pytest.approx([grey / 255 for grey in GREYS], abs=1e-3)
    assert {what for _, what in box.chip.log} == ({"run"} if integrated else {"in", "run", "out"})


def test_a_fixed_batch_is_run_whole(make_box):
    box = make_box(rows=4)
    assert box.detector.most == 4
    assert scores(box.detector.detect(pictures(50, 100, 150, 200, 250))) == pytest.approx(
        [50 / 255, 100 / 255, 150 / 255, 200 / 255, 250 / 255], abs=1e-3
    )


def test_one_copies_while_the_other_runs(make_box):
    """The first run waits until the second picture is on the chip: without two lanes, for ever."""
    box = make_box()
    model = box.detector._model
    with model._seats(1), model._seats(1):  # both have their lanes before it counts
        pass
    with ThreadPoolExecutor(2) as pool:
        running, copied, order = threading.Event(), threading.Event(), []

        def hold(stream, what):
            order.append((stream, what))
            if what == "run" and not running.is_set():
                running.set()
                assert copied.wait(10)
            elif what == "in" and running.is_set():
                copied.set()

        box.chip.before = hold
        first = pool.submit(box.detector.detect, pictures(100))
        assert running.wait(10)
        second = pool.submit(box.detector.detect, pictures(200))
        assert scores(first.result(20)) == pytest.approx([100 / 255], abs=1e-3)
        assert scores(second.result(20)) == pytest.approx([200 / 255], abs=1e-3)
    assert [what for _, what in order[:3]] == ["in", "run", "in"] and order[1][0] != order[2][0]


def test_many_threads_each_get_their_own(make_box):
    box = make_box()
    with ThreadPoolExecutor(6) as pool:
        jobs = [(grey, pool.submit(box.detector.detect, pictures(grey, 255 - grey))) for grey in GREYS * 3]
        for grey, job in jobs:
            assert scores(job.result(20)) == pytest.approx([grey / 255, 1 - grey / 255], abs=1e-3)
    assert len(box.chip.streams) <= 2  # a third lane would only hold memory


@pytest.mark.parametrize(
    ("memory_bytes", "most"), [(1 << 30, 32), (1_000_000, 16), (250_000, 4), (60_000, 1), (40_000, 1)]
)
def test_the_batch_is_what_fits_two_lanes_at_the_start(make_box, make_chip, memory_bytes, most):
    box = make_box(make_chip(memory_bytes))
    assert box.detector.most == most
    assert len(box.detector.detect(pictures(*GREYS))) == len(GREYS)
    with ThreadPoolExecutor(2) as pool:
        for job in [pool.submit(box.detector.detect, pictures(*GREYS)) for _ in range(4)]:
            assert len(job.result(20)) == len(GREYS)
    assert box.chip.used_bytes <= memory_bytes


def test_a_jetson_leaves_more_to_recording(make_box, make_chip):
    assert make_box(make_chip(1_000_000, integrated=True)).detector.most == 8


def test_no_room_for_one_picture_is_refused_and_nothing_stays(make_box, make_chip):
    chip = make_chip(5_000)
    with pytest.raises(OutOfMemory) as caught:
        make_box(chip)
    assert caught.value.kind == "exhausted"
    assert not chip.memory and not chip.pinned and not chip.streams and chip.contexts == 0


def test_memory_taken_meanwhile_makes_batches_smaller(make_box):
    """Another process took it: TensorRT's run fails for want of memory above eight pictures."""
    box = make_box()
    before = box.chip.used_bytes
    box.engine.fails = lambda rows: "CUDA error: out of memory" if rows > 8 else None
    assert scores(box.detector.detect(pictures(*GREYS))) == pytest.approx(
        [grey / 255 for grey in GREYS], abs=1e-3
    )
    assert box.detector.most == 8
    box.detector.detect(pictures(100))
    assert box.chip.used_bytes < before / 3  # what is not needed is given back


def test_one_picture_too_much_is_said(make_box):
    box = make_box()
    box.engine.fails = lambda rows: "Error Code 2: OutOfMemory (Requested size was 100 bytes.)"
    with pytest.raises(OutOfMemory):
        box.detector.detect(pictures(100))


def test_a_lost_context_is_raised(make_box):
    box = make_box()
    box.engine.status = 700
    with pytest.raises(Lost, match="700"):
        box.detector.detect(pictures(100))
    with pytest.raises(Lost):
        box.detector.detect(pictures(100))
    box.detector.close()


def test_a_run_that_fails_otherwise_is_lost_too(make_box):
    box = make_box()
    box.engine.fails = lambda rows: "Cuda failure: misaligned address"
    with pytest.raises(Lost, match="misaligned"):
        box.detector.detect(pictures(100))


def test_closed_it_holds_nothing(make_box):
    box = make_box()
    box.detector.detect(pictures(100))
    box.detector.close()
    box.detector.close()
    chip = box.chip
    assert not chip.memory and not chip.pinned and not chip.streams and chip.contexts == 0


def test_people_see_what_runs(make_box):
    assert make_box().detector.device == "Double, compute 8.7, tensorrt 10.16.1, fp16"


def test_without_an_engine_another_backend_serves(make_box):
    box = make_box(built=False, load=False)
    with pytest.raises(Unbuilt, match="no engine of tiny") as caught:
        box.detector.load(box.detector.pack, 1)
    assert caught.value.kind == "unavailable" and "models build" in caught.value.hint
    assert box.chip.contexts == 0


def test_a_spoiled_engine_never_reaches_tensorrt(make_box, tmp_path):
    box = make_box(load=False)
    (path,) = (tmp_path / "engines").iterdir()
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ApplianceError, match="cut short") as caught:
        box.detector.load(box.detector.pack, 1)
    assert caught.value.kind == "data_loss" and not box._engines
    assert isinstance(caught.value, Unbuilt) and not caught.value.refused  # a build sees it by itself


def test_an_engine_that_tensorrt_refuses(make_box, tmp_path):
    with pytest.raises(Unbuilt, match="refuses the engine") as caught:
        make_box(refused=True)
    (path,) = (tmp_path / "engines").iterdir()
    assert caught.value.kind == "data_loss" and caught.value.refused == path.name


def test_answers_of_unknown_size_are_refused(make_box):
    with pytest.raises(ApplianceError, match="known only after the run") as caught:
        make_box(open=True)
    assert caught.value.kind == "invalid" and "NMS" in caught.value.hint


def test_the_engine_asked_for_last_is_taken(make_box, tmp_path):
    """Built again for the DLA: that one."""
    box = make_box(load=False)
    (path,) = (tmp_path / "engines").iterdir()
    plain = engines.Origin(box.detector.pack.files[0].sha256, "tensorrt", "10.16.1", "8.7")
    key, plan = engines.read(path, plain)
    dla = engines.Key(
        engines.Origin(plain.model_sha256, "tensorrt", "10.16.1", "8.7", dla=True), "fp16", "1-8-32"
    )
    engines.write(tmp_path / "engines", dla, plan)
    box.detector.load(box.detector.pack, 1)
    assert "DLA" in box.detector.device
    engines.touch(path)
    box.detector.load(box.detector.pack, 1)
    assert "DLA" not in box.detector.device and key.precision == "fp16"


def test_a_device_that_is_lost_in_the_first_run_is_no_fault_of_the_model(make_box):
    box = make_box(load=False)
    box.chip.before = lambda stream, what: setattr(box.chip, "broken", 700)
    with pytest.raises(Lost):
        box.detector.load(box.detector.pack, 1)


def test_what_is_prepared_ahead(monkeypatch, make_chip):
    """The library and the GPU, which stays open."""
    asked, chip = [], make_chip()
    monkeypatch.setattr(detector, "library", lambda: asked.append("library"))
    monkeypatch.setattr(cuda, "open_device", lambda: cuda.Device(chip))
    detectors.prepare("tensorrt")
    gc.collect()
    assert asked == ["library"] and chip.contexts == 1
