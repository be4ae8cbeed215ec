"""The chapters of a life. Each begins where the last one left the disk; run alone, it claims a box first."""

import random
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from appliance.base.clock import SECOND_NS, BoxClock, rfc3339
from appliance.base.errors import ApplianceError
from firmware import image
from firmware.build import say
from firmware.life.box import PASSWORD, Screen
from firmware.life.guest import Guest, bench_disk, copy, room_for
from firmware.life.material import GOOD, LATER, PANICS, SILENT, Bundles, keys
from firmware.recipe import ROOT, read

BOOT_S = 600.0  # software emulation on a busy machine
STEADY_MINUTES, DEADLINE_MINUTES = 1.0, 5.0  # of the judge: a bench's patience
CAMERAS = ("Yard", "Gate")
CAMERA_PORT = 28554
FIRST_VERSION = "9.0"
CAMERA = "?fps=5&size=320x180&gop=5"
HOST = "10.0.2.2"  # this machine, as qemu's user network shows it to the guest
GIB = 1 << 30
# A daemon whose threads wait for seconds is not stuck here: every instruction is emulated.
PATIENT = "[Service]\\nWatchdogSec=0\\n"


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

    @property
    def guest(self) -> Guest:
        """Switched on."""
        if self._guest is None:
            if not self.disk.exists():
                claim(self)
            else:
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
        base = self.folder / "factory.qcow2"
        if not base.exists() or base.stat().st_mtime < self._image.stat().st_mtime:
            bench_disk(self._image, base)
        copy(base, self.disk)
        self.switch_on()

    def switch_on(self) -> None:
        self._guest = Guest(self.disk, self.folder, stick=self.bundles.stick())
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

    def recording(self, since: float, seconds: float = BOOT_S) -> None:
        """Every camera has footage from after ``since`` (seconds of the guest's clock)."""
        for name in CAMERAS:
            self.screen.until(f"{name} records", partial(self._has, name.lower(), since), seconds)

    def _has(self, camera: str, since: float) -> bool:
        end_s = now_s() + 60
        words = f"start_time={_at(since)}&end_time={_at(end_s)}"
        spans = self.screen.call("GET", f"/api/v1/cameras/{camera}/recordings?{words}")["spans"]
        return any(span["state"] == "recorded" for span in spans)

    def offer(self, bundle: Path) -> dict[str, Any]:
        path = f"/api/v1/system/update?name={bundle.name}"
        made: dict[str, Any] = self.screen.call("POST", path, file=bundle, seconds=600)["update"]
        return made

    def offer_by_stick(self, bundle: Path) -> dict[str, Any]:
        """As somebody who plugs it in: without TLS in software emulation, minutes faster."""

        def found() -> dict[str, Any] | None:
            sticks: list[dict[str, Any]] = self.screen.update()["sticks"]
            return next((each for each in sticks if each["name"] == bundle.name), None)

        there = self.screen.until(f"{bundle.name} on the stick", found, BOOT_S)
        body = {"name": there["name"], "folder": there["folder"]}
        path = "/api/v1/system/update/take"
        made: dict[str, Any] = self.screen.call("POST", path, body, seconds=600)["update"]
        return made

    def ended(self, *phases: str, seconds: float = 3 * BOOT_S) -> dict[str, Any]:
        def found() -> dict[str, Any] | None:
            state = self.screen.update()
            return state if state["phase"] in phases else None

        made: dict[str, Any] = self.screen.until(f"the update is {' or '.join(phases)}", found, seconds)
        return made


def now_s() -> float:
    """This machine's clock, which is the guest's."""
    return BoxClock().now_ns() / SECOND_NS


def _at(seconds: float) -> str:
    return rfc3339(round(seconds * 1e9))


def boot(life: Life) -> None:
    """From power on to a shell: both partitions' worth of loader, kernel, initrd and overlays."""
    began_s = time.perf_counter()
    life.factory()
    life.guest.wait_shell(BOOT_S)
    say(f"a shell after {time.perf_counter() - began_s:.0f} s")
    say(
        life.guest.shell(
            "grep -o 'rauc.slot=.' /proc/cmdline; findmnt -no SOURCE,FSTYPE,OPTIONS / | cut -c1-60"
        )
    )
    life.screen.until("the wizard's screen", lambda: life.screen.call("GET", "/"), BOOT_S)
    say(f"the wizard's screen after {time.perf_counter() - began_s:.0f} s")
    life.guest.shell("until systemctl is-active -q aries-grow; do sleep 1; done", BOOT_S)
    free_mib = int(life.guest.shell("df -BM --output=avail /data | tail -1").strip().rstrip("M"))
    assert free_mib > 4000, f"the data did not grow: {free_mib} MiB"
    say(f"data has grown: {free_mib} MiB free; failed units: {_failed(life) or 'none'}")


def _failed(life: Life) -> str:
    return life.guest.shell("systemctl --failed --plain --no-legend | cut -d' ' -f1 | xargs")


def claim(life: Life) -> None:
    """A box of its own: an administrator, two cameras. (By the commands: the wizard has tests of its own.)"""
    life.factory()
    guest = life.guest
    guest.wait_shell(BOOT_S)
    guest.shell("until systemctl is-active -q multi-user.target; do sleep 1; done", BOOT_S)
    guest.shell("systemctl stop aries-provision; df -m /data | tail -1")
    judge = "/etc/systemd/system/aries-mark-good.service.d"
    patience = f"--minutes {STEADY_MINUTES} --deadline {DEADLINE_MINUTES}"
    command = f"/usr/bin/env appliance update judge --data /var/lib/aries {patience}"
    drop_in = f"[Service]\\nExecStart=\\nExecStart={command}\\n"
    guest.shell(f"mkdir -p {judge}; printf '{drop_in}' > {judge}/bench.conf")
    daemon = "/etc/systemd/system/appliance.service.d"
    guest.shell(f"mkdir -p {daemon}; printf '{PATIENT}' > {daemon}/bench.conf")
    guest.shell(f"cd /run && umask 077 && echo '{PASSWORD}' > word && chown aries word", 30)
    guest.shell(
        "cd / && setpriv --reuid aries --regid aries --clear-groups /opt/aries/bin/appliance init"
        " --data /var/lib/aries --admin-password-file /run/word",
        300,
    )
    guest.shell(
        "rm /run/word; touch /var/lib/aries/provisioned; chown aries: /var/lib/aries/provisioned;"
        " systemctl daemon-reload;"
        " systemctl start --no-block appliance aries-settle aries-mark-good aries-update.path"
    )
    life.ready()
    # In software emulation no model keeps up, and "the detector keeps up" is to be judged.
    life.screen.call("POST", "/api/v1/models/motion/activate", {"shadow_s": 0})
    for name in CAMERAS:
        url = f"rtsp://{HOST}:{CAMERA_PORT}/{name.lower()}"
        life.screen.call("POST", "/api/v1/cameras", {"name": name, "rtsp_url": url})
    record(life)


def record(life: Life) -> None:
    """Both cameras record."""
    life.ready()
    life.recording(now_s() - 30)
    say("both cameras record")


def update(life: Life) -> None:
    """A to B by the screen, and B proves itself."""
    life.ready()
    offered = life.offer(life.bundles.version(GOOD))["offered"]
    assert offered["version"] == GOOD, offered
    life.screen.call("POST", "/api/v1/system/update/install", {})
    began_s = time.perf_counter()
    made = life.ended("good", "back", "failed", "refused")
    assert made["phase"] == "good", made
    assert made["version"] == GOOD, made
    say(f"{made['from_version']} -> {GOOD}: good after {time.perf_counter() - began_s:.0f} s")
    life.recording(now_s() - 60)


def silent(life: Life) -> None:
    """A bundle that boots and shows its screen but does not record: the box goes back, and says why."""
    life.ready()
    before = life.screen.update()["version"]
    began = now_s()
    life.offer_by_stick(life.bundles.version(SILENT))
    life.screen.call("POST", "/api/v1/system/update/install", {})
    made = life.ended("good", "back", "failed", "refused")
    assert made["phase"] == "back", made
    assert made["version"] == before, made
    assert "not recorded: gate, yard" in made["reason"], made
    assert made["journal"], made
    page = life.guest.shell(f"head -c 300 /var/lib/aries-update/{made['journal']}")
    say(f"back to {before}: {made['reason']}; journal: {page.splitlines()[0]}")
    health = life.screen.call("GET", "/api/v1/system/health")["checks"]
    assert any(check["name"] == "update" and check["status"] == "degraded" for check in health), health
    life.recording(now_s() - 30)
    say(f"gaps of yard since: {_gaps(life, began)}")


def _gaps(life: Life, since: float) -> list[str]:
    words = f"start_time={_at(since)}&end_time={_at(now_s())}"
    spans = life.screen.call("GET", f"/api/v1/cameras/yard/recordings?{words}")["spans"]
    return [
        f"{span['cause']} {span['start'][11:19]}-{span['end'][11:19]}"
        for span in spans
        if span["state"] == "gap"
    ]


def refused(life: Life) -> None:
    """Wrong key, older, wrong hardware at once; a changed byte when it is written. The slot is as it was."""
    life.ready()
    bundles, before = life.bundles, life.screen.update()["version"]
    for path, words in ((bundles.wrong_key(), "does not know"), (bundles.other_hardware(), "is for")):
        try:
            life.offer(path)
        except ApplianceError as error:
            assert words in error.message, error
            say(f"{path.name}: {error}")
        else:
            raise AssertionError(f"{path.name} was taken")
    offered = life.offer(bundles.older())["offered"]
    assert offered["needs_word"] and "older" in offered["refused"], offered
    try:
        life.screen.call("POST", "/api/v1/system/update/install", {})
    except ApplianceError as error:
        say(f"older: {error}")
    else:
        raise AssertionError("an older version was installed without a word")
    life.offer_by_stick(bundles.tampered())
    life.screen.call("POST", "/api/v1/system/update/install", {})
    made = life.ended("failed", "refused", "trial", "good")
    assert made["phase"] in ("failed", "refused") and "not what was signed" in made["reason"], made
    say(f"tampered: {made['reason']}")
    assert life.screen.update()["version"] == before


def cuts(life: Life) -> None:
    """The plug is pulled at random moments of an update: after each the box comes up, in a version that it
    knows, and records."""
    life.ready()
    _quiet(life)
    life.offer_by_stick(life.bundles.version(LATER))
    life.guest.shell("sync")
    life.guest.monitor("savevm before")
    chance = random.Random(20)
    for number in range(life.cuts):
        life.guest.monitor("loadvm before")
        life.ready()
        before = life.screen.update()["version"]
        life.screen.call("POST", "/api/v1/system/update/install", {"allow_older": False})
        wait_s = chance.uniform(0.0, 120.0)
        time.sleep(wait_s)
        phase = "?"
        try:
            phase = life.screen.call("GET", "/api/v1/system/update", seconds=5)["update"]["phase"]
        except ApplianceError:
            pass
        life.guest.reset()
        life.ready()
        life.recording(now_s() - 30)
        made = life.screen.update()
        assert made["version"] in (before, made["to_version"]), made
        after = f"{made['version']} records, {made['phase']} {made['reason']}"
        say(f"cut {number + 1} after {wait_s:.0f} s ({phase}): {after}")
    life.guest.monitor("loadvm before")


def full(life: Life) -> None:
    """/data without room: the box records on (its ring), and an update is refused in words."""
    life.ready()
    _quiet(life)
    life.guest.shell("fallocate -l $(($(stat -f -c '%a*%S' /data) - 100000000)) /data/ballast.bench")
    try:
        life.offer_by_stick(life.bundles.version(GOOD))
        raise AssertionError("it was taken")
    except ApplianceError as error:
        assert error.kind in ("exhausted", "unavailable"), error
        say(f"/data full: {error}")
    life.recording(now_s() - 30)
    life.guest.shell("rm /data/ballast.bench")


def panic(life: Life) -> None:
    """A kernel that dies before anything of ours runs: three tries, then the old slot, and the reason."""
    life.ready()
    _quiet(life)
    before = life.screen.update()["version"]
    life.offer_by_stick(life.bundles.version(PANICS))
    life.screen.call("POST", "/api/v1/system/update/install", {})
    made = life.ended("back", "good", "failed", "refused")
    assert made["phase"] == "back" and made["version"] == before, made
    say(f"back to {before}: {made['reason']}")
    life.recording(now_s() - 30)


def _quiet(life: Life) -> None:
    try:
        life.screen.call("DELETE", "/api/v1/system/update")
    except ApplianceError as error:
        say(f"nothing to throw away: {error}")


CHAPTERS: dict[str, Callable[[Life], None]] = {
    "boot": boot, "claim": claim, "record": record, "update": update, "silent": silent, "refused": refused,
    "full": full, "panic": panic, "cuts": cuts,
}  # fmt: skip
