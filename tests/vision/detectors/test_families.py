"""Every family against a plain decoder: loops over cells, straight from the papers and exporters' docs.

The reference shares nothing with the code but libswscale's scaler (test_filling holds it against
scaling in floating point): it pads, orders and normalises by itself, runs the model by itself, one
picture at a time, and suppresses box by box.
"""

import math

import numpy as np
import pytest
from av.video.reformatter import Interpolation

NEAR, WIDE = (kind | Interpolation.ACCURATE_RND for kind in (Interpolation.AREA, Interpolation.BILINEAR))
LOWEST = 0.1
SURE = LOWEST + 0.01  # between the two, rounding may decide


def scaled(frame, wide, high, scaler):
    """RGB, high x wide x 3."""
    return frame.reformat(width=wide, height=high, format="gbrp", interpolation=scaler).to_ndarray()


def filled(frame, pack, fit, pad, unit, scaler):
    """The input, and (scale across, scale down, left, top) to find the boxes again."""
    wide, high = pack.input_width, pack.input_height
    if fit == "stretch":
        image = scaled(frame, wide, high, scaler)
        at = (wide / frame.width, high / frame.height, 0, 0)
    else:
        ratio = min(wide / frame.width, high / frame.height)
        size = [math.floor(side * ratio + 1e-6) for side in (frame.width, frame.height)]
        if fit == "centre":
            size = [round(side * ratio) for side in (frame.width, frame.height)]
        left = round((wide - size[0]) / 2 - 0.1) if fit == "centre" else 0
        top = round((high - size[1]) / 2 - 0.1) if fit == "centre" else 0
        image = np.full((high, wide, 3), pad, np.float64)
        image[top : top + size[1], left : left + size[0]] = scaled(frame, *size, scaler)
        at = (size[0] / frame.width, size[1] / frame.height, left, top)
    image = image.astype(np.float64)
    if pack.colour_order == "BGR":
        image = image[..., ::-1]
    if unit:
        image = (image / 255 - np.array(pack.mean)) / np.array(pack.std)
    return np.ascontiguousarray(image.transpose(2, 0, 1)[None], np.float32), at


def overlap(a, b):
    wide, high = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    common = max(0.0, wide) * max(0.0, high)
    return common / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - common)


def suppressed(rows, most_iou):
    kept = []
    for row in sorted(rows, key=lambda row: -row[0]):
        if all(row[1] != other[1] or overlap(row[2], other[2]) <= most_iou for other in kept):
            kept.append(row)
    return kept[:300]


def around(x, y, w, h):
    return x - w / 2, y - h / 2, x + w / 2, y + h / 2


def grid(pack, strides):
    for stride in strides:
        for y in range(math.ceil(pack.input_height / stride)):
            for x in range(math.ceil(pack.input_width / stride)):
                yield x, y, stride


# -- decoders: outputs of one picture, pack, what to add to the overlap at which a box goes
#    -> (score, class, box in input pixels)


def detr(outputs, pack, slack):
    wide, high = pack.input_width, pack.input_height
    for label, box, score in zip(*(outputs[name][0] for name in ("labels", "boxes", "scores")), strict=True):
        if score >= LOWEST:  # it was told that the picture is 1 x 1
            yield score, label, (box[0] * wide, box[1] * high, box[2] * wide, box[3] * high)


def rf_detr(outputs, pack, slack):
    rows = []
    for box, logits in zip(outputs["dets"][0], outputs["labels"][0], strict=True):
        for label in range(len(pack.labels)):  # the last column is "nothing"
            score = 1 / (1 + math.exp(-logits[label]))
            x, y, w, h = box * np.array([pack.input_width, pack.input_height] * 2)
            rows.append((score, label, around(x, y, w, h)))
    rows.sort(key=lambda row: -row[0])
    return [row for row in rows[:300] if row[0] >= LOWEST]


def yolox(outputs, pack, slack):
    rows = []
    (raw,) = outputs.values()
    for (x, y, stride), row in zip(grid(pack, (8, 16, 32)), raw[0].astype(float), strict=True):
        if row[4] < LOWEST:
            continue
        label = max(range(len(row) - 5), key=lambda c: row[5 + c])
        score = row[4] * row[5 + label]
        if score >= LOWEST:
            sides = math.exp(row[2]) * stride, math.exp(row[3]) * stride
            rows.append((score, label, around((row[0] + x) * stride, (row[1] + y) * stride, *sides)))
    return suppressed(rows, 0.65 + slack)


def yolo_v5(outputs, pack, slack):
    rows = []
    for row in outputs["output0"][0].astype(float):
        for label in range(len(pack.labels)):
            score = row[4] * row[5 + label]
            if score >= LOWEST and score == row[4] * max(row[5:]):
                rows.append((score, label, around(*row[:4])))
    return suppressed(rows, 0.7 + slack)


def yolo_v8(outputs, pack, slack):
    rows = []
    table = outputs["output0"][0].astype(float)
    for cell in range(table.shape[1]):
        scores = table[4:, cell].tolist()
        if max(scores) >= LOWEST:
            rows.append((max(scores), scores.index(max(scores)), around(*table[:4, cell])))
    return suppressed(rows, 0.7 + slack)


def yolo_end(outputs, pack, slack):
    return [(row[4], int(row[5]), tuple(row[:4])) for row in outputs["output0"][0] if row[4] >= LOWEST]


def yolo_four(outputs, pack, slack):
    for number in range(int(outputs["num_dets"][0, 0])):
        score = outputs["det_scores"][0, number]
        if score >= LOWEST:
            yield score, outputs["det_classes"][0, number], outputs["det_boxes"][0, number]


def distances(sides):
    reach = []
    for side in range(4):
        weights = [math.exp(value) for value in sides[8 * side : 8 * side + 8]]
        reach.append(sum(number * weight for number, weight in enumerate(weights)) / sum(weights))
    return reach


def from_points(cells, pack, offset, slack):
    """``cells``: (x, y, stride), scores, sides."""
    rows = []
    for (x, y, stride), scores, sides in cells:
        best = max(scores.tolist())
        if best < LOWEST:
            continue
        left, top, right, bottom = (reach * stride for reach in distances(sides.astype(float)))
        middle_x, middle_y = (x + offset) * stride, (y + offset) * stride
        box = (
            max(0.0, middle_x - left),
            max(0.0, middle_y - top),
            min(pack.input_width, middle_x + right),
            min(pack.input_height, middle_y + bottom),
        )
        rows.append((best, scores.tolist().index(best), box))
    return suppressed(rows, 0.6 + slack)


def nanodet(outputs, pack, slack):
    count = len(pack.labels)
    rows = outputs["output"][0]
    cells = zip(grid(pack, (8, 16, 32, 64)), rows[:, :count], rows[:, count:], strict=True)
    return from_points(cells, pack, 0.0, slack)


def picodet(outputs, pack, slack):
    cells = []
    for stride in (8, 16, 32, 64):
        tables, sides = outputs[f"scores_{stride}"][0], outputs[f"sides_{stride}"][0]
        cells += zip(grid(pack, (stride,)), tables, sides, strict=True)
    return from_points(cells, pack, 0.5, slack)


def ssd(outputs, pack, slack):
    for picture, label, score, *box in outputs["detection_out"][0, 0].tolist():
        if picture < 0:
            return
        if score >= LOWEST:
            size = pack.input_width, pack.input_height, pack.input_width, pack.input_height
            yield score, int(label) - 1, [side * of for side, of in zip(box, size, strict=True)]


def ssd_pair(outputs, pack, slack):
    for row, label in zip(outputs["boxes"].tolist(), outputs["labels"].tolist(), strict=True):
        if row[4] >= LOWEST:
            yield row[4], label, row[:4]


REFERENCES = {  # decoder, fit, padding, normalised, how it was shrunk in training
    "detr": (detr, "stretch", 0, True, WIDE),
    "rf-detr": (rf_detr, "stretch", 0, True, WIDE),
    "yolox": (yolox, "corner", 114, False, NEAR),
    "yolo-v5": (yolo_v5, "centre", 114, True, NEAR),
    "yolo-v8": (yolo_v8, "centre", 114, True, NEAR),
    "yolo-end": (yolo_end, "centre", 114, True, NEAR),
    "yolo-four": (yolo_four, "centre", 114, True, NEAR),
    "nanodet": (nanodet, "stretch", 0, True, NEAR),
    "picodet": (picodet, "stretch", 0, True, NEAR),
    "ssd": (ssd, "stretch", 0, False, NEAR),
    "ssd-pair": (ssd_pair, "stretch", 0, False, NEAR),
}


def bare(pack):
    """The model alone: input -> outputs by name."""
    if pack.files[0].path.endswith(".xml"):
        pytest.importorskip("openvino")
        from appliance.vision.detectors.openvino import core

        hints = {"INFERENCE_PRECISION_HINT": "f32"} if pack.precision == "f32" else {}
        model = core().compile_model(str(pack.file(".xml")), "CPU", hints)
        names = [output.any_name for output in model.outputs]
        return lambda tensor: dict(zip(names, model([tensor]).values(), strict=True))
    import onnxruntime

    session = onnxruntime.InferenceSession(str(pack.file(".onnx")), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    inputs = {value.name for value in session.get_inputs()}
    extra = {"orig_target_sizes": np.array([[1, 1]], np.int64)} if "orig_target_sizes" in inputs else {}
    return lambda tensor: dict(zip(names, session.run(names, {"images": tensor, **extra}), strict=True))


def compare(detector, pack, layout, pictures):
    """Same boxes within a pixel of the source, same classes, scores within 0.01. How many there were.

    An overlap within 0.002 of the limit, and a score within 0.01 of the lowest, may be decided either way by
    rounding: what is surely there must be found, and what is found must be possible."""
    decode, *feeding = REFERENCES[layout]
    run, count = bare(pack), 0
    for answer, picture in zip(detector.detect(pictures), pictures, strict=True):
        frame = picture.frame
        tensor, at = filled(frame, pack, *feeding)
        outputs = run(tensor)
        read = [in_picture(decode(outputs, pack, slack), frame, at) for slack in (0.0, -0.002, 0.002)]
        found = answer.above(LOWEST)
        boxes = found.boxes * np.array([frame.width, frame.height] * 2)
        ours = list(zip(found.scores.tolist(), found.classes.tolist(), boxes.tolist(), strict=True))
        surely = [one for one in read[0] if near_any(one, read[1]) and near_any(one, read[2])]
        for some, others in ((surely, ours), (ours, [*read[0], *read[1], *read[2]])):
            alone = [one for one in some if one[0] >= SURE and not near_any(one, others)]
            assert not alone, (frame, alone, others)
        doubtful = len(read[0]) - len(surely) + sum(one[0] < SURE for one in read[0] + ours)
        assert abs(len(ours) - len(read[0])) <= doubtful
        count += len(surely)
    return count


def in_picture(rows, frame, at):
    """In source pixels, clipped, without what has no area there."""
    across, down, left, top = at
    answer = []
    for score, label, (x1, y1, x2, y2) in rows:
        xs = [min(max((x - left) / across, 0.0), frame.width) for x in (x1, x2)]
        ys = [min(max((y - top) / down, 0.0), frame.height) for y in (y1, y2)]
        if xs[1] - xs[0] > 1e-4 * frame.width and ys[1] - ys[0] > 1e-4 * frame.height:
            answer.append((float(score), int(label), (xs[0], ys[0], xs[1], ys[1])))
    return answer


def near_any(one, others):
    return any(near(one, other) for other in others)


def near(one, other):
    apart = max(abs(a - b) for a, b in zip(one[2], other[2], strict=True))
    return one[1] == other[1] and abs(one[0] - other[0]) <= 0.01 and apart <= 1.0


# One box after the other in Python is what makes the other decoder plain, and slow.
@pytest.mark.parametrize("pictures", [14, pytest.param(56, marks=pytest.mark.long)])
def test_a_family_reads_what_a_plain_decoder_reads(backend, layout, tiny, loaded, drawn, pictures):
    pack, some = tiny(layout), drawn[:pictures]
    assert len(some) == pictures
    assert compare(loaded(backend, pack), pack, layout, some) > 5 * pictures


@pytest.mark.parametrize(
    ("name", "layout"),
    [
        ("deimv2-femto", "detr"),
        ("yolox-nano", "yolox"),
        pytest.param("pvb-2003", "ssd-pair", marks=pytest.mark.long),  # 50 ms a picture, twice
    ],
)
def test_real_models_on_real_pictures_alike(backend, name, layout, known, loaded, filmed):
    pack = known(name)
    if name == "pvb-2003" and backend != "openvino":
        pytest.skip("only openvino reads it")
    assert len(filmed) >= 50
    assert compare(loaded(backend, pack), pack, layout, filmed) > 50
