"""One contract for all detectors: every backend with every family, and ``motion``."""

import threading

import av
import numpy as np
import pytest

from appliance.base.errors import ApplianceError
from appliance.vision import detectors
from appliance.vision.decoding.planes import luma
from appliance.vision.detectors import LOWEST_SCORE, MOST_BOXES, Picture
from appliance.vision.looking.gate import Gate


def picture(width, height, pix_fmt="yuv420p", square=True):
    image = np.full((height, width, 3), 100, np.uint8)
    if square:
        image[height // 4 : height // 2, width // 4 : width // 2] = (250, 220, 30)
    frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format=pix_fmt)
    gate = Gate()
    empty = av.VideoFrame.from_ndarray(np.full_like(image, 100), format="rgb24").reformat(format=pix_fmt)
    gate.look(luma(empty), 0)
    return Picture("yard", 200_000_000, frame, gate.look(luma(frame), 200_000_000))


def keeps_the_contract(detector):
    assert detector.most >= 1 and detector.device and detector.labels
    assert detector.detect([]) == []
    for size in [(768, 432), (432, 768), (101, 57), (16, 16)]:
        for pix_fmt in ("yuv420p", "yuvj422p", "nv12", "yuv420p10le"):
            answers = detector.detect([picture(*size, pix_fmt), picture(*size, pix_fmt, square=False)])
            assert len(answers) == 2
            for found in answers:
                assert found.boxes.shape == (len(found), 4) and found.boxes.dtype == np.float32
                assert found.scores.dtype == np.float32 and found.classes.dtype == np.int32
                assert np.all((found.boxes >= 0) & (found.boxes <= 1))
                assert np.all(found.boxes[:, 2:] > found.boxes[:, :2])
                assert np.all((found.scores >= LOWEST_SCORE) & (found.scores <= 1))
                assert np.all(np.diff(found.scores) <= 0) and len(found) <= MOST_BOXES
                assert all(0 <= number < len(detector.labels) for number in found.classes)
    detector.close()
    detector.close()


def test_motion_keeps_the_contract():
    detector = detectors.make("motion")
    detector.load(None, 1)
    keeps_the_contract(detector)


def test_every_family_keeps_the_contract_on_every_backend(backend, layout, tiny, loaded):
    keeps_the_contract(loaded(backend, tiny(layout)))


@pytest.mark.parametrize("name", ["deimv2-femto", "yolox-nano", "pvb-2003"])
def test_known_models_keep_the_contract(backend, name, known, loaded):
    pack = known(name)
    if backend not in detectors.choice.runs_on(pack):
        pytest.skip(f"{backend} cannot read the files of {name}")
    keeps_the_contract(loaded(backend, pack))


def same(one, other, tolerance=1e-5):
    one, other = one.above(0.05), other.above(0.05)
    assert np.array_equal(one.classes, other.classes)
    assert np.allclose(one.scores, other.scores, atol=tolerance)
    assert np.allclose(one.boxes, other.boxes, atol=tolerance)


def test_weaker_boxes_than_wanted_are_not_read_and_the_others_are_the_same(
    backend, layout, tiny, loaded, drawn
):
    whole = loaded(backend, tiny(layout))
    lowest = float(np.median([s for found in whole.detect(drawn[:4]) for s in found.scores]))
    strong = loaded(backend, tiny(layout), lowest)
    for all_, some in zip(whole.detect(drawn[:4]), strong.detect(drawn[:4]), strict=True):
        assert len(some) < len(all_) and np.array_equal(all_.scores[: len(some)], some.scores)
        assert len(some) == np.count_nonzero(all_.scores >= lowest)
        assert np.array_equal(all_.boxes[: len(some)], some.boxes)


@pytest.mark.parametrize("batch", ["N", 1])
def test_a_batch_of_8_is_8_batches_of_1(backend, layout, batch, tiny, loaded, drawn):
    detector = loaded(backend, tiny(layout, batch))
    together = detector.detect(drawn[:8])
    assert sum(map(len, together)) > 20
    for found, each in zip(together, drawn[:8], strict=True):
        same(found, detector.detect([each])[0])


def test_a_batch_of_8_of_the_real_model_too(backend, known, loaded, filmed):
    detector = loaded(backend, known("deimv2-femto"))
    for found, each in zip(detector.detect(filmed[::7]), filmed[::7], strict=True):
        same(found, detector.detect([each])[0], 1e-3)


def test_two_threads_get_what_one_would(backend, tiny, loaded, drawn):
    """Pictures of all shapes cross: whoever shares a tensor, a scaler or padding mixes them up."""
    detector = loaded(backend, tiny("yolox"))
    alone = [detector.detect([each])[0] for each in drawn]
    answers, together = {}, threading.Barrier(2)

    def ask(numbers):
        together.wait()
        for _ in range(5):
            for number in numbers:
                answers[number] = detector.detect([drawn[number]])[0]

    threads = [threading.Thread(target=ask, args=(range(first, 56, 2),)) for first in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, found in answers.items():
        same(found, alone[number], 1e-6)


def test_the_models_see_the_person_in_the_footage(backend, known, loaded, footage, looked):
    with av.open(str(footage)) as container:
        frame = next(f for f in container.decode(video=0) if f.time > 12.0)
    for name in ("deimv2-femto", "yolox-nano", "pvb-2003"):
        pack = known(name)
        if backend in detectors.choice.runs_on(pack):
            detector = loaded(backend, pack)
            (found,) = detector.detect([looked(frame)])
            assert detector.labels[found.classes[0]] == "person"
            assert found.scores[0] > 0.7
            assert found.boxes[0] == pytest.approx([0.5, 0.03, 0.68, 0.92], abs=0.06)  # by eye


def test_an_unknown_backend_names_the_known_ones():
    with pytest.raises(ApplianceError, match="onnxruntime") as caught:
        detectors.make("crystal-ball")
    assert caught.value.kind == "not_found"


def test_detect_before_load_is_a_mistake_of_ours(backend, drawn):
    with pytest.raises(ApplianceError) as caught:
        detectors.make(backend).detect(drawn[:1])
    assert caught.value.kind == "internal"
