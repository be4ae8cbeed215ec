"""`kill -9` between every two steps of obeying an order: applied once, answered once, or never known."""

import json
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from appliance.base.clock import SECOND_NS, rfc3339
from appliance.sync.control import document

LINES = {
    "outbox": "SELECT kind, count(*) FROM outbox WHERE kind != 'command_result' GROUP BY kind",
    "results": "SELECT body FROM outbox WHERE kind = 'command_result' ORDER BY position",
    "commands": "SELECT state FROM commands",
    "alert": "SELECT status FROM alerts",
    "pins": "SELECT count(*) FROM locks",
    "trials": "SELECT count(*) FROM settings_trial",
    "journal": "SELECT count(*) FROM journal",
    "owed": "SELECT sum(owed) FROM outbox_counts WHERE target_id = 'hub'",
}


def look(path: Path) -> dict[str, list]:
    conn = sqlite3.connect(path)
    try:
        return {name: list(conn.execute(sql)) for name, sql in LINES.items()}
    finally:
        conn.close()


def left(folder: Path) -> dict[str, list]:
    effects, rows = folder / "effects", look(folder / "appliance.db")
    rows["effects"] = effects.read_text().split() if effects.exists() else []
    rows["states"] = [json.loads(body)["state"] for (body,) in rows["results"]]
    return rows


@pytest.fixture
def every_death(bench, hub, tmp_path):
    """What each run left behind, the one that was not killed last."""

    def run(kind: str, body: dict) -> list[dict]:
        bench.allow("fetch_clip", "acknowledge_alert", "patch_settings", "install_model")
        folder = tmp_path / "deaths"
        folder.mkdir()
        (folder / "order.json").write_bytes(msgspec.json.encode(hub.signed(kind, body)))
        bench.db.close()
        shutil.copy(bench.path, folder / "furnished.db")
        script = Path(__file__).with_name("obey_and_die.py")
        done = subprocess.run([sys.executable, str(script), str(folder)], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        runs = [json.loads(line) for line in done.stdout.splitlines()]
        assert len(runs) > 8 and [run["died"] for run in runs] == [True] * (len(runs) - 1) + [False]
        return [found | left(Path(found["run"])) for found in runs]

    return run


def test_an_effect_in_the_database_is_there_once(every_death, bench):
    now_ns = bench.clock.now_ns()
    body = {"camera_id": "gate", "start_time": rfc3339(now_ns - SECOND_NS), "end_time": rfc3339(now_ns)}
    for run in every_death("fetch_clip", body):
        assert run["states"] == ["done"] and run["commands"] == [("done",)]
        assert run["outbox"] == [("clip", 1)] and run["pins"] == [(1,)] and run["owed"] == [(2,)]


def test_an_alert_is_acknowledged_once(every_death):
    for run in every_death("acknowledge_alert", {"alert_id": "alert-1", "by": "anna"}):
        assert run["states"] == ["done"] and run["alert"] == [("acknowledged",)]
        assert run["journal"] == [(1,)] and run["outbox"] == [("alert_update", 2)], "to each target once"


def test_a_change_of_settings_is_on_trial_once(every_death, bench):
    version = bench.db.read_now(lambda conn: document.version(document.read(conn)))
    body = {"patch": {"site": {"name": "North"}}, "based_on": version}
    for run in every_death("patch_settings", body):
        assert run["states"] == ["pending"] and run["trials"] == [(1,)]


def test_an_effect_elsewhere_begins_at_most_once_and_is_answered_for(every_death):
    runs = every_death("install_model", {"name": "x"})
    for run in runs:
        assert len(run["effects"]) <= 1 and len(run["states"]) == 1
        assert run["commands"] == [(run["states"][0],)]
        if run["states"] == ["done"]:
            assert run["effects"] == ["order-1"]
        else:
            assert run["states"] == ["failed"], "nobody can tell: a person has to look"
    assert {run["states"][0] for run in runs} == {"done", "failed"}
