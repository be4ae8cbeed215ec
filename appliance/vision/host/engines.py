"""Having the engine built that the worker lacks, while it looks on another backend."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

from appliance.base.errors import ApplianceError, not_found
from appliance.vision.host.building import COMMAND, Building
from appliance.vision.messages import BuildStep, EngineLack, Trial
from appliance.vision.packs import installed

FOLDER = "engines"  # in the data directory
BACKEND = "tensorrt"
SHADOW_S = 30.0  # both look at the same pictures, until the engine takes over
RETRY_S = 600.0  # a chip that had no memory for its engine is asked again so long after
# An engine that was built and is missing, refused or rolled back all the same is built once more. After
# that it is an answer, until the daemon starts again.
ROUNDS = 2


class Engines:
    """``lacking`` with each word of the worker on it; ``take`` when a change can begin; ``words``, for
    people: how far it is, or why it will not be. ``on_news`` is called when ``words`` changed."""

    def __init__(
        self,
        folder: Path,
        models_dirs: Sequence[Path],
        on_news: Callable[[], None],
        command: Sequence[str] = COMMAND,
    ) -> None:
        self.words = ""
        self._folder, self._models_dirs, self._on_news = folder, models_dirs, on_news
        self._building = Building(folder, self._step, command)
        self._model = ""  # of the build under way, of the engine that waits, or of the change to it
        self._built = self._trying = False
        self._task: asyncio.Task[None] | None = None
        self._ending: set[asyncio.Task[None]] = set()  # called off, with a child that is still to go
        self._rounds: dict[str, int] = {}

    def lacking(self, lack: EngineLack | None, why: str = "") -> None:
        """What looks now would look on a GPU, were it not for ``lack``; None: it has what it needs."""
        if lack is None:
            self._stop()
            self._say("", "")
        elif lack.model != self._model or not (self._task or self._built):
            self._stop()
            self._begin(lack, why)

    def _begin(self, lack: EngineLack, why: str) -> None:
        if lack.short:
            self._say(lack.model, f"{why}; it is tried again in {RETRY_S / 60:.0f} min")
            self._task = asyncio.ensure_future(self._wait())
        elif self._rounds.get(lack.model, 0) >= ROUNDS:
            self._say(lack.model, f"TensorRT is given up for {lack.model}: {why}")
        else:
            self._say(lack.model, f"TensorRT's engine of {lack.model} is being built")
            self._task = asyncio.ensure_future(self._build(lack))

    def heard(self, trial: Trial) -> None:
        """How the change to the engine goes."""
        if not self._trying or trial.phase not in ("active", "refused", "rolled_back"):
            return
        self._trying = False
        if trial.phase == "active":
            return
        if trial.lack is not None:
            self.lacking(trial.lack, trial.reason)
        elif self._task is None:
            self._say(trial.choice, f"TensorRT does not run {trial.choice}: {trial.reason}")

    def take(self) -> str | None:
        """The model whose engine is there and has not been tried: once."""
        if not self._built:
            return None
        self._built, self._trying = False, True
        return self._model

    def leave(self) -> None:
        """Somebody chose: what is heard from now on is not of the change to the engine."""
        self._trying = False

    async def close(self) -> None:
        """The child is gone when this returns."""
        self._stop()
        await asyncio.gather(*self._ending, return_exceptions=True)

    async def _wait(self) -> None:
        """What else took the chip's memory may have ended."""
        await asyncio.sleep(RETRY_S)
        self._task, self._built = None, True

    async def _build(self, lack: EngineLack) -> None:
        try:
            pack = await asyncio.to_thread(self._ready, lack)
            last = await self._building.ensure(pack)
        except (OSError, ApplianceError) as error:
            last = BuildStep(0.0, kind="unavailable", message=str(error))
        self._task = None
        if last.path:
            self._rounds[lack.model] = self._rounds.get(lack.model, 0) + 1
            self._built = True
            self._say(lack.model, f"TensorRT's engine of {lack.model} is built, and is about to be tried")
        else:
            self._say(lack.model, f"TensorRT does not run {lack.model}: {last.message}")

    def _ready(self, lack: EngineLack) -> Path:
        """The folder, without what is not taken; the pack, looked for here: the worker, which reads
        strangers' bitstreams, is believed a name and no path."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        name = Path(lack.refused).name
        if name.endswith(".engine"):
            (self._folder / name).unlink(missing_ok=True)
        pack, _ = installed.choose(lack.model, self._models_dirs)
        if pack is None:
            raise not_found("model pack", lack.model)
        return installed.path_of(pack)

    def _step(self, step: BuildStep) -> None:
        self._say(self._model, f"TensorRT's engine of {self._model} is being built: {step.share:.0%}")

    def _stop(self) -> None:
        if self._task is not None:
            self._ending.add(self._task)
            self._task.add_done_callback(self._ending.discard)
            self._task.cancel()
        self._task, self._built = None, False

    def _say(self, model: str, words: str) -> None:
        self._model = model
        if words != self.words:
            self.words = words
            self._on_news()
