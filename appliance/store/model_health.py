"""How each camera's model does (tracks.db), hour by hour: boxes, scores, time per look.

Beside a box's score lies the mean of its minute: the boxes of one minute mostly show the same
object, and only minutes are taken for samples when two hours are compared (``vision.health.judge``).
"""

import sqlite3
from collections.abc import Iterable
from typing import Literal

import msgspec

AlarmKind = Literal["low", "drop"]


class ClassSums(msgspec.Struct, frozen=True):
    """Of one class in one hour, or of several hours together. Scores are 0..1."""

    boxes: int = 0
    score_sum: float = 0.0
    minutes: int = 0
    minute_sum: float = 0.0
    minute_squares: float = 0.0

    def __add__(self, other: "ClassSums") -> "ClassSums":
        return ClassSums(
            self.boxes + other.boxes,
            self.score_sum + other.score_sum,
            self.minutes + other.minutes,
            self.minute_sum + other.minute_sum,
            self.minute_squares + other.minute_squares,
        )


class HealthKey(msgspec.Struct, frozen=True):
    """``conditions``: what else scores depend on; see the schema."""

    camera_id: str
    hour_ns: int
    model: str
    conditions: str


class HealthRow(msgspec.Struct, frozen=True):
    """``inference_ms_max`` is the slowest half second's mean."""

    key: HealthKey
    looks: float = 0.0
    inference_ms_sum: float = 0.0
    inference_ms_max: float = 0.0
    classes: dict[str, ClassSums] = {}


class Alarm(msgspec.Struct, frozen=True):
    """``reference_ns``: of a drop, the hour before it; else 0."""

    camera_id: str
    model: str
    conditions: str
    kind: AlarmKind
    since_ns: int
    reference_ns: int
    detail: str


def add(conn: sqlite3.Connection, rows: Iterable[HealthRow]) -> None:
    """Add these sums to what the hours hold already."""
    for row in rows:
        key = msgspec.structs.astuple(row.key)
        conn.execute(
            "INSERT INTO model_hours (camera_id, hour_ns, model, conditions,"
            " looks, inference_ms_sum, inference_ms_max) VALUES (?,?,?,?,?,?,?)"
            " ON CONFLICT DO UPDATE SET looks = looks + excluded.looks,"
            " inference_ms_sum = inference_ms_sum + excluded.inference_ms_sum,"
            " inference_ms_max = max(inference_ms_max, excluded.inference_ms_max)",
            (*key, row.looks, row.inference_ms_sum, row.inference_ms_max),
        )
        conn.executemany(
            "INSERT INTO model_classes (camera_id, hour_ns, model, conditions, class_name,"
            " boxes, score_sum, minutes, minute_sum, minute_squares) VALUES (?,?,?,?,?,?,?,?,?,?)"
            " ON CONFLICT DO UPDATE SET boxes = boxes + excluded.boxes,"
            " score_sum = score_sum + excluded.score_sum, minutes = minutes + excluded.minutes,"
            " minute_sum = minute_sum + excluded.minute_sum,"
            " minute_squares = minute_squares + excluded.minute_squares",
            [(*key, name, *msgspec.structs.astuple(sums)) for name, sums in row.classes.items()],
        )


def rows(
    conn: sqlite3.Connection, camera_id: str, model: str, conditions: str, since_ns: int
) -> list[HealthRow]:
    """The hours that began at or after ``since_ns``, oldest first."""
    wanted = (camera_id, since_ns, model, conditions)
    where = "WHERE camera_id = ? AND hour_ns >= ? AND model = ? AND conditions = ? ORDER BY hour_ns"
    classes: dict[int, dict[str, ClassSums]] = {}
    for row in conn.execute(f"SELECT * FROM model_classes {where}", wanted):
        sums = ClassSums(
            row["boxes"], row["score_sum"], row["minutes"], row["minute_sum"], row["minute_squares"]
        )
        classes.setdefault(row["hour_ns"], {})[row["class_name"]] = sums
    return [
        HealthRow(
            HealthKey(camera_id, row["hour_ns"], model, conditions),
            row["looks"],
            row["inference_ms_sum"],
            row["inference_ms_max"],
            classes.get(row["hour_ns"], {}),
        )
        for row in conn.execute(f"SELECT * FROM model_hours {where}", wanted)
    ]


def prune(conn: sqlite3.Connection, before_ns: int, limit: int = 1_000) -> int:
    """Delete the hours that began before ``before_ns``, at most ``limit`` rows of a table at once;
    how many went."""
    gone = 0
    for table in ("model_hours", "model_classes"):
        keys = "camera_id, hour_ns, model, conditions" + (", class_name" if table == "model_classes" else "")
        gone += conn.execute(
            f"DELETE FROM {table} WHERE ({keys}) IN (SELECT {keys} FROM {table} WHERE hour_ns < ? LIMIT ?)",
            (before_ns, limit),
        ).rowcount
    return gone


def alarms(conn: sqlite3.Connection) -> dict[str, Alarm]:
    """By camera."""
    found = conn.execute("SELECT * FROM model_alarms ORDER BY camera_id")
    return {row["camera_id"]: msgspec.convert(dict(row), Alarm) for row in found}


def raise_alarm(conn: sqlite3.Connection, alarm: Alarm) -> bool:
    """False where that camera has one already: it is said once, until the model recovers."""
    row = msgspec.structs.astuple(alarm)
    done = conn.execute(
        "INSERT INTO model_alarms (camera_id, model, conditions, kind, since_ns, reference_ns, detail)"
        " VALUES (?,?,?,?,?,?,?) ON CONFLICT DO NOTHING",
        row,
    )
    return done.rowcount == 1


def end_alarm(conn: sqlite3.Connection, camera_id: str) -> bool:
    return conn.execute("DELETE FROM model_alarms WHERE camera_id = ?", (camera_id,)).rowcount == 1
