"""What each proof says of what it found: no box is needed for that."""

import subprocess
from pathlib import Path

import msgspec
import pytest

from appliance.base.clock import BoxClock, parse_rfc3339, rfc3339
from appliance.base.errors import ApplianceError
from appliance.base.settings import NightSettings, Settings, SiteSettings
from appliance.system.programs import Done, Programs
from provisioning.ground import Ground
from provisioning.report.document import Figure, Line, Result
from provisioning.steps.acceptance.proofs import (
    ORDER,
    Asked,
    cameras,
    channels,
    disk,
    load,
    pictures,
    power_cut,
    tunnel,
    update_key,
    ups,
)
from provisioning.steps.acceptance.rhythm import Rhythm
from provisioning.steps.acceptance.subject import StreamSubject, Subject

SECOND = 10**9
GATE = StreamSubject("gate", "Gate", "main", "rtsp://gate", "recording", "h264", 15.0, 2_000_000, True)
EVEN = Rhythm(1800, 30_000_000, 120.0, 0, 66.7, 2.0, 70.0, 1.0)
replace = msgspec.structs.replace


def subject(*streams, **fields):
    return Subject("0190a", "1.0", Settings(), streams or (GATE,), (), "motion", **fields)


class Answers:
    """A daemon of some routes; the others are not built."""

    is_box = True

    def __init__(self, **routes):
        self.routes, self.asked = routes, []

    async def ask(self, method, path, body=None):
        self.asked.append((method, path))
        found = self.routes.get(path.split("?")[0].strip("/").replace("/", "_"))
        if found is None:
            raise ApplianceError("not_found", f"no {path}", "")
        return found

    async def fetch(self, path):
        raise ApplianceError("not_found", f"no {path}", "")


class Said(Programs, frozen=True):
    """Programs that answer as they are told to."""

    texts: dict[str, str] = {}

    def has(self, name: str) -> bool:
        return bool(self.texts)

    def ask(self, *words: str, given: str | None = None, within_s: float = 10.0) -> Done:
        text = self.texts.get(" ".join(words))
        return Done(1, "", "no such thing") if text is None else Done(0, text, "")


@pytest.fixture
def ground(tmp_path, clock):
    def make(daemon=None, **texts):
        said = Said(texts={key.replace("_", " "): text for key, text in texts.items()})
        return Ground(tmp_path, clock, said, daemon or Answers(), root=tmp_path, run=tmp_path)

    return make


def test_every_proof_has_the_one_form():
    for name in ORDER:
        proof = load(name)
        assert name == proof.NAME and proof.TITLE and callable(proof.run)


# -- cameras --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rhythm", "gaps", "skew_s", "state", "words"),
    [
        (EVEN, [], 0.1, "passed", "every frame"),
        (EVEN, [], None, "passed", "every frame"),
        (EVEN, [(3.0, "camera_offline")], 0.0, "failed", "3.0 s were not recorded (camera offline)"),
        (replace(EVEN, missing=90), [], 0.0, "failed", "90 of 1890 frames are missing"),
        (replace(EVEN, missing=5), [], 0.0, "attention", "5 frames are missing"),
        (EVEN, [], 47.2, "attention", "its clock is +47 s off"),
        (EVEN, [], -1.7e9, "attention", "its clock is -1700000000 s off"),
        (replace(EVEN, key_frame_s=10.0), [], 0.0, "attention", "only every 10.0 s"),
        (replace(EVEN, jitter_ms=50.0), [], 0.0, "attention", "unevenly"),
        (None, [(120.0, "auth_failed")], None, "failed", "nothing was recorded of it (auth failed)"),
    ],
)
def test_what_is_said_of_a_stream(rhythm, gaps, skew_s, state, words):
    line = cameras.judge(GATE, rhythm, gaps, skew_s)
    assert line.state == state
    assert words in line.text


async def test_a_box_without_cameras_has_not_passed(ground):
    found = await cameras.run(ground(), replace(subject(), streams=()), Asked(1, Path()), print)
    assert found.state == "failed" and found.hint


# -- disk -----------------------------------------------------------------------------------------


def test_the_disk_is_written_to_and_left_as_it_was(tmp_path):
    (tmp_path / disk.FOLDER).mkdir()
    (tmp_path / disk.FOLDER / "0").write_bytes(b"of a try that was cut short")
    found = disk.measure(tmp_path, [2_000_000, 500_000], BoxClock())
    assert 0 < found.bytes_ <= disk.MOST_BYTES
    assert found.bytes_per_s > 0 and found.slowest_s > 0
    assert list(tmp_path.iterdir()) == []


def test_a_small_disk_is_not_filled(small_disk):
    found = disk.measure(small_disk, [80_000_000], BoxClock())
    assert found.bytes_ <= 20_000_000  # one round of a second, however large
    assert list(small_disk.iterdir()) == []


@pytest.mark.parametrize(
    ("mb_per_s", "slowest_s", "state"),
    [
        (100, 0.05, "passed"),
        (2.0, 0.05, "attention"),
        (0.9, 0.05, "failed"),
        (100, 0.7, "attention"),
        (100, 1.5, "failed"),
    ],
)
def test_fast_enough_means_with_room_to_spare(mb_per_s, slowest_s, state):
    speed = disk.Speed(round(mb_per_s * 1e6), 1.0, slowest_s)
    assert disk.judge(Path("/ring"), speed, 8_000_000, 1.0).state == state  # 1 MB/s is needed


def test_days_of_ring():
    day = 8_000_000 / 8 * 86_400
    assert disk.days_of_ring(10 * day, round(5 * day), None, 8_000_000) == pytest.approx(15)
    assert disk.days_of_ring(10 * day, 0, round(2 * day), 8_000_000) == pytest.approx(2)
    assert disk.days_of_ring(-day, 0, None, 8_000_000) == 0


def test_what_was_measured_counts_for_more_than_what_the_daemon_says():
    sub = replace(GATE, stream="sub", bitrate_bps=None)
    off = replace(GATE, camera_id="off", records=False)
    line = Line("gate/main", "Gate", "passed", "", (Figure("bit rate", 3000, "kbit/s"),))
    measured = Result("cameras", "Cameras", "passed", "", lines=(line,))
    assert disk.needed(subject(GATE, sub, off), measured) == {"gate/main": 3_000_000.0}
    assert disk.needed(subject(GATE, sub, off), None) == {"gate/main": 2_000_000.0}


# -- pictures -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("utc", "zone", "start", "end", "night"),
    [
        ("2026-01-20T23:00:00Z", "Etc/UTC", "22:00", "06:00", True),
        ("2026-01-20T05:59:59Z", "Etc/UTC", "22:00", "06:00", True),
        ("2026-01-20T06:00:00Z", "Etc/UTC", "22:00", "06:00", False),
        ("2026-01-20T18:00:00Z", "Asia/Kolkata", "22:00", "06:00", True),
        ("2026-01-20T12:00:00Z", "Etc/UTC", "10:00", "14:00", True),
        ("2026-01-20T14:00:00Z", "Etc/UTC", "10:00", "14:00", False),
    ],
)
def test_night_is_the_site_s_own(utc, zone, start, end, night):
    settings = Settings(site=SiteSettings(time_zone=zone), night=NightSettings(start, end))
    assert pictures.is_night(parse_rfc3339(utc), settings) is night


async def test_both_pictures_come_of_two_runs_and_until_then_it_is_said(ground, clock, tmp_path):
    class Camera(Answers):
        async def fetch(self, path):
            return "image/jpeg", b"\xff\xd8 a picture"

    clock.set_ns(parse_rfc3339("2026-01-20T12:00:00Z"))
    day = await pictures.run(ground(Camera()), subject(), Asked(1, tmp_path), print)
    assert day.state == "attention" and "By night: not yet" in day.text and "tonight, after 22:00" in day.hint
    clock.set_ns(parse_rfc3339("2026-01-20T23:00:00Z"))
    both = await pictures.run(ground(Camera()), subject(), Asked(1, tmp_path, {"pictures": day}), print)
    assert both.state == "passed" and not both.hint
    assert [picture.kind for picture in both.pictures] == ["day", "night"]
    gone = await pictures.run(ground(), subject(), Asked(1, tmp_path), print)
    assert gone.state == "failed"


# -- what is around the box -----------------------------------------------------------------------

ONLINE = "battery.charge: 100\nbattery.runtime: 1800\nups.status: OL CHRG\n"


@pytest.mark.parametrize(
    ("text", "state"),
    [
        (ONLINE, "passed"),
        (ONLINE.replace("100", "41"), "attention"),
        (ONLINE.replace("OL CHRG", "OB DISCHRG"), "failed"),
        (ONLINE.replace("OL CHRG", "OL LB"), "failed"),
        ("", "failed"),
    ],
)
def test_what_a_ups_says(text, state):
    assert ups.judge("desk", text).state == state


async def test_a_ups_is_asked_for(ground):
    found = await ups.run(ground(upsc__l="desk\n", upsc_desk=ONLINE), subject(), Asked(1, Path()), print)
    assert found.state == "not_done"  # "upsc -l" is two words
    said = Said(texts={"upsc -l": "desk\n", "upsc desk": ONLINE})
    found = await ups.run(replace_programs(ground(), said), subject(), Asked(1, Path()), print)
    assert (found.state, found.lines[0].figure("runs for")) == ("passed", 30.0)
    assert (await ups.run(ground(), subject(), Asked(1, Path()), print)).state == "not_done"


def replace_programs(ground, said):
    return Ground(ground.data_dir, ground.clock, said, ground.daemon, ground.root, ground.run)


async def test_the_tunnel_has_to_be_alive(ground):
    async def of(**fields):
        view = {"is_configured": True, "handshake_age_s": 12.0, "detail": "", "state": "up", "hint": ""}
        answers = Answers(tunnel={"tunnel": view | fields})
        return (await tunnel.run(ground(answers), subject(), Asked(1, Path()), print)).state

    assert await of() == "passed"
    assert await of(handshake_age_s=900.0) == "failed"
    assert await of(handshake_age_s=None) == "failed"
    assert await of(is_configured=False) == "not_done"


async def test_channels_are_rung_and_what_they_say_is_told(ground):
    mail = {"id": "m", "name": "Mail", "kind": "mail", "enabled": True}
    off = {"id": "o", "name": "Off", "kind": "webhook", "enabled": False}
    answers = Answers(
        channels={"channels": [mail, off]},
        channels_m_test={"test": {"ok": False, "detail": "refused", "hint": "look"}},
    )
    found = await channels.run(ground(answers), subject(), Asked(1, Path()), print)
    assert (found.state, found.lines[0].text) == ("failed", "refused look")
    answers.routes["channels_m_test"]["test"]["ok"] = True
    assert (await channels.run(ground(answers), subject(), Asked(1, Path()), print)).state == "passed"
    quiet = await channels.run(ground(answers), subject(), Asked(1, Path(), channels=False), print)
    assert quiet.state == "not_done" and answers.asked.count(("POST", "/channels/m/test")) == 2
    assert (await channels.run(ground(), subject(), Asked(1, Path()), print)).state == "not_done"


async def test_the_update_key_is_named_by_its_fingerprint(ground, tmp_path):
    found = ground()
    assert (await update_key.run(found, subject(), Asked(1, Path()), print)).state == "not_done"
    pem = tmp_path / "etc" / "rauc" / "keyring.pem"
    pem.parent.mkdir(parents=True)
    pem.write_text("no certificate")
    assert (await update_key.run(found, subject(), Asked(1, Path()), print)).state == "failed"
    command = ["openssl", "req", "-x509", "-newkey", "ed25519", "-nodes", "-subj", "/CN=updates"]
    made = subprocess.run([*command, "-keyout", "/dev/null"], capture_output=True, text=True)
    if made.returncode:
        pytest.skip("openssl is missing, or too old for Ed25519")
    pem.write_text(made.stdout)
    show = ["openssl", "x509", "-noout", "-fingerprint", "-sha256"]
    said = subprocess.run(show, input=made.stdout, capture_output=True, text=True).stdout
    result = await update_key.run(found, subject(), Asked(1, Path()), print)
    assert result.lines[0].text == said.strip().split("=")[1]


# -- power cut ------------------------------------------------------------------------------------

CUT_NS = 1_768_919_400 * SECOND


def spans(*parts):
    """(start, end) in seconds around the cut -> spans as the daemon gives them."""
    return [
        {
            "start": rfc3339(round(CUT_NS + a * SECOND)),
            "end": rfc3339(round(CUT_NS + b * SECOND)),
            "state": "recorded",
        }
        for a, b in parts
    ]


@pytest.mark.parametrize(
    ("parts", "state", "lost_s"),
    [
        ([(-60, -0.4), (30, 60)], "passed", 0.4),
        ([(-60, 0.2), (30, 60)], "passed", 0.0),
        ([(-60, -9), (-8, -1.4), (30, 60)], "passed", 1.4),
        ([(-60, -4), (30, 60)], "failed", 4.0),
        ([(-60, -0.4)], "failed", 0.4),
        ([(-60, -0.4), (400, 460)], "attention", 0.4),
    ],
)
def test_what_a_cut_cost(parts, state, lost_s):
    line = power_cut.judge(GATE, spans(*parts), CUT_NS, CUT_NS + 10 * SECOND, 1.0)
    assert (line.state, line.figure("lost at the cut")) == (state, lost_s)


def test_a_stream_that_did_not_record_before_proves_nothing():
    assert power_cut.judge(GATE, spans((30, 60)), CUT_NS, CUT_NS, 1.0).state == "attention"


async def test_the_pulse_ends_when_nobody_pulls_the_plug(ground, clock, monkeypatch):
    import asyncio

    monkeypatch.setenv("ARIES_BOOT_ID", "one")
    found = ground()
    power_cut.begin(found)
    assert power_cut.state_of(found, 1.0).state == "waiting"
    beating = asyncio.create_task(power_cut.pulse(found))
    await asyncio.sleep(0.05)
    clock.tick(power_cut.WAIT_S + 1)
    await asyncio.wait_for(beating, 5)
    assert power_cut.state_of(found, 1.0).state == "none"
    power_cut.begin(found)
    monkeypatch.setenv("ARIES_BOOT_ID", "two")
    assert power_cut.state_of(found, 1.0).state == "cut"
