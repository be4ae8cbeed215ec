import importlib
import subprocess
import sys
import time

import pytest

from appliance import __version__, cli
from appliance.base.errors import ApplianceError

BUILT = list(cli.COMMANDS)


def test_help_names_every_command_of_the_contract(appliance):
    said = appliance("--help")
    assert said.status == 0
    for name in ("demo", "init", "run", "camera", "models", "check", "clip", "events", "backup", "restore"):
        assert f"\n  {name} " in said.out
    assert "example: " in said.out


@pytest.mark.parametrize("name", BUILT)
def test_every_command_has_help_with_an_example(appliance, name):
    said = appliance(name, "--help")
    assert said.status == 0
    assert f"example: appliance {name}" in said.out


@pytest.mark.parametrize("name", BUILT)
def test_wrong_usage_is_2_and_says_how_it_is_right(appliance, name):
    said = appliance(name, "--no-such-option")
    assert said.status == 2
    assert "usage: appliance" in said.err


@pytest.mark.parametrize(("typed", "meant"), [("rnu", "run"), ("cameras", "camera"), ("xyzzy", None)])
def test_an_unknown_command_is_2(appliance, typed, meant):
    said = appliance(typed)
    assert said.status == 2
    assert (f"did you mean {meant!r}" in said.err) == (meant is not None)


def test_nothing_is_wrong_usage_and_version_is_the_version(appliance):
    assert appliance().status == 2
    assert appliance("--version").out.strip() == f"appliance {__version__}"


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ApplianceError("invalid", "no", "do this"), 2),
        (ApplianceError("unavailable", "no", "do this"), 1),
        (ApplianceError("internal", "rtsp://bob:secret1@cam is off", "do this"), 1),
        (ZeroDivisionError("division by zero"), 1),
        (KeyboardInterrupt(), 130),
    ],
)
def test_what_goes_wrong_is_a_status_and_a_sentence(appliance, monkeypatch, error, status):
    module = importlib.import_module("appliance.cli.events")

    def fails(args):
        raise error

    monkeypatch.setattr(module, "run", fails)
    said = appliance("events", "--data", "/nowhere")
    assert said.status == status
    assert "secret1" not in said.err
    assert isinstance(error, KeyboardInterrupt) or ("error: " in said.err and "hint: " in said.err)


def test_help_answers_at_once():
    """Heavy libraries are loaded by the command that needs them, not by the table."""
    command = [sys.executable, "-X", "importtime", "-m", "appliance", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    for heavy in ("numpy", "av", "aiohttp", "cryptography", "onnxruntime", "jinja2"):
        assert f"| {heavy}\n" not in done.stderr
    best_s = min(_seconds([sys.executable, "-m", "appliance", "--help"]) for _ in range(5))
    bare_s = min(_seconds([sys.executable, "-c", "import argparse"]) for _ in range(5))
    assert best_s - bare_s < 0.15


def _seconds(command: list[str]) -> float:
    began_s = time.perf_counter()
    subprocess.run(command, capture_output=True, check=True)
    return time.perf_counter() - began_s


def test_a_reader_that_has_enough_is_no_failure(box_dir):
    command = f"{sys.executable} -m appliance events --data {box_dir} --follow".split()
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    child.stdout.close()
    from appliance.base.model import Event
    from appliance.base.wire import event_json
    from appliance.daemon.stores import open_appliance
    from appliance.store import journal

    event = Event("e", "d", "gate", None, "motion", "info", 0, 0, 0.5, "person", None, None, None, 0)
    database = open_appliance(box_dir)
    while child.poll() is None:
        database.write_now(lambda conn: journal.append(conn, "event", "gate", 0, event_json(event)))
        try:
            child.wait(0.2)
        except subprocess.TimeoutExpired:
            pass
    database.close()
    error = child.stderr.read()
    child.stderr.close()
    assert (child.returncode, error) == (0, b"")


@pytest.mark.parametrize(
    "words",
    [
        ("camera", "add"),
        ("camera", "list"),
        ("camera", "test"),
        ("camera", "remove"),
        ("models", "list"),
        ("models", "install"),
        ("models", "activate"),
    ],
)
def test_an_example_stands_on_one_line_so_that_it_can_be_pasted(appliance, words, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    said = appliance(*words, "--help")
    (example,) = [line for line in said.out.splitlines() if line.startswith("example: ")]
    assert said.out.rstrip().endswith(example)


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "inf"])
def test_a_demo_lasts_for_some_time(appliance, seconds):
    said = appliance("demo", "--port", "0", "--seconds", seconds)
    assert said.status == 2 and "[seconds]" in said.err and "hint:" in said.err


@pytest.mark.parametrize("limit", ["0", "-1"])
def test_events_are_one_or_more(appliance, box_dir, limit):
    said = appliance("events", "--data", str(box_dir), "--limit", limit)
    assert said.status == 2 and "[limit]" in said.err and "hint:" in said.err


@pytest.mark.parametrize(
    ("name", "hint"), [("nonsense", "deimv2-femto"), ("yolox-nan", "did you mean yolox-nano?")]
)
@pytest.mark.parametrize("command", ["run", "demo"])
def test_an_unknown_detector_is_refused_before_anything_is_made(appliance, tmp_path, command, name, hint):
    said = appliance(command, "--data", tmp_path / "box", "--detector", name)
    assert (said.status, said.out) == (2, "")
    assert name in said.err and "[detector]" in said.err and hint in said.err
    assert not (tmp_path / "box").exists()
