"""The chapters of a life. Each begins where the last one left the disk; run alone, it claims a box first."""

import time
from collections.abc import Callable

from appliance.base.errors import ApplianceError
from firmware.build import say
from firmware.life.bench import BOOT_S, CAMERA_PORT, CAMERAS, Life
from firmware.life.box import PASSWORD, now_s
from firmware.life.cuts import cuts
from firmware.life.material import GOOD, LATER, PANICS, SILENT

STEADY_MINUTES = 1.0  # of the judge: a bench's patience; its deadline is as shipped
HOST = "10.0.2.2"  # this machine, as qemu's user network shows it to the guest
# A daemon whose threads wait for seconds is not stuck here: every instruction is emulated.
PATIENT = "[Service]\\nWatchdogSec=0\\n"


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
    patience = f"--minutes {STEADY_MINUTES}"
    command = f"/usr/bin/env appliance update judge --data /var/lib/aries {patience}"
    drop_in = f"[Service]\\nExecStart=\\nExecStart={command}\\n"
    guest.shell(f"mkdir -p {judge}; printf '{drop_in}' > {judge}/bench.conf")
    daemon = "/etc/systemd/system/appliance.service.d"
    guest.shell(f"mkdir -p {daemon}; printf '{PATIENT}' > {daemon}/patient.conf")
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
    life.was_claimed()


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
    began_s = time.perf_counter()
    made = life.install()
    assert made["phase"] == "good", made
    assert made["version"] == GOOD, made
    say(f"{made['from_version']} -> {GOOD}: good after {time.perf_counter() - began_s:.0f} s")
    life.recording(now_s() - 60)


def silent(life: Life) -> None:
    """A bundle that boots and shows its screen but does not record: the box goes back, and says why. Lost is
    what was not recorded between the two starts, and nothing else."""
    life.ready()
    life.recording(now_s() - 30)
    before = life.screen.update()["version"]
    began_s = now_s() - 60
    life.offer_by_stick(life.bundles.version(SILENT))
    made = life.install()
    assert made["phase"] == "back", made
    assert made["version"] == before, made
    assert "not recorded: gate, yard" in made["reason"], made
    assert made["journal"], made
    page = life.guest.shell(f"head -c 300 /var/lib/aries-update/{made['journal']}")
    say(f"back to {before}: {made['reason']}; journal: {page.splitlines()[0]}")
    health = life.screen.call("GET", "/api/v1/system/health")["checks"]
    said = [check for check in health if check["name"] == "update"]
    assert [check["status"] for check in said] == ["degraded"], health
    say(f"the screen: {said[0]['detail']}")
    life.recording(now_s() - 30)
    _one_gap(life, began_s)


def _one_gap(life: Life, since_s: float) -> None:
    """Recorded before, recorded after, and between them what the box was not there for."""
    for name in CAMERAS:
        spans = life.screen.spans(name.lower(), since_s, now_s())
        for span in spans:
            say(
                f"{name}: {span['state']} {span.get('cause', '')} {span['start'][11:19]}-{span['end'][11:19]}"
            )
        recorded = [span for span in spans if span["state"] == "recorded"]
        assert len(recorded) >= 2 and recorded[0]["start"] < recorded[-1]["start"], spans


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
    made = life.install()
    assert made["phase"] in ("failed", "refused") and "not what was signed" in made["reason"], made
    say(f"tampered: {made['reason']}")
    assert life.screen.update()["version"] == before


def full(life: Life) -> None:
    """/data without room: the box records on (its ring), and an update is refused in words, whether it comes
    or waits already."""
    life.ready()
    _quiet(life)
    life.offer_by_stick(life.bundles.version(LATER))
    life.guest.shell(
        "fallocate -l $(stat -f -c '%a*%S' /data | sed 's/.*/echo $((&))/' | sh) /data/ballast.bench || true"
    )
    say(f"/data: {life.guest.shell('df -h /data | tail -1')}")
    try:
        _without_room(life)
    finally:  # else the next chapter has none either, and fails for this one's reason
        life.guest.shell("rm -f /data/ballast.bench")
    life.recording(now_s())


def _without_room(life: Life) -> None:
    filled_s = now_s()
    try:
        made = life.install()
        assert made["phase"] in ("refused", "failed"), made
        say(f"the one that waited: {made['phase']}: {made['reason']}; {made['hint']}")
    except ApplianceError as error:
        assert error.kind == "exhausted", error
        say(f"the one that waited: {error}")
    try:
        life.offer_by_stick(life.bundles.version(LATER))
        raise AssertionError("it was taken")
    except ApplianceError as error:
        assert error.kind in ("exhausted", "unavailable"), error
        say(f"one that comes: {error}")
    life.recording(filled_s + 60)
    for check in life.screen.call("GET", "/api/v1/system/health")["checks"]:
        if check["status"] != "ok":
            say(f"health: {check['name']} {check['status']}: {check['detail']}")


def panic(life: Life) -> None:
    """A kernel that dies before anything of ours runs: three tries, then the old slot, and the reason."""
    life.ready()
    _quiet(life)
    before = life.screen.update()["version"]
    life.offer_by_stick(life.bundles.version(PANICS))
    made = life.install()
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
BARE = ("boot", "claim")  # the others need a claimed box
