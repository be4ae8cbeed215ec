"""Which models there are, and changing the one that looks: what the web asks for (``web.ports.Models``)."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

from appliance.base.clock import Clock
from appliance.base.config import Config
from appliance.daemon.analysis import Analysis
from appliance.daemon.models.installing import Installing
from appliance.store.model_health import Alarm
from appliance.vision.health.judge import Verdict
from appliance.vision.packs import catalogue, installed
from appliance.vision.packs.choice import Choice
from appliance.vision.packs.pack import Pack
from appliance.vision.state import Activation, VisionState
from appliance.web.ports import ModelEntry, ModelInstall

MOTION = ModelEntry(
    name="motion",
    version="",
    family="motion",
    licence="built in",
    source="part of this box; finds what moves and needs no model",
    labels=("motion",),
    width=0,
    height=0,
    installed=True,
    known=True,
)

Signature = tuple[tuple[str, int, int], ...]


class Models:
    """``fixed``: the detector that the box was started with, None where people choose."""

    def __init__(self, config: Config, analysis: Analysis, fixed: str | None, clock: Clock) -> None:
        self._installing = Installing(config, clock, self._install_changed, lambda: self.state().detector)
        self._looking_again: asyncio.Task[None] | None = None
        self._clock = clock
        self._folders = (config.models_path, *config.assets_path)
        self._analysis, self._fixed = analysis, fixed
        self._known: tuple[Signature, list[ModelEntry]] | None = None
        self._listing = asyncio.Lock()

    def fixed(self) -> str | None:
        return self._fixed

    def installing(self) -> ModelInstall | None:
        return self._installing.state()

    def install(self, name: str, accepted: bool) -> ModelInstall:
        return self._installing.known(name, accepted)

    async def receive(
        self, chunks: AsyncIterator[bytes], size_bytes: int | None, name: str, accepted: bool
    ) -> ModelInstall:
        return await self._installing.receive(chunks, size_bytes, name, accepted)

    def _install_changed(self, now: ModelInstall) -> None:
        """All admins' pages are told. What only stands in for a model that came in gives way to it."""
        data = {"what": "model_install", "model": now.name, "phase": now.phase, "reason": now.reason}
        self._analysis.tell("system", None, self._clock.now_ns(), data)
        if now.phase == "done" and self._fixed is None:
            self._looking_again = asyncio.create_task(self._analysis.look_again(), name="model came in")

    def state(self) -> VisionState:
        return self._analysis.vision.state()

    def activation(self) -> Activation | None:
        return self._analysis.vision.activation()

    async def activate(self, name: str, backend: str, shadow_s: float) -> Activation | None:
        """None where nothing changes, or nothing looks that it could be compared with: then it is the
        next worker's model."""
        await self._analysis.use(Choice(name, backend, shadow_s))
        activation = self._analysis.vision.activation()
        return activation if activation is not None and activation.wanted == name else None

    async def entries(self) -> list[ModelEntry]:
        """Installed ones first. A bare model file is known by its SHA-256, which takes a while for
        big ones: they are only read again where a name, a size or a date has changed."""
        async with self._listing:
            self._known = await asyncio.to_thread(listed, self._folders, self._known)
            return self._known[1]

    def verdicts(self) -> dict[str, Verdict]:
        return self._analysis.health.verdicts()

    def alarms(self) -> dict[str, Alarm]:
        return self._analysis.health.alarms()

    def confidence(self) -> dict[str, float]:
        return self._analysis.health.confidence()


def listed(
    folders: Sequence[Path], known: tuple[Signature, list[ModelEntry]] | None
) -> tuple[Signature, list[ModelEntry]]:
    """Blocks: call it in a thread."""
    signature = tuple(_files(folders))
    if known is not None and known[0] == signature:
        return known
    there: dict[str, Pack] = {}
    for pack in installed.installed(folders):
        there.setdefault(pack.name, pack)
    elsewhere = {pack.name: pack for pack in catalogue.KNOWN if pack.name not in there}
    known_names = {pack.name for pack in catalogue.KNOWN}
    entries = [_entry(there[name], True, name in known_names) for name in sorted(there)]
    entries += [_entry(elsewhere[name], False, True) for name in sorted(elsewhere)]
    return signature, [entry for entry in entries if entry.name != MOTION.name] + [MOTION]


def _files(folders: Sequence[Path]) -> Iterator[tuple[str, int, int]]:
    for folder in folders:
        for pattern in ("*/model.toml", "*.onnx", "*/*.onnx", "*.xml", "*/*.xml"):
            for path in sorted(folder.glob(pattern)):
                try:
                    stat = path.stat()
                except OSError:
                    continue  # taken away just now
                yield str(path), stat.st_size, stat.st_mtime_ns


def _entry(pack: Pack, is_there: bool, is_known: bool) -> ModelEntry:
    return ModelEntry(
        name=pack.name,
        version=pack.version,
        family=pack.family,
        licence=pack.licence,
        source=pack.source,
        labels=pack.labels,
        width=pack.input_width,
        height=pack.input_height,
        installed=is_there,
        known=is_known,
    )
