"""What the full TensorRT's builder is asked that RTX's is not: timings, the DLA, a GPU. On a DOUBLE of it:
that the real one understands these questions is shown by ``test_gpu.py`` alone."""

from types import SimpleNamespace

import pytest

from appliance.base.errors import ApplianceError
from appliance.vision.detectors.tensorrt import build as building
from appliance.vision.detectors.tensorrt import cuda, engines
from appliance.vision.detectors.tensorrt.library import Library, Said


class Config:
    def __init__(self):
        self.flags, self.workspace, self.cache, self.profiles = [], 0, None, []

    def set_memory_pool_limit(self, pool, size_bytes):
        self.workspace = size_bytes

    def create_timing_cache(self, data):
        return SimpleNamespace(data=data, serialize=lambda: data + b"+")

    def set_timing_cache(self, cache, ignore_mismatch):
        self.cache = None if cache.data.startswith(b"foreign") else cache
        return self.cache is not None and not ignore_mismatch

    def get_timing_cache(self):
        return self.cache

    def set_flag(self, flag):
        self.flags.append(flag)

    def add_optimization_profile(self, profile):
        self.profiles.append(profile)


class Builder:
    num_DLA_cores = 0

    def __init__(self, said, network):
        self.said, self._network = said, network
        self.configs = []
        self.too_much = 1000  # batches from here on do not fit

    def create_network(self, flags):
        return self._network

    def create_builder_config(self):
        self.configs.append(Config())
        return self.configs[-1]

    def create_optimization_profile(self):
        return SimpleNamespace(set_shape=lambda name, *shapes: setattr(self, "shapes", shapes))

    def build_serialized_network(self, network, config):
        if config.profiles and self.shapes[-1][0] >= self.too_much:
            self.said.error("Error Code 2: OutOfMemory (Requested size was 12 bytes.)")
            return None
        return b"a plan"


@pytest.fixture
def full(make_chip, make_pack, monkeypatch, tmp_path):
    """``full.build()`` on a box whose TensorRT 10 is a double; ``full.builder`` was asked."""
    said = Said()
    images = SimpleNamespace(name="images", shape=(-1, 3, 8, 8), is_shape_tensor=False)
    layer = SimpleNamespace(num_outputs=1, get_output=lambda number: SimpleNamespace(dtype="half"))
    network = SimpleNamespace(
        num_inputs=1,
        num_outputs=1,
        num_layers=1,
        get_input=lambda number: images,
        get_layer=lambda number: layer,
    )
    builder = Builder(said, network)
    trt = SimpleNamespace(
        Builder=lambda logger: builder,
        NetworkDefinitionCreationFlag=SimpleNamespace(STRONGLY_TYPED=1),
        OnnxParser=lambda network, logger: SimpleNamespace(parse=lambda data: True),
        OnnxParserFlag=SimpleNamespace(),
        DataType=SimpleNamespace(HALF="half", INT8="int8"),
        MemoryPoolType=SimpleNamespace(WORKSPACE=0),
        DeviceType=SimpleNamespace(DLA="dla"),
        BuilderFlag=SimpleNamespace(GPU_FALLBACK="fallback"),
        IProgressMonitor=type("IProgressMonitor", (), {}),
    )
    chip = make_chip(1 << 30)
    monkeypatch.setattr(building, "library", lambda: Library(trt, "tensorrt", "10.16.1", None, said))
    monkeypatch.setattr(cuda, "open_device", lambda: cuda.Device(chip))
    pack, cache = make_pack(b"model"), tmp_path / "engines"
    return SimpleNamespace(
        builder=builder,
        chip=chip,
        cache=cache,
        build=lambda **how: building.build(pack, cache, lambda _: None, **how),
    )


def test_the_chip_is_in_the_key_and_half_of_its_memory_is_for_the_build(full):
    path = full.build()
    assert "-tensorrt-10.16.1-8.7-" in path.name and path.name.endswith("-fp16-1-8-32.engine")
    assert full.builder.shapes == ((1, 3, 8, 8), (8, 3, 8, 8), (32, 3, 8, 8))
    assert full.builder.configs[0].workspace == 1 << 29
    assert full.chip.contexts == 0  # given back


def test_measured_times_are_kept_for_the_next_build(full):
    path = full.build()
    assert full.builder.configs[0].cache.data == b""
    path.unlink()
    full.build()
    assert full.builder.configs[1].cache.data == b"+"


@pytest.mark.parametrize(
    "spoil", [lambda path: path.write_bytes(b"x"), lambda path: engines.seal(path, b"foreign")]
)
def test_spoiled_times_are_measured_again(full, spoil):
    full.build().unlink()
    (timings,) = full.cache.glob("*.timings")
    spoil(timings)
    full.build()
    assert full.builder.configs[-1].cache.data == b""


@pytest.mark.parametrize(("too_much", "ends"), [(32, "1-8-16"), (16, "1-8"), (8, "1-4"), (2, "1")])
def test_what_does_not_fit_is_built_smaller(full, too_much, ends):
    full.builder.too_much = too_much
    assert full.build().name.endswith(f"-fp16-{ends}.engine")


def test_what_does_not_fit_at_all_is_said(full):
    full.builder.too_much = 1
    with pytest.raises(ApplianceError, match="does not fit") as caught:
        full.build()
    assert caught.value.kind == "exhausted"


def test_the_dla_where_there_is_one(full):
    with pytest.raises(ApplianceError, match="no DLA"):
        full.build(dla=True)
    full.builder.num_DLA_cores = 2
    path = full.build(dla=True)
    config = full.builder.configs[-1]
    assert "+dla-" in path.name
    assert (config.default_device_type, config.DLA_core, config.flags) == ("dla", 0, ["fallback"])
    assert full.build() != path  # the same model without it is another engine


def test_without_a_gpu_the_full_library_builds_nothing(full):
    full.chip.count = 0
    with pytest.raises(ApplianceError, match="no NVIDIA GPU"):
        full.build()
