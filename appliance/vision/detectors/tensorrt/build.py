"""ONNX to an engine in the cache: minutes on a small chip, so never in the worker.

    python -m appliance.vision.detectors.tensorrt.child PACK CACHE_DIR [--dla]

runs one build at idle priority and prints JSON lines (``BuildStep``); PACK is a pack's folder, or the
file of a known model. It ends with SIGTERM (called off) and with whoever started it.
"""

import hashlib
from pathlib import Path
from typing import Any

from appliance.base.errors import ApplianceError, invalid
from appliance.vision.detectors.tensorrt import cuda, engines
from appliance.vision.detectors.tensorrt.engines import Key, Origin
from appliance.vision.detectors.tensorrt.library import Library, library
from appliance.vision.detectors.tensorrt.network import BATCHES, parse, precision, profile
from appliance.vision.detectors.tensorrt.progress import Phases, Tell, monitor
from appliance.vision.packs.pack import Pack

LARGEST_WORKSPACE_BYTES = 2 << 30
SMALLEST_WORKSPACE_BYTES = 128 << 20
BLIND_WORKSPACE_BYTES = 1 << 30  # where no GPU says what it has


def origin(model_sha256: str, found: Library, device: cuda.Device | None, dla: bool = False) -> Origin:
    chip = device.compute_capability if device is not None else "any"
    return Origin(model_sha256, found.flavour, found.version, chip, dla)


def model_file(pack: Pack) -> tuple[bytes, str]:
    """The model and its SHA-256, of the very bytes that will be parsed."""
    data = pack.file(".onnx").read_bytes()
    return data, hashlib.sha256(data).hexdigest()


def build(pack: Pack, cache_dir: Path, tell: Tell, *, dla: bool = False) -> Path:
    """The engine of ``pack`` for this box: the one that is there, or a new one.

    ``tell`` hears the share that is done, 0..1; what it raises ends the build and is raised here.
    Raises ``invalid`` (TensorRT cannot run this model), ``not_found`` (no TensorRT, no GPU),
    ``exhausted`` (memory, disk), ``unavailable``.
    """
    found = library()
    device = _device(found)
    try:
        model, digest = model_file(pack)
        known = origin(digest, found, device, dla)
        path = _ready(cache_dir, known)
        if path is None:
            workspace = _workspace(device)
            key, engine = _make(found, known, model, pack.name, workspace, cache_dir, tell)
            path = engines.write(cache_dir, key, engine)
        engines.prune(cache_dir)
        tell(1.0)
        return path
    finally:
        if device is not None:
            device.close()


def _device(found: Library) -> cuda.Device | None:
    try:
        return cuda.open_device()
    except ApplianceError as error:
        if found.portable and error.kind == "not_found":
            return None
        raise


def _ready(cache_dir: Path, known: Origin) -> Path | None:
    """The engine that is there; a spoiled one is taken away."""
    while (path := engines.find(cache_dir, known)) is not None:
        try:
            engines.read(path, known)
        except ApplianceError:
            path.unlink()
            continue
        engines.touch(path)
        return path
    return None


def _workspace(device: cuda.Device | None) -> int:
    """Half of what is free: the worker that serves meanwhile keeps its own."""
    if device is None:
        return BLIND_WORKSPACE_BYTES
    return max(SMALLEST_WORKSPACE_BYTES, min(LARGEST_WORKSPACE_BYTES, device.free_bytes() // 2))


def _make(
    found: Library, known: Origin, model: bytes, name: str, workspace: int, cache_dir: Path, tell: Tell
) -> tuple[Key, bytes]:
    found.said.forget()
    builder = _builder(found)
    network, parser = parse(found, builder, model, name, known.dla)
    kind = precision(found.trt, network)
    largest = BATCHES[-1]
    while True:
        chosen, batches = profile(builder, network, largest)
        config = _config(found, builder, known, workspace)
        if chosen is not None:
            config.add_optimization_profile(chosen)
        timings = cache_dir / f"{known.flavour}-{known.version}-{known.compute_capability}.timings"
        _load_timings(found, config, timings)
        phases = Phases(tell)
        watching = monitor(found.trt, phases)
        config.progress_monitor = watching
        found.said.forget()
        plan = builder.build_serialized_network(network, config)
        if phases.off is not None:
            raise phases.off
        if plan is not None:
            _save_timings(found, config, timings)
            del parser  # not before: its weights went into the engine
            return Key(known, kind, "-".join(map(str, batches))), bytes(plan)
        if not found.said.out_of_memory:
            raise invalid(f"TensorRT cannot build {name}: {found.said.last}", "use another backend")
        if chosen is None or largest == 1:
            text = f"{name} does not fit: {workspace >> 20} MiB of workspace are too few"
            raise ApplianceError("exhausted", text, "use a smaller model, or end what else uses the GPU")
        largest //= 2  # smaller batches need less


def _builder(found: Library) -> Any:
    try:
        builder = found.trt.Builder(found.logger)
    except (RuntimeError, TypeError) as error:  # pybind11's, for a null from the factory
        builder, reason = None, str(error)
    else:
        reason = found.said.last
    if builder is None:
        raise ApplianceError("unavailable", f"TensorRT does not start: {reason}", "see nvidia-smi")
    return builder


def _config(found: Library, builder: Any, known: Origin, workspace: int) -> Any:
    trt = found.trt
    config = builder.create_builder_config()
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, workspace)
    if found.portable and known.compute_capability != "any":
        config.num_compute_capabilities = 1  # this chip's alone: smaller, and not only Ampere and later
        config.set_compute_capability(trt.ComputeCapability.CURRENT, 0)
    if known.dla:
        if builder.num_DLA_cores == 0:
            raise invalid("this chip, or this TensorRT, has no DLA", "build without it")
        config.default_device_type = trt.DeviceType.DLA
        config.DLA_core = 0
        config.set_flag(trt.BuilderFlag.GPU_FALLBACK)
    return config


# -- the timing cache: which kernels were the fastest, so that a second build measures less. RTX has none.


def _load_timings(found: Library, config: Any, path: Path) -> None:
    if not found.portable:
        cache = config.create_timing_cache(engines.unseal(path))
        if cache is None or not config.set_timing_cache(cache, False):
            config.set_timing_cache(config.create_timing_cache(b""), False)


def _save_timings(found: Library, config: Any, path: Path) -> None:
    if not found.portable:
        cache = config.get_timing_cache()
        if cache is not None:
            engines.seal(path, bytes(cache.serialize()))
