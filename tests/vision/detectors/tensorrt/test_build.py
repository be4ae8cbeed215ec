"""Engines really built, by TensorRT for RTX, which needs no GPU for that; and what is not built."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from appliance.base.errors import ApplianceError
from appliance.vision.detectors.tensorrt import engines
from appliance.vision.detectors.tensorrt.build import build, model_file, origin
from appliance.vision.detectors.tensorrt.progress import CalledOff
from appliance.vision.host.building import Building
from appliance.vision.packs.installed import choose

pytestmark = pytest.mark.usefixtures("rtx")


def deaf(share):
    pass


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "engines"


def known(pack, rtx):
    return origin(model_file(pack)[1], rtx, None)


@pytest.mark.parametrize(
    ("kind", "shape", "ends"),
    [
        ("fp32", ("N", 3, 8, 8), "-fp32-1-8-32.engine"),
        ("fp16", ("N", 3, 8, 8), "-fp16-1-8-32.engine"),
        ("int8", ("N", 3, 8, 8), "-int8-1-8-32.engine"),
        ("fp32", (1, 3, 8, 8), "-fp32-1.engine"),
        ("fp16", (4, 3, 8, 8), "-fp16-4.engine"),
    ],
)
def test_the_graph_says_precision_and_shapes(rtx, make_onnx, make_pack, cache, kind, shape, ends):
    pack = make_pack(make_onnx(kind=kind, shape=shape))
    path = build(pack, cache, deaf)
    assert path.name.endswith(ends)
    key, engine = engines.read(path, known(pack, rtx))
    assert (key.precision, key.origin.flavour, key.origin.version) == (kind, rtx.flavour, rtx.version)
    assert key.origin.compute_capability == "any"
    assert len(engine) > 1000


@pytest.mark.parametrize(("name", "shapes"), [("deimv2-femto", "1-8-32"), ("yolox-nano", "1")])
def test_the_models_of_the_house_are_parsed_built_and_kept(rtx, assets, cache, name, shapes):
    pack, reason = choose(name, [assets])
    if pack is None:
        pytest.skip(reason)
    told = []
    path = build(pack, cache, told.append)
    key, engine = engines.read(path, known(pack, rtx))
    assert key.shapes == shapes and key.precision == "fp32"
    assert len(engine) > pack.file(".onnx").stat().st_size  # the weights are in it
    assert told == sorted(told) and told[-1] == 1.0
    assert len({round(share, 2) for share in told}) > 20


def test_a_second_time_it_is_there(make_onnx, make_pack, cache):
    pack = make_pack(make_onnx())
    first = build(pack, cache, deaf)
    os.utime(first, ns=(0, 0))
    number = first.stat().st_ino
    told = []
    assert build(pack, cache, told.append) == first
    assert first.stat().st_ino == number and told == [1.0]
    assert first.stat().st_mtime_ns > 0  # asked for just now: the last to go


def test_another_model_is_another_engine(make_onnx, make_pack, cache):
    paths = {
        build(make_pack(make_onnx("Relu"), "one"), cache, deaf),
        build(make_pack(make_onnx("Sigmoid"), "two"), cache, deaf),
        build(make_pack(make_onnx("Relu", kind="fp16"), "three"), cache, deaf),
    }
    assert len(paths) == 3 == len(list(cache.iterdir()))


def truncated(path, other):
    path.write_bytes(path.read_bytes()[:-100])


def poisoned(path, other):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def foreign(path, other):
    shutil.copyfile(other, path)


def empty(path, other):
    path.write_bytes(b"")


@pytest.mark.parametrize("spoil", [truncated, poisoned, foreign, empty])
def test_a_spoiled_engine_is_refused_and_built_again(rtx, make_onnx, make_pack, cache, spoil):
    pack = make_pack(make_onnx())
    other = build(make_pack(make_onnx("Sigmoid"), "other"), cache, deaf)
    path = build(pack, cache, deaf)
    spoil(path, other)
    with pytest.raises(ApplianceError) as caught:
        engines.read(path, known(pack, rtx))
    assert caught.value.kind == "data_loss" and "models build" in caught.value.hint
    told = []
    assert build(pack, cache, told.append) == path
    assert len(told) > 1  # it was really built
    engines.read(path, known(pack, rtx))


def test_an_unknown_operator_is_named_and_nothing_is_left(make_onnx, make_pack, cache):
    with pytest.raises(ApplianceError, match="FrobnicateBoxes") as caught:
        build(make_pack(make_onnx("FrobnicateBoxes")), cache, deaf)
    assert caught.value.kind == "invalid" and "another backend" in caught.value.hint
    assert not cache.exists() or not list(cache.iterdir())


@pytest.mark.parametrize("data", [b"", b"no model at all"])
def test_what_is_no_model_is_refused(make_pack, cache, data):
    with pytest.raises(ApplianceError) as caught:
        build(make_pack(data), cache, deaf)
    assert caught.value.kind == "invalid"


def test_a_picture_of_open_size_is_refused(make_onnx, make_pack, cache):
    with pytest.raises(ApplianceError, match="images") as caught:
        build(make_pack(make_onnx(shape=("N", 3, "H", "W"))), cache, deaf)
    assert "fixed width" in caught.value.hint


def test_a_model_that_is_not_the_named_one_is_not_built(make_onnx, make_pack, cache):
    pack = make_pack(make_onnx())
    pack.file(".onnx").write_bytes(make_onnx("Sigmoid"))
    with pytest.raises(ApplianceError) as caught:
        build(pack, cache, deaf)
    assert caught.value.kind == "data_loss"


@pytest.mark.parametrize("reason", [CalledOff, KeyboardInterrupt, ZeroDivisionError])
def test_called_off_in_the_middle(make_onnx, make_pack, cache, reason):
    def tell(share):
        if share > 0.2:
            raise reason

    with pytest.raises(reason):
        build(make_pack(make_onnx()), cache, tell)
    assert not cache.exists() or not list(cache.iterdir())


def test_too_little_memory_makes_smaller_batches(assets, cache, monkeypatch):
    """256 MiB are too few for 32 pictures of this model at once: TensorRT says so in a late step."""
    pack, reason = choose("deimv2-femto", [assets])
    if pack is None:
        pytest.skip(reason)
    monkeypatch.setattr("appliance.vision.detectors.tensorrt.build.BLIND_WORKSPACE_BYTES", 256 << 20)
    assert build(pack, cache, deaf).name.endswith(("-1-8-16.engine", "-1-8.engine"))


def test_a_disk_that_takes_no_more_is_said(make_onnx, make_pack, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ApplianceError, match="cannot be kept") as caught:
        build(make_pack(make_onnx()), tmp_path / "file" / "engines", deaf)
    assert caught.value.kind == "exhausted"


# -- the child


async def test_a_model_that_breaks_the_parser_breaks_the_child_alone(make_pack, cache):
    """One empty node: TensorRT 1.7 for RTX reads past it, and crashes or not, as its memory happens to be."""
    pack = make_pack(b"\x08\x08\x3a\x02\x0a\x00")
    last = await Building(cache, deaf).ensure(Path(pack.folder))
    assert last.path == "" and last.kind in ("internal", "invalid") and last.message
    assert not cache.exists() or not list(cache.iterdir())


def start(*arguments, **environment):
    command = [sys.executable, "-m", "appliance.vision.detectors.tensorrt.child", *map(str, arguments)]
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
    )


def test_the_child_prints_its_steps_and_the_path(make_onnx, make_pack, cache):
    pack = make_pack(make_onnx())
    with start(pack.folder, cache) as child:
        lines = [json.loads(line) for line in child.stdout]
    assert child.returncode == 0
    assert [line["share"] for line in lines] == sorted(line["share"] for line in lines)
    assert lines[-1] == {"share": 1.0, "path": str(next(cache.iterdir()))}


def test_the_child_says_why_not(make_onnx, make_pack, cache):
    pack = make_pack(make_onnx("FrobnicateBoxes"))
    with start(pack.folder, cache) as child:
        last = json.loads(child.stdout.readlines()[-1])
    assert child.returncode == 1
    assert last["kind"] == "invalid" and "FrobnicateBoxes" in last["message"] and last["hint"]


def test_the_child_ends_when_told_to(assets, cache):
    with start(assets / "models" / "deimv2_femto_416.onnx", cache) as child:
        first = json.loads(child.stdout.readline())
        child.send_signal(signal.SIGTERM)
        last = json.loads(child.stdout.readlines()[-1])
    assert first["share"] < 0.5 and child.returncode == 1
    assert last["kind"] == "conflict"
    assert not cache.exists() or not list(cache.iterdir())


def test_the_child_does_not_outlive_who_started_it(assets, cache):
    with start(assets / "models" / "deimv2_femto_416.onnx", cache, ARIES_PARENT="1") as child:
        assert "path" not in child.stdout.read()
    assert child.returncode == 1
