"""Building an engine for the box's GPU in a child of its own, while another backend looks.

The child is ``python -m appliance.vision.detectors.tensorrt.child``: at idle priority, the first to go
when memory is short, not confined like the worker, since it writes the cache and reads no stranger's
bitstream. Nothing of TensorRT is imported here.
"""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from appliance.vision.host.child import environment, kill
from appliance.vision.messages import BuildStep

COMMAND = (sys.executable, "-m", "appliance.vision.detectors.tensorrt.child")
SILENT_S = 900.0  # a Jetson measures one layer for minutes; nothing takes a quarter of an hour
GRACE_S = 10.0  # from SIGTERM to SIGKILL: TensorRT is asked between two steps
LONGEST_LINE_BYTES = 64 * 1024
# A second try would end the same way: the model, the pack or the box must change first.
FINAL = frozenset({"invalid", "not_found", "denied", "conflict", "data_loss"})
_decoder = msgspec.json.Decoder(BuildStep)


class Building:
    """``ensure`` gives the last step: its ``path``, or ``kind``, ``message`` and ``hint``. A failure is
    tried once more; the same reason twice is an answer, which stands until the daemon starts again."""

    def __init__(
        self, cache_dir: Path, on_step: Callable[[BuildStep], None], command: Sequence[str] = COMMAND
    ) -> None:
        self._cache_dir = cache_dir
        self._on_step = on_step
        self._command = tuple(command)
        self._reasons: dict[Path, set[str]] = {}
        self._given_up: dict[Path, BuildStep] = {}
        self._one = asyncio.Lock()  # two builds would time each other's kernels

    async def ensure(self, pack: Path, *, dla: bool = False) -> BuildStep:
        """``pack``: its folder, or a known model's file. Cancelled: the child is gone when this returns."""
        async with self._one:
            while pack not in self._given_up:
                last = await self._run(pack, dla)
                if last.path:
                    return last
                reasons = self._reasons.setdefault(pack, set())
                if last.kind in FINAL or last.message in reasons:
                    self._given_up[pack] = last
                reasons.add(last.message)
            return self._given_up[pack]

    async def _run(self, pack: Path, dla: bool) -> BuildStep:
        process = await asyncio.create_subprocess_exec(
            *self._command,
            str(pack),
            str(self._cache_dir),
            *(("--dla",) if dla else ()),
            stdin=DEVNULL,
            stdout=PIPE,
            env=environment(),
            limit=LONGEST_LINE_BYTES,
        )
        try:
            return await self._follow(process)
        finally:
            await _end(process)

    async def _follow(self, process: Process) -> BuildStep:
        assert process.stdout is not None
        while True:
            try:
                async with asyncio.timeout(SILENT_S):
                    line = await process.stdout.readline()
                    if not line:
                        await process.wait()
                        return _failed(f"the build ended without an answer ({_status(process)})")
                step = _decoder.decode(line)
            except TimeoutError:
                return _failed(f"the build did not go on for {SILENT_S:.0f} s")
            except ValueError:  # a line too long, or none of ours
                return _failed("the build answered in words that nobody knows")
            if step.path or step.kind is not None:
                return step
            self._on_step(step)


def _failed(message: str) -> BuildStep:
    return BuildStep(0.0, kind="internal", message=message, hint="the journal has its last words")


def _status(process: Process) -> str:
    code = process.returncode or 0
    return signal.Signals(-code).name if code < 0 else f"status {code}"


async def _end(process: Process) -> None:
    """Asked first, so that a half-written engine is taken away."""
    if process.returncode is None:
        try:
            os.kill(process.pid, signal.SIGTERM)
            async with asyncio.timeout(GRACE_S):
                await process.wait()
        except ProcessLookupError:
            pass  # it ended by itself
        except TimeoutError:
            kill(process)
        await process.wait()
    assert process.stdout is not None
    try:
        async with asyncio.timeout(GRACE_S):  # a child of the child may hold it
            while await process.stdout.read(1 << 16):
                pass
    except TimeoutError:
        pass
    await asyncio.sleep(0)  # asyncio closes what it keeps of the process one round after the pipe
