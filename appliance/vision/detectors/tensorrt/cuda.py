"""The CUDA driver, as far as one detector needs it: some twenty calls of libcuda.so.1, by ctypes.

Memory, streams and the errors of both (CUDA Driver API, chapters 6.2 to 6.16). Errors are mapped in one
place: short memory is ``OutOfMemory`` and can be mended by asking for less; every other error of a call
that touches the chip is sticky, and is ``Lost``: only a new process gets another context.
"""

import ctypes
from ctypes import POINTER, c_char_p, c_int, c_size_t, c_uint, c_uint64, c_void_p
from dataclasses import dataclass
from typing import Any, Final

from appliance.base.errors import ApplianceError
from appliance.vision.detectors.failures import Lost, OutOfMemory

_OUT_OF_MEMORY = 2
_PORTABLE, _MAPPED = 1, 2  # CU_MEMHOSTALLOC_*
_BLOCKING_SYNC = 4  # CU_CTX_SCHED_*: a waiting thread sleeps, the cores belong to recording
_NON_BLOCKING = 1  # CU_STREAM_*: does not wait for the default stream
_INTEGRATED, _MAJOR, _MINOR = 18, 75, 76  # CU_DEVICE_ATTRIBUTE_*

_pointer = POINTER(c_void_p)
_CALLS: Final[dict[str, tuple[Any, ...]]] = {
    "cuInit": (c_uint,),
    "cuDriverGetVersion": (POINTER(c_int),),
    "cuDeviceGetCount": (POINTER(c_int),),
    "cuDeviceGet": (POINTER(c_int), c_int),
    "cuDeviceGetName": (c_char_p, c_int, c_int),
    "cuDeviceGetAttribute": (POINTER(c_int), c_int, c_int),
    "cuDevicePrimaryCtxSetFlags_v2": (c_int, c_uint),
    "cuDevicePrimaryCtxRetain": (_pointer, c_int),
    "cuDevicePrimaryCtxRelease_v2": (c_int,),
    "cuCtxSetCurrent": (c_void_p,),
    "cuMemGetInfo_v2": (POINTER(c_size_t), POINTER(c_size_t)),
    "cuMemAlloc_v2": (POINTER(c_uint64), c_size_t),
    "cuMemFree_v2": (c_uint64,),
    "cuMemHostAlloc": (_pointer, c_size_t, c_uint),
    "cuMemHostGetDevicePointer_v2": (POINTER(c_uint64), c_void_p, c_uint),
    "cuMemFreeHost": (c_void_p,),
    "cuMemcpyHtoDAsync_v2": (c_uint64, c_void_p, c_size_t, c_void_p),
    "cuMemcpyDtoHAsync_v2": (c_void_p, c_uint64, c_size_t, c_void_p),
    "cuStreamCreate": (_pointer, c_uint),
    "cuStreamSynchronize": (c_void_p,),
    "cuStreamDestroy_v2": (c_void_p,),
    "cuGetErrorString": (c_int, POINTER(c_char_p)),
}


@dataclass(frozen=True, slots=True)
class Pinned:
    """Page-locked memory of the host, and where the chip sees it."""

    address: int
    device_address: int
    size_bytes: int


class Device:
    """The first GPU and its primary context (the one that TensorRT uses, too)."""

    def __init__(self, driver: ctypes.CDLL) -> None:
        """Raises ``not_found`` where there is no GPU, ``unavailable`` where it does not answer."""
        self._driver = driver
        for name, types in _CALLS.items():
            function = getattr(driver, name)
            function.argtypes, function.restype = types, c_int
        self._start("cuInit", 0)
        count, number = c_int(), c_int()
        self._start("cuDeviceGetCount", count)
        if count.value == 0:
            raise no_gpu("the driver sees no device")
        self._start("cuDeviceGet", number, 0)
        self._number = number.value
        label = ctypes.create_string_buffer(100)
        self._start("cuDeviceGetName", label, 100, self._number)
        self.name = label.value.decode(errors="replace")
        self.compute_capability = f"{self._attribute(_MAJOR)}.{self._attribute(_MINOR)}"
        self.integrated = bool(self._attribute(_INTEGRATED))  # shares the host's memory: a Jetson
        self._driver.cuDevicePrimaryCtxSetFlags_v2(self._number, _BLOCKING_SYNC)  # refused if in use
        context = c_void_p()
        self._start("cuDevicePrimaryCtxRetain", context, self._number)
        self._context: c_void_p | None = context
        self.use()

    def use(self) -> None:
        """In each thread before anything else that is called for this device."""
        self._call("cuCtxSetCurrent", self._context)

    def free_bytes(self) -> int:
        free, total = c_size_t(), c_size_t()
        self._call("cuMemGetInfo_v2", free, total)
        return free.value

    def allocate(self, size_bytes: int) -> int:
        """An address on the chip, 256-byte aligned at least."""
        address = c_uint64()
        self._call("cuMemAlloc_v2", address, max(1, size_bytes))
        return address.value

    def free(self, address: int) -> None:
        self._driver.cuMemFree_v2(address)  # what cannot be freed is lost with the context anyway

    def allocate_pinned(self, size_bytes: int) -> Pinned:
        address, seen_at = c_void_p(), c_uint64()
        self._call("cuMemHostAlloc", address, max(1, size_bytes), _PORTABLE | _MAPPED)
        self._call("cuMemHostGetDevicePointer_v2", seen_at, address, 0)
        return Pinned(address.value or 0, seen_at.value, size_bytes)

    def free_pinned(self, pinned: Pinned) -> None:
        self._driver.cuMemFreeHost(pinned.address)

    def stream(self) -> int:
        stream = c_void_p()
        self._call("cuStreamCreate", stream, _NON_BLOCKING)
        return stream.value or 0

    def free_stream(self, stream: int) -> None:
        self._driver.cuStreamDestroy_v2(stream)

    def send(self, host: int, address: int, size_bytes: int, stream: int) -> None:
        """Host to chip, behind what is in the stream."""
        self._call("cuMemcpyHtoDAsync_v2", address, host, size_bytes, stream)

    def fetch(self, address: int, host: int, size_bytes: int, stream: int) -> None:
        """Chip to host, behind what is in the stream."""
        self._call("cuMemcpyDtoHAsync_v2", host, address, size_bytes, stream)

    def wait(self, stream: int) -> None:
        """Until all that is in the stream is done. The thread sleeps, without the GIL."""
        self._call("cuStreamSynchronize", stream)

    def close(self) -> None:
        if self._context is not None:
            self._driver.cuDevicePrimaryCtxRelease_v2(self._number)
            self._context = None

    def _attribute(self, which: int) -> int:
        value = c_int()
        self._start("cuDeviceGetAttribute", value, which, self._number)
        return value.value

    def _start(self, name: str, *arguments: Any) -> None:
        status = self._status(name, arguments)
        if status == _OUT_OF_MEMORY:
            raise OutOfMemory(f"the GPU has no memory left for a context ({name})")
        if status != 0:
            hint = "see nvidia-smi; the driver may need a restart of the box"
            raise ApplianceError("unavailable", f"the GPU does not answer: {self._words(status)}", hint)

    def _call(self, name: str, *arguments: Any) -> None:
        status = self._status(name, arguments)
        if status == _OUT_OF_MEMORY:
            raise OutOfMemory(f"the GPU is out of memory ({name})")
        if status != 0:
            raise Lost(f"the GPU failed in {name}: {self._words(status)}")

    def _status(self, name: str, arguments: tuple[Any, ...]) -> int:
        """ctypes passes an out parameter by reference where the call's type is a pointer to it."""
        return int(getattr(self._driver, name)(*arguments))

    def _words(self, status: int) -> str:
        text = c_char_p()
        self._driver.cuGetErrorString(status, text)
        return f"{(text.value or b'unknown error').decode(errors='replace')} ({status})"


def no_gpu(why: str) -> ApplianceError:
    return ApplianceError("not_found", f"no NVIDIA GPU: {why}", "use another detector on this box")


def open_device() -> Device:
    """Raises ``not_found`` where there is no driver or no GPU, ``unavailable`` where it is not well."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError as error:
        raise no_gpu("there is no driver (libcuda.so.1)") from error
    return Device(driver)
