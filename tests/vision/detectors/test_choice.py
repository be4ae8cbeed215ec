"""Which backend a machine gets, and in which words."""

import pytest

from appliance.base.errors import ApplianceError
from appliance.vision.detectors import choice
from appliance.vision.detectors.choice import (
    Machine,
    candidates,
    choose_backend,
    next_best,
    runs_on,
    this_machine,
)
from appliance.vision.packs.pack import Pack, PackFile

ALL = frozenset({"onnxruntime", "openvino", "tensorrt"})
NO_TENSORRT, NO_OPENVINO = ALL - {"tensorrt"}, ALL - {"openvino"}


def pack(*suffixes):
    files = tuple(PackFile(f"m{suffix}", "0") for suffix in suffixes)
    return Pack("mine", "1", "yolox", files, 64, 64, ("goose",), "MIT", "me")


@pytest.mark.parametrize(
    ("packages", "nvidia", "intel", "files", "wanted", "because"),
    [
        (ALL, True, "", (".onnx",), "tensorrt", "NVIDIA GPU"),
        (ALL, True, "an Intel CPU", (".onnx",), "tensorrt", "NVIDIA GPU"),
        (ALL, False, "an Intel GPU", (".onnx",), "openvino", "an Intel GPU"),
        (ALL, False, "", (".onnx",), "onnxruntime", "no NVIDIA or Intel"),
        (ALL, True, "", (".xml", ".bin"), "openvino", "only openvino reads"),
        (NO_TENSORRT, True, "", (".onnx",), "onnxruntime", "TensorRT for the NVIDIA GPU is"),
        (NO_OPENVINO, False, "an Intel CPU", (".onnx",), "onnxruntime", "OpenVINO for an Intel CPU"),
        (frozenset({"openvino"}), False, "", (".onnx",), "openvino", "onnxruntime is not installed"),
    ],
)  # fmt: skip
def test_auto(packages, nvidia, intel, files, wanted, because):
    backend, reason = choose_backend(pack(*files), "auto", Machine(packages, nvidia, intel))
    assert backend == wanted and because in reason


def test_by_hand():
    machine = Machine(ALL, True, "")
    assert choose_backend(pack(".onnx"), "openvino", machine) == ("openvino", "chosen by hand")


@pytest.mark.parametrize(
    ("files", "wanted", "kind", "says"),
    [
        ((".xml", ".bin"), "onnxruntime", "invalid", "cannot read"),
        ((".onnx",), "crystal-ball", "not_found", "no backend"),
        ((".onnx",), "openvino", "not_found", "not installed"),
        ((".xml", ".bin"), "auto", "not_found", "needs openvino"),
        ((".engine",), "auto", "invalid", "no file"),
    ],
)
def test_refusals_name_the_way_out(files, wanted, kind, says):
    with pytest.raises(ApplianceError, match=says) as caught:
        choose_backend(pack(*files), wanted, Machine(frozenset({"onnxruntime"}), False, ""))
    assert caught.value.kind == kind and caught.value.hint


def test_what_a_machine_has_is_read_from_its_files(tmp_path):
    bare = this_machine(tmp_path)
    assert not bare.nvidia and not bare.intel and "onnxruntime" in bare.packages
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev" / "nvidia0").touch()
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc" / "cpuinfo").write_text("vendor_id\t: GenuineIntel\n")
    assert this_machine(tmp_path).nvidia and this_machine(tmp_path).intel == "an Intel CPU"
    card = tmp_path / "sys" / "class" / "drm" / "renderD128" / "device"
    card.mkdir(parents=True)
    (card / "vendor").write_text("0x8086\n")
    assert this_machine(tmp_path).intel == "an Intel GPU"


def test_runs_on_says_who_could():
    assert runs_on(pack(".onnx")) == ("tensorrt", "openvino", "onnxruntime")
    assert runs_on(pack(".xml", ".bin")) == ("openvino",)


@pytest.mark.parametrize("name", ["tensorrt", "tensorrt_rtx", "tensorrt_rtx_bindings"])
def test_tensorrt_is_seen_under_each_of_its_names(tmp_path, monkeypatch, name):
    """The wheel of TensorRT for RTX that the lock names has the bindings alone."""
    monkeypatch.setattr(choice, "find_spec", lambda part: object() if part == name else None)
    assert this_machine(tmp_path).packages == {"tensorrt"}


@pytest.mark.parametrize(
    ("failed", "wanted"),
    [(["tensorrt"], "openvino"), (["tensorrt", "openvino"], "onnxruntime"), (["onnxruntime"], "tensorrt")],
)
def test_the_next_best(failed, wanted):
    assert next_best(pack(".onnx"), failed, Machine(ALL, True, "an Intel GPU"))[0] == wanted


def test_there_is_an_end_to_it():
    with pytest.raises(ApplianceError):
        next_best(pack(".onnx"), ALL, Machine(ALL, True, ""))


@pytest.mark.parametrize(
    ("wanted", "packages", "nvidia", "intel", "found"),
    [
        ("auto", ALL, False, "", ("onnxruntime",)),
        ("auto", ALL, False, "an Intel GPU", ("openvino",)),
        ("auto", ALL, True, "", ("tensorrt", "onnxruntime")),
        ("auto", NO_TENSORRT, True, "", ("onnxruntime",)),
        ("auto", frozenset({"openvino"}), False, "", ("openvino",)),
        ("tensorrt", ALL, True, "an Intel CPU", ("tensorrt", "openvino")),
        ("tensorrt", ALL, False, "", ("onnxruntime",)),  # no GPU, nothing of it
        ("openvino", ALL, True, "", ("openvino",)),
        ("onnxruntime", ALL, True, "", ("onnxruntime",)),
        ("openvino", NO_OPENVINO, True, "", ()),
    ],
)
def test_what_is_worth_loading_ahead(wanted, packages, nvidia, intel, found):
    assert candidates(wanted, Machine(packages, nvidia, intel)) == found
