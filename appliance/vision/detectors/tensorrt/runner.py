"""An engine from the cache, run for any thread that asks: ``model.Runner`` on a GPU."""

import ctypes
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from appliance.base.errors import ApplianceError
from appliance.vision.detectors.failures import Lost, OutOfMemory, Unbuilt
from appliance.vision.detectors.model import Port, picture_port
from appliance.vision.detectors.tensorrt import engines
from appliance.vision.detectors.tensorrt.build import model_file, origin
from appliance.vision.detectors.tensorrt.cuda import Device
from appliance.vision.detectors.tensorrt.lanes import (
    Channel,
    Host,
    Lane,
    channels,
    failed,
    needed_bytes,
    new_context,
)
from appliance.vision.detectors.tensorrt.library import Library
from appliance.vision.packs.pack import Pack

LANES = 2  # the copy of the next batch beside the run of this one; a third would only hold memory
SHARE = 0.6  # of the memory that is free at the start: decoders come later, and another model beside
SHARE_INTEGRATED = 0.25  # there it is the host's memory, and recording's


class TensorrtRunner:
    """``batch`` falls where memory does. ``device``: chip, library and precision, for people."""

    together = 1  # runs overlap by themselves, and a seat costs the GPU's memory

    def __init__(self, pack: Pack, cache_dir: Path, found: Library, device: Device) -> None:
        """Raises ``Unbuilt`` where no engine is there yet, or one that is spoiled or refused, and
        ``OutOfMemory``."""
        self._found, self._device = found, device
        self._lanes: list[tuple[Lane, threading.Lock]] = []
        self._seats: list[TensorrtSeat] = []
        self._growing = threading.Lock()
        key, plan = _engine(pack, cache_dir, found, device)
        self._runtime = found.trt.Runtime(found.logger)
        if key.origin.dla:
            self._runtime.DLA_core = 0
        found.said.forget()
        self._engine = self._runtime.deserialize_cuda_engine(plan)
        if self._engine is None:
            raise _undone(found, failed(found, "the engine"), engines.place(cache_dir, key).name)
        self._channels = channels(found, self._engine)
        self.inputs = tuple(
            Port(
                channel.name, tuple(size if size > 0 else None for size in channel.shape), channel.dtype.name
            )
            for channel in self._channels
            if channel.inward
        )
        self._picture = picture_port(pack, self.inputs)
        self.batch = self._fitting(key)
        chip = f"{device.name}{' DLA' if key.origin.dla else ''}, compute {device.compute_capability}"
        self.device = f"{chip}, {found.flavour} {found.version}, {key.precision}"

    def seat(self, extras: Mapping[str, NDArray[Any]]) -> "TensorrtSeat":
        """With a lane of its own, or a shared one where there is no memory for another. Run once at
        its full size: what is slow at first, or does not fit, shows itself now."""
        self._device.use()
        with self._growing:
            lane, lock = self._lane()
            seat = TensorrtSeat(self, lane, lock, extras)
            self._seats.append(seat)
        while True:
            try:
                seat.run(self.batch)
                return seat
            except OutOfMemory:
                if not self.shrink():
                    raise

    def shrink(self) -> bool:
        """Half the batch from now on; False where one picture was too much already."""
        with self._growing:
            if self.batch == 1 or not self._varies:
                return False
            self.batch //= 2
            return True

    def close(self) -> None:
        for lane, _ in self._lanes:
            lane.close()
        for seat in self._seats:
            seat.close()
        self._lanes, self._seats = [], []
        self._engine = self._runtime = None
        self._device.close()

    @property
    def _varies(self) -> bool:
        return self._picture.shape[0] is None

    def _fitting(self, key: engines.Key) -> int:
        """The largest batch for which two lanes take no more than their share of what is free."""
        if not self._varies:
            return self._picture.shape[0] or 1
        rows = max(int(size) for size in key.shapes.split("-"))
        free = self._device.free_bytes() * (SHARE_INTEGRATED if self._device.integrated else SHARE)
        context = new_context(self._found, self._engine)
        while rows > 1 and LANES * needed_bytes(context, self._channels, rows) > free:
            rows //= 2
        return rows

    def _lane(self) -> tuple[Lane, threading.Lock]:
        if len(self._lanes) == LANES:
            return self._lanes[len(self._seats) % LANES]
        rows = self.batch
        while True:
            try:
                lane = Lane(self._found, self._device, self._engine, self._channels, rows)
            except OutOfMemory:
                if self._lanes:
                    return self._lanes[0]
                if rows == 1 or not self._varies:
                    raise
                rows = self.batch = rows // 2
                continue
            self._lanes.append((lane, threading.Lock()))
            return self._lanes[-1]


class TensorrtSeat:
    """One thread's tensors, in pinned memory: frames are written where the copy (or, on a Jetson, the
    chip itself) reads them."""

    def __init__(
        self,
        runner: TensorrtRunner,
        lane: Lane,
        lock: threading.Lock,
        extras: Mapping[str, NDArray[Any]],
    ) -> None:
        self._runner, self._lane, self._lock = runner, lane, lock
        self._rows = self._count = runner.batch
        self._hosts: dict[str, Host] = {}
        try:
            for channel in runner._channels:
                self._hosts[channel.name] = _host(runner._device, channel, self._rows)
        except BaseException:
            self.close()
            raise
        for name, values in extras.items():
            host = self._hosts[name].array
            np.copyto(host, values[: len(host)])
        self.tensor = self._hosts[runner._picture.name].array

    def start(self, count: int) -> None:
        """Nothing yet: it runs when it is asked for its answers, and by itself."""
        self._count = count

    def answers(self) -> dict[str, NDArray[Any]]:
        return self.run(self._count)

    def run(self, count: int) -> dict[str, NDArray[Any]]:
        """Views of the pinned answers: they hold until this seat's next run. Raises ``OutOfMemory``
        (ask for less: ``shrink``) and ``Lost`` (the process must go)."""
        runner = self._runner
        runner._device.use()
        if not runner._varies:
            count = self._rows
        with self._lock:
            if self._lane.rows > runner.batch >= count or self._lane.rows == 0:
                self._lane.resize(runner.batch)
            self._lane.run(count, self._hosts)
        return {
            channel.name: self._hosts[channel.name].array[: channel.of(count)[0]]
            for channel in runner._channels
            if not channel.inward
        }

    def close(self) -> None:
        for host in self._hosts.values():
            self._runner._device.free_pinned(host.pinned)
        self._hosts = {}


def _host(device: Device, channel: Channel, rows: int) -> Host:
    shape, size_bytes = channel.of(rows), channel.size_bytes(rows)
    pinned = device.allocate_pinned(size_bytes)
    raw = (ctypes.c_uint8 * size_bytes).from_address(pinned.address)
    array: NDArray[Any] = np.ctypeslib.as_array(raw).view(channel.dtype).reshape(shape)
    array[...] = 0
    return Host(pinned, array)


def _engine(pack: Pack, cache_dir: Path, found: Library, device: Device) -> tuple[engines.Key, bytes]:
    """The one that was asked for last: whoever builds for the DLA wants it there, and the other way."""
    digest = model_file(pack)[1]
    there = []
    for dla in (False, True):
        wanted = origin(digest, found, device, dla)
        if (path := engines.find(cache_dir, wanted)) is not None:
            there.append((path.stat().st_mtime_ns, path, wanted))
    if not there:
        hint = "it is built in the background, or at once by: appliance models build"
        raise Unbuilt("unavailable", f"there is no engine of {pack.name} for this GPU yet", hint)
    _, path, wanted = max(there, key=lambda entry: entry[0])
    return engines.read(path, wanted)


def _undone(found: Library, error: OutOfMemory | Lost, name: str) -> ApplianceError:
    """An engine that is whole and ours, and that TensorRT refuses all the same."""
    if isinstance(error, OutOfMemory):
        return error
    text = f"{found.flavour} {found.version} refuses the engine: {found.said.last}"
    return Unbuilt("data_loss", text, engines.AGAIN, refused=name)
