"""The chip's side of a running model: a stream, an execution context, and memory for some pictures.

The memory that TensorRT needs between its layers is ours to give (``USER_MANAGED``), and is measured
for the batch that will really run, not for the largest that the engine could.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from appliance.base.errors import ApplianceError, invalid
from appliance.vision.detectors.failures import Lost, OutOfMemory
from appliance.vision.detectors.tensorrt.cuda import Device, Pinned
from appliance.vision.detectors.tensorrt.library import Library


@dataclass(frozen=True, slots=True)
class Channel:
    """A tensor that goes in or comes out. ``shape``: of the engine, -1 where the batch may vary."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    inward: bool

    def of(self, count: int) -> tuple[int, ...]:
        return tuple(count if size < 0 else size for size in self.shape)

    def size_bytes(self, count: int) -> int:
        return int(np.prod(self.of(count), dtype=np.int64)) * self.dtype.itemsize


@dataclass(slots=True)
class Host:
    """A tensor's pinned memory, and the array that lies in it."""

    pinned: Pinned
    array: NDArray[Any]


def channels(found: Library, engine: Any) -> tuple[Channel, ...]:
    """Raises ``invalid`` for tensors that a detector cannot have."""
    trt, listed = found.trt, []
    for number in range(engine.num_io_tensors):
        name = str(engine.get_tensor_name(number))
        shape = tuple(int(size) for size in engine.get_tensor_shape(name))
        if engine.get_tensor_location(name) != trt.TensorLocation.DEVICE:
            raise invalid(f"the tensor {name!r} is not on the GPU", "use another backend for this model")
        if any(size < 0 for size in shape[1:]):
            hint = "export it with a fixed number of boxes, without NMS, or use another backend"
            raise invalid(f"the size of {name!r} is known only after the run: {list(shape)}", hint)
        dtype = np.dtype(trt.nptype(engine.get_tensor_dtype(name)))
        inward = engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT
        listed.append(Channel(name, shape, dtype, inward))
    return tuple(listed)


class Lane:
    """Runs one batch at a time; two lanes keep the chip busy: one copies while the other computes."""

    def __init__(
        self, found: Library, device: Device, engine: Any, listed: tuple[Channel, ...], rows: int
    ) -> None:
        """Raises ``OutOfMemory``; nothing stays allocated then."""
        self.rows = 0
        self._found, self._device, self._channels = found, device, listed
        self._buffers: dict[str, int] = {}
        self._scratch = 0
        self._scratch_bytes = 0
        self._count = 0
        self._stream = device.stream()
        try:
            self._context = new_context(found, engine)
            self.resize(rows)
        except BaseException:  # whatever stopped it, memory on the GPU is freed by nobody else
            self.close()
            raise

    def resize(self, rows: int) -> None:
        """Memory for ``rows`` pictures, and no more. Raises ``OutOfMemory`` and holds none then."""
        self._release()
        try:
            self._scratch_bytes = self._shape(rows)
            self._scratch = self._device.allocate(self._scratch_bytes)
            self._context.set_device_memory(self._scratch, self._scratch_bytes)
            if not self._device.integrated:
                for channel in self._channels:
                    self._buffers[channel.name] = self._device.allocate(channel.size_bytes(rows))
        except OutOfMemory:
            self._release()
            raise
        self.rows = rows

    def run(self, count: int, hosts: Mapping[str, Host]) -> None:
        """Copy in, run, copy out, wait. Raises ``OutOfMemory``, ``Lost``."""
        if count > self.rows:
            raise OutOfMemory(f"{count} pictures at once do not fit, {self.rows} do")
        if count != self._count and self._shape(count) > self._scratch_bytes:
            raise OutOfMemory(f"{count} pictures need more memory than {self.rows}")
        try:
            self._begin(count, hosts)
            self._device.wait(self._stream)
        except BaseException:  # also interrupted: a copy may still read what the caller frees next
            self._drain()
            raise

    def _begin(self, count: int, hosts: Mapping[str, Host]) -> None:
        device, context = self._device, self._context
        for channel in self._channels:
            pinned = hosts[channel.name].pinned
            address = self._buffers.get(channel.name, pinned.device_address)
            context.set_tensor_address(channel.name, address)
            if channel.inward and not device.integrated:
                device.send(pinned.address, address, channel.size_bytes(count), self._stream)
        self._found.said.forget()
        if not context.execute_async_v3(self._stream):
            raise failed(self._found, "the run")
        for channel in self._channels:
            if not channel.inward and not device.integrated:
                host, size_bytes = hosts[channel.name].pinned.address, channel.size_bytes(count)
                device.fetch(self._buffers[channel.name], host, size_bytes, self._stream)

    def _drain(self) -> None:
        """What is on its way reads and writes memory of ours, that is about to be written or freed."""
        try:
            self._device.wait(self._stream)
        except ApplianceError:
            pass  # the context is gone, and its copies with it

    def close(self) -> None:
        if self._stream:
            self._drain()
        self._context = None  # before its memory
        self._release()
        if self._stream:
            self._device.free_stream(self._stream)
            self._stream = 0

    def _shape(self, count: int) -> int:
        """Tell the context; the bytes that it needs between its layers."""
        self._count = 0
        needed = scratch_bytes(self._context, self._channels, count)
        self._count = count
        return needed

    def _release(self) -> None:
        self.rows = self._count = 0
        for address in (*self._buffers.values(), self._scratch):
            if address:
                self._device.free(address)
        self._buffers.clear()
        self._scratch = 0


def new_context(found: Library, engine: Any) -> Any:
    found.said.forget()
    context = engine.create_execution_context(found.trt.ExecutionContextAllocationStrategy.USER_MANAGED)
    if context is None:
        raise failed(found, "a context")
    return context


def scratch_bytes(context: Any, listed: tuple[Channel, ...], count: int) -> int:
    for channel in listed:
        if channel.inward and -1 in channel.shape:
            context.set_input_shape(channel.name, channel.of(count))
    return max(256, int(context.update_device_memory_size_for_shapes()))


def needed_bytes(context: Any, listed: tuple[Channel, ...], count: int) -> int:
    """On the chip, for one lane."""
    return scratch_bytes(context, listed, count) + sum(channel.size_bytes(count) for channel in listed)


def failed(found: Library, what: str) -> OutOfMemory | Lost:
    """TensorRT answers a failure with nothing; what it was is in its log."""
    if found.said.out_of_memory:
        return OutOfMemory(f"the GPU has no memory left for {what}")
    return Lost(f"TensorRT failed in {what}: {found.said.last}")
