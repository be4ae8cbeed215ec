"""The driver's errors, mapped once. On a double, but for the box without a GPU, which is real."""

import ctypes

import pytest

from appliance.base.errors import ApplianceError
from appliance.vision.detectors.tensorrt import cuda


def test_a_box_without_a_driver_says_so():
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        pass
    else:
        pytest.skip("there is a driver here")
    with pytest.raises(ApplianceError, match="no NVIDIA GPU") as caught:
        cuda.open_device()
    assert caught.value.kind == "not_found" and caught.value.hint


def test_a_driver_without_a_gpu_says_so(make_chip):
    with pytest.raises(ApplianceError, match="sees no device") as caught:
        cuda.Device(make_chip(count=0))
    assert caught.value.kind == "not_found"


def test_a_gpu_that_does_not_answer(make_chip):
    chip = make_chip()
    chip.broken = 999
    with pytest.raises(ApplianceError, match="999") as caught:
        cuda.Device(chip)
    assert caught.value.kind == "unavailable" and not isinstance(caught.value, cuda.Lost)


def test_what_the_device_is(make_chip):
    chip = make_chip(integrated=True)
    device = cuda.Device(chip)
    assert (device.name, device.compute_capability, device.integrated) == ("Double", "8.7", True)
    assert chip.flags == 4  # who waits sleeps: the cores are recording's
    device.close()
    device.close()
    assert chip.contexts == 0


def test_short_memory_is_an_error_of_its_own(make_chip):
    device = cuda.Device(make_chip(1000))
    first = device.allocate(900)
    with pytest.raises(cuda.OutOfMemory) as caught:
        device.allocate(200)
    assert caught.value.kind == "exhausted"
    device.free(first)
    device.allocate(200)


def test_a_sticky_error_is_a_lost_context(make_chip):
    chip = make_chip()
    device = cuda.Device(chip)
    stream = device.stream()
    chip.put(stream, "run", lambda: 700)
    with pytest.raises(cuda.Lost, match=r"illegal memory access.*700"):
        device.wait(stream)
    with pytest.raises(cuda.Lost):
        device.allocate(1)


def test_copies_go_there_and_back(make_chip):
    device = cuda.Device(make_chip())
    here, there, back = device.allocate_pinned(5), device.allocate(5), device.allocate_pinned(5)
    stream = device.stream()
    ctypes.memmove(here.address, b"hello", 5)
    device.send(here.address, there, 5, stream)
    device.fetch(there, back.address, 5, stream)
    device.wait(stream)
    assert ctypes.string_at(back.address, 5) == b"hello"
