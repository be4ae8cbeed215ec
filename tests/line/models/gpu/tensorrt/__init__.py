"""A DOUBLE of TensorRT 10 for whole boxes: a plan is the model itself behind a mark, and ONNX Runtime
computes what is asked of it, on memory of the double driver beside this folder (``libcuda.c``)."""

import ctypes
from types import SimpleNamespace

import numpy as np
import onnxruntime

__version__ = "10.99.0"
MARK = b"a double's plan:"
KINDS = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(int64)": np.int64}
RUN_BYTES = 4096  # the chip needs so much for a run, beside the scratch memory that it was given


class ILogger:
    Severity = SimpleNamespace(INTERNAL_ERROR=0, ERROR=1, WARNING=2)


class IProgressMonitor:
    pass


TensorLocation = SimpleNamespace(DEVICE="device")
TensorIOMode = SimpleNamespace(INPUT="in", OUTPUT="out")
ExecutionContextAllocationStrategy = SimpleNamespace(USER_MANAGED="ours")
MemoryPoolType = SimpleNamespace(WORKSPACE=0)
NetworkDefinitionCreationFlag = SimpleNamespace(STRONGLY_TYPED=1)
OnnxParserFlag = SimpleNamespace()
DataType = SimpleNamespace(HALF="half", INT8="int8")
ErrorCode = SimpleNamespace(UNSUPPORTED_NODE=1, UNSUPPORTED_GRAPH=2)
_driver = ctypes.CDLL("libcuda.so.1")


def nptype(kind):
    return kind


def _session(model):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _sizes(port):
    return tuple(size if isinstance(size, int) else -1 for size in port.shape)


class Runtime:
    def __init__(self, logger):
        self.logger = logger

    def deserialize_cuda_engine(self, plan):
        if not plan.startswith(MARK):
            self.logger.log(
                ILogger.Severity.ERROR, "Serialization assertion magicTagRead == kMAGIC_TAG failed"
            )
            return None
        return Engine(plan[len(MARK) :], self.logger)


class Engine:
    def __init__(self, model, logger):
        self.session, self.logger = _session(model), logger
        self.shapes, self.kinds, self.inward = {}, {}, []
        for port in self.session.get_inputs():
            self.shapes[port.name], self.kinds[port.name] = _sizes(port), KINDS[port.type]
            self.inward.append(port.name)
        blank = {name: np.zeros(np.abs(self.shapes[name]), self.kinds[name]) for name in self.inward}
        for port, found in zip(self.session.get_outputs(), self.session.run(None, blank), strict=True):
            first = -1 if any(self.shapes[name][0] < 0 for name in self.inward) else found.shape[0]
            self.shapes[port.name], self.kinds[port.name] = (first, *found.shape[1:]), found.dtype

    @property
    def num_io_tensors(self):
        return len(self.shapes)

    def get_tensor_name(self, number):
        return list(self.shapes)[number]

    def get_tensor_shape(self, name):
        return self.shapes[name]

    def get_tensor_location(self, name):
        return TensorLocation.DEVICE

    def get_tensor_dtype(self, name):
        return self.kinds[name]

    def get_tensor_mode(self, name):
        return TensorIOMode.INPUT if name in self.inward else TensorIOMode.OUTPUT

    def create_execution_context(self, strategy):
        return Context(self)


class Context:
    def __init__(self, engine):
        self.engine, self.rows, self.addresses = engine, 1, {}

    def set_input_shape(self, name, shape):
        self.rows = shape[0]

    def update_device_memory_size_for_shapes(self):
        return self.rows << 20

    def set_device_memory(self, address, size_bytes):
        pass

    def set_tensor_address(self, name, address):
        self.addresses[name] = address

    def execute_async_v3(self, stream):
        engine = self.engine
        scratch = ctypes.c_uint64()
        if _driver.cuMemAlloc_v2(ctypes.byref(scratch), ctypes.c_size_t(RUN_BYTES)) == 2:
            text = f"[defaultAllocator] Error Code 2: OutOfMemory (Requested size was {RUN_BYTES} bytes.)"
            engine.logger.log(ILogger.Severity.ERROR, text)
            return False
        _driver.cuMemFree_v2(scratch)
        given = {name: self._at(name) for name in engine.inward}
        outward = [name for name in engine.shapes if name not in engine.inward]
        for name, found in zip(outward, engine.session.run(outward, given), strict=True):
            self._at(name)[...] = found
        return True

    def _at(self, name):
        shape = tuple(self.rows if size < 0 else size for size in self.engine.shapes[name])
        kind = np.dtype(self.engine.kinds[name])
        raw = (ctypes.c_char * (int(np.prod(shape)) * kind.itemsize)).from_address(self.addresses[name])
        return np.frombuffer(raw, kind).reshape(shape)


class OnnxParser:
    num_errors = 0

    def __init__(self, network, logger):
        self.network = network

    def parse(self, model):
        ports = _session(model).get_inputs()
        self.network.model = model
        self.network.inputs = [
            SimpleNamespace(name=port.name, shape=_sizes(port), is_shape_tensor=False) for port in ports
        ]
        return True


class Network:
    model, inputs, num_layers, num_outputs = b"", (), 0, 1

    @property
    def num_inputs(self):
        return len(self.inputs)

    def get_input(self, number):
        return self.inputs[number]


class Config:
    def set_memory_pool_limit(self, pool, size_bytes):
        pass

    def create_timing_cache(self, data):
        return SimpleNamespace(serialize=lambda: b"")

    def set_timing_cache(self, cache, ignore_mismatch):
        return True

    def get_timing_cache(self):
        return None

    def add_optimization_profile(self, profile):
        pass


class Builder:
    num_DLA_cores = 0

    def __init__(self, logger):
        pass

    def create_network(self, flags):
        return Network()

    def create_builder_config(self):
        return Config()

    def create_optimization_profile(self):
        return SimpleNamespace(set_shape=lambda name, *shapes: None)

    def build_serialized_network(self, network, config):
        return MARK + network.model
