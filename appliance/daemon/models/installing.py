"""Installing a model from a page: one at a time, beside everything else, whole or not at all.

A thread does it that the end of the process does not wait for: what has arrived by then lies in
``models_path`` and is gone on with (``model_download``), and a pack becomes visible by one rename.
"""

import asyncio
import logging
import shutil
import tempfile
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import msgspec

from appliance.base.clock import SECOND_NS, Clock
from appliance.base.config import Config
from appliance.base.errors import ApplianceError, invalid
from appliance.daemon.models.download import LARGEST_BYTES, SPARE_BYTES
from appliance.daemon.models.install import PARTS, file_name, guarded, install
from appliance.vision.packs import catalogue
from appliance.vision.packs.licences import meaning
from appliance.vision.packs.pack import Pack
from appliance.web.ports import InstallPhase, ModelInstall

log = logging.getLogger(__name__)

UPLOAD = "upload-"  # folders in ``PARTS``: what a browser sends
CUT_OFF = invalid("it was cut off on the way", "send it again", field="file")
SILENCE_S = 20.0  # nothing comes
LEAST_BYTES_PER_S = 4_000
ROOM_HINT = "free some space, or delete models that nobody uses"


class Installing:
    """All on the loop but ``_work``."""

    def __init__(
        self,
        config: Config,
        clock: Clock,
        told: Callable[[ModelInstall], None] = lambda now: None,
        looks: Callable[[], str] = str,
    ) -> None:
        """``told``: of each new phase. ``looks``: the pack in use, which only its own files replace."""
        self._config, self._clock, self._told, self._looks = config, clock, told, looks
        self._now: ModelInstall | None = None

    def state(self) -> ModelInstall | None:
        """How the last one goes or went; None before the first."""
        return self._now

    def known(self, name: str, accepted: bool) -> ModelInstall:
        """Begin with a model of the catalogue: from the box's folders or a stick, else from the network.
        Raises ``not_found``, ``denied`` (its licence), ``conflict``."""
        self._must_be_free()
        pack = catalogue.known(name)
        if pack is None:
            hint = f"known ones: {', '.join(each.name for each in catalogue.KNOWN)}"
            raise ApplianceError("not_found", f"there is no known model {name[:40]!r}", hint)
        _agree(pack, accepted)
        return self._begin(name, name, accepted, None)

    async def receive(
        self, chunks: AsyncIterator[bytes], size_bytes: int | None, name: str, accepted: bool
    ) -> ModelInstall:
        """Take a file in and begin with it: a pack (.zip), or a known model's file. What is cut off leaves
        nothing. Raises ``conflict``, ``exhausted``, ``invalid``, ``denied`` (the disk)."""
        self._must_be_free()
        shown = file_name(name)
        self._enter(self._new(shown, "receiving", total_bytes=size_bytes or 0))
        folder = None
        try:
            with guarded(self._config.models_path):
                folder = await asyncio.to_thread(_fresh, self._config.models_path / PARTS)
                path = folder / shown
                await self._write(chunks, size_bytes, path)
            return self._begin(str(path), shown, accepted, folder)
        except BaseException as error:  # its sender is told, if it is still there; others see it here
            told = error if isinstance(error, ApplianceError) else CUT_OFF
            self._fail(told)
            if folder is not None:
                shutil.rmtree(folder, ignore_errors=True)
            raise

    async def _write(self, chunks: AsyncIterator[bytes], size_bytes: int | None, path: Path) -> None:
        await asyncio.to_thread(_room_for, path.parent, size_bytes or 0)
        written, began_ns = 0, self._clock.monotonic_ns()
        with path.open("xb") as file:
            while (chunk := await self._next(chunks, began_ns, written)) is not None:
                written += len(chunk)
                if written > LARGEST_BYTES:
                    raise ApplianceError("exhausted", "it is larger than any model may be", "send a pack")
                await asyncio.to_thread(file.write, chunk)  # a disk takes its time
                self._came(written, size_bytes or 0)
        if size_bytes is not None and written != size_bytes:
            raise CUT_OFF

    async def _next(self, chunks: AsyncIterator[bytes], began_ns: int, written: int) -> bytes | None:
        """None: that was all. Raises ``unavailable`` where it comes so slowly that it keeps others out."""
        taken_s = (self._clock.monotonic_ns() - began_ns) / SECOND_NS
        try:
            if taken_s > SILENCE_S and written < LEAST_BYTES_PER_S * taken_s:
                raise TimeoutError
            async with asyncio.timeout(SILENCE_S):
                return await anext(chunks, None)
        except TimeoutError as error:
            hint = "bring it on a stick, or send it from nearer by"
            raise ApplianceError("unavailable", "it comes too slowly", hint) from error

    def _begin(self, what: str, shown: str, accepted: bool, folder: Path | None) -> ModelInstall:
        begun = self._enter(self._new(shown, "running"))
        loop = asyncio.get_running_loop()
        work = threading.Thread(
            target=self._work,
            args=(loop, what, accepted, folder, self._looks()),
            name="install-model",
            daemon=True,
        )
        work.start()
        return begun

    def _must_be_free(self) -> None:
        if self._now is not None and self._now.phase in ("receiving", "running"):
            raise ApplianceError(
                "conflict", f"{self._now.name} is being installed", "wait until that is done, then try again"
            )

    def _new(self, name: str, phase: InstallPhase, total_bytes: int = 0) -> ModelInstall:
        return ModelInstall(name, phase, self._clock.now_ns(), 0, total_bytes)

    def _enter(self, now: ModelInstall) -> ModelInstall:
        self._now = now
        self._told(now)
        return now

    def _came(self, done_bytes: int, total_bytes: int) -> None:
        if self._now is not None:
            self._now = msgspec.structs.replace(self._now, done_bytes=done_bytes, total_bytes=total_bytes)

    # -- in the thread ----------------------------------------------------------------------

    def _work(
        self, loop: asyncio.AbstractEventLoop, what: str, accepted: bool, folder: Path | None, looks: str
    ) -> None:
        name, refused = "", None
        try:
            agree = partial(_agree, accepted=accepted)
            pack = install(what, self._config, None, None, agree, self._meter, looks)
            name = pack.name
        except ApplianceError as error:
            refused = error
        except Exception:  # whatever a stranger's file does, the next one may be tried
            log.exception("a model could not be installed")
            refused = ApplianceError("internal", "it could not be installed", "the journal says why")
        finally:
            if folder is not None:
                shutil.rmtree(folder, ignore_errors=True)
            with suppress(RuntimeError):  # the loop is over, and nobody asks any more
                loop.call_soon_threadsafe(self._ended, name, refused)

    def _meter(self, name: str) -> "_Meter":
        return _Meter(self)

    def _ended(self, name: str, refused: ApplianceError | None) -> None:
        assert self._now is not None
        if refused is None:
            done = self._now.total_bytes
            log.info("model %s was installed", name)
            self._enter(msgspec.structs.replace(self._now, name=name, phase="done", done_bytes=done))
        else:
            self._fail(refused)

    def _fail(self, refused: ApplianceError) -> None:
        assert self._now is not None
        why = {"reason": refused.message, "hint": refused.hint}
        log.warning("model %s was not installed: %s", self._now.name, refused.message)
        self._enter(msgspec.structs.replace(self._now, phase="failed", **why))


class _Meter:
    def __init__(self, installing: Installing) -> None:
        self._installing = installing

    def __call__(self, done: int, total: int, at_s: float) -> None:
        self._installing._came(done, total)

    def close(self) -> None:
        pass


def _agree(pack: Pack, accepted: bool) -> None:
    """Raises ``denied`` where the licence binds the owner and nobody said that it may."""
    sentence, binding = meaning(pack.licence)
    if binding and not accepted:
        text = f"the licence of {pack.name}, {pack.licence}, was not accepted: {sentence}"
        raise ApplianceError("denied", text, "accept it where you install it, or choose another model")


def _fresh(parts: Path) -> Path:
    """What a killed daemon left is gone first."""
    parts.mkdir(parents=True, exist_ok=True)
    for left in parts.glob(UPLOAD + "*"):
        shutil.rmtree(left, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=UPLOAD, dir=parts))


def _room_for(folder: Path, wanted_bytes: int) -> None:
    """It lies there once as it came and once unpacked. Raises ``exhausted``."""
    if wanted_bytes > LARGEST_BYTES:
        raise ApplianceError("exhausted", "it is larger than any model may be", "send a pack")
    free_bytes = shutil.disk_usage(folder).free
    if free_bytes < 2 * wanted_bytes + SPARE_BYTES:
        raise ApplianceError("exhausted", "there is no room for it on the box's disk", ROOM_HINT)
