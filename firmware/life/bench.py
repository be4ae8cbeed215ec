"""The bench of a life: one box, its disk, its bundles, and cameras that it can reach."""

import subprocess
import sys
from pathlib import Path
from typing import Any

from firmware import image
from firmware.keys import keys
from firmware.life.box import Screen
from firmware.life.guest import Guest, bench_disk, copy, room_for
from firmware.life.material import Bundles
from firmware.recipe import ROOT, read

BOOT_S = 600.0  # software emulation on a busy machine
CAMERAS = ("Yard", "Gate")
CAMERA_PORT = 28554
CAMERA = "?fps=2&size=320x180&gop=2"  # every instruction of the guest is emulated
FIRST_VERSION = "9.0"
GIB = 1 << 30
ENDED = ("good", "back", "failed", "refused")


class Life:
    """One box, from ``out``/disk.img. ``close`` pulls its plug."""

    def __init__(self, out: Path, *, cuts: int) -> None:
        out.mkdir(parents=True, exist_ok=True)
        room_for(out, 8 * GIB)
        self.cuts = cuts
        self.recipe = read()
        self.folder = out / "life"
        self.folder.mkdir(exist_ok=True)
        self.disk = self.folder / "disk.qcow2"
        self._image = out / "disk.img"
        if not self._image.exists():
            image.build(self.recipe, out, FIRST_VERSION, keys(out / "keys")[1])
        self.bundles = Bundles(self.recipe, out)
        self._guest: Guest | None = None
        self._cameras = self._simulated()
        self._screen: Screen | None = None
        self._before: str | None = None
        self._mark = self.folder / "claimed"

    @property
    def claimed(self) -> bool:
        return self.disk.exists() and self._mark.exists()

    def was_claimed(self) -> None:
        self._mark.touch()

    @property
    def guest(self) -> Guest:
        """Switched on."""
        if self._guest is None:
            self.switch_on()
        assert self._guest is not None
        return self._guest

    @property
    def screen(self) -> Screen:
        assert self.guest is not None
        assert self._screen is not None
        return self._screen

    def _simulated(self) -> subprocess.Popen[bytes]:
        """Cameras on this machine, which the guest reaches as it would reach real ones: RTSP over TCP."""
        cameras = [word for name in CAMERAS for word in ("--camera", f"{name.lower()}{CAMERA}")]
        listen = ["--listen", f"127.0.0.1:{CAMERA_PORT}", "--with-parent"]
        words = [sys.executable, "-m", "appliance.simulator", *cameras, *listen]
        return subprocess.Popen(words, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)

    def factory(self) -> None:
        """A new disk, switched on."""
        self.switch_off()
        self._mark.unlink(missing_ok=True)
        base = self.folder / "factory.qcow2"
        if not base.exists() or base.stat().st_mtime < self._image.stat().st_mtime:
            bench_disk(self._image, base)
        copy(base, self.disk)
        self.switch_on()

    def switch_on(self) -> None:
        self._guest = Guest(self.disk, self.folder)
        self._guest.start()
        self._screen = Screen(self._guest.port)

    def close(self) -> None:
        """For good."""
        self.switch_off()
        self._cameras.terminate()
        self._cameras.communicate()

    def switch_off(self) -> None:
        if self._guest is not None:
            self._guest.pull_the_plug()
            self._guest = self._screen = None

    def ready(self, seconds: float = BOOT_S) -> None:
        """The screen answers, and somebody is signed in."""
        self.screen.until("the screen", self.screen.sign_in, seconds)

    def recording(self, since_s: float, seconds: float = BOOT_S) -> None:
        """Every camera has footage from after ``since_s`` (seconds of the guest's clock)."""
        self.screen.records([name.lower() for name in CAMERAS], since_s, seconds)

    def offer(self, bundle: Path) -> dict[str, Any]:
        path = f"/api/v1/system/update?name={bundle.name}"
        made: dict[str, Any] = self.screen.call("POST", path, file=bundle, seconds=600)["update"]
        return made

    def offer_by_stick(self, bundle: Path) -> dict[str, Any]:
        """As somebody who plugs it in: without TLS in software emulation, minutes faster."""

        def found() -> dict[str, Any] | None:
            sticks: list[dict[str, Any]] = self.screen.update()["sticks"]
            return next((each for each in sticks if each["name"] == bundle.name), None)

        plugged = self.guest.plug_in(self.bundles.stick(bundle))
        try:
            there = self.screen.until(f"{bundle.name} on the stick", found, BOOT_S)
            body = {"name": there["name"], "folder": there["folder"]}
            path = "/api/v1/system/update/take"
            made: dict[str, Any] = self.screen.call("POST", path, body, seconds=600)["update"]
            return made
        finally:
            self.guest.pull_out(plugged)

    def install(self, *, seconds: float = 3 * BOOT_S) -> dict[str, Any]:
        """A person's word; how the update ended: its state, ``phase`` one of ``ENDED``."""
        self.order()
        return self.ended(seconds)

    def order(self) -> None:
        self._before = self.screen.update()["began_at"]
        self.screen.call("POST", "/api/v1/system/update/install", {})

    def is_over(self, state: dict[str, Any]) -> bool:
        """The update that was ordered, not the one before."""
        return state["phase"] in ENDED and state["began_at"] != self._before

    def ended(self, seconds: float = 3 * BOOT_S) -> dict[str, Any]:
        """The state, once it is over."""

        def found() -> dict[str, Any] | None:
            state = self.screen.update()
            return state if self.is_over(state) else None

        made: dict[str, Any] = self.screen.until("the update has ended", found, seconds)
        return made
