"""What a box told of itself, as its page shows it."""

from typing import Any

from appliance.base.clock import SECOND_NS, parse_rfc3339
from appliance.hub import reported
from appliance.hub.pages import words
from appliance.hub.reported import Recorded
from appliance.hub.store.directory import Named
from appliance.sync.protocol.report import MetricsReport
from appliance.web.pages.words import CAUSES

MOST_GAPS = 8


def recorded_view(told: Recorded, named: list[Named]) -> dict[str, Any] | None:
    """The main streams, worst first, and what is missing of them. None: the box has told nothing."""
    if not told.end_time:
        return None
    names = {each.id: each.name for each in named if each.what == "camera"}

    def camera(id_: str) -> str:
        return words.shown(names.get(id_, id_), 80) or id_[:80]

    rows: list[dict[str, Any]] = [
        {
            "camera": camera(row.camera_id),
            "stream": words.shown(row.stream, 10),
            "percent": row.kept_percent,
            "lost_s": row.lost_s,
            "why": [
                (CAUSES.get(cause, words.code_words(cause)), seconds)
                for cause, seconds in sorted(row.missing_s.items(), key=lambda each: -each[1])[:3]
                if cause not in reported.PLANNED
            ],
        }
        for row in told.streams
        if row.stream == "main"
    ]
    rows.sort(key=lambda row: (-row["lost_s"], row["camera"]))
    gaps = [
        {
            "camera": camera(gap.camera_id),
            "start_ns": parse_rfc3339(gap.start_time),
            "seconds": None if gap.end_time is None
            else max(0, parse_rfc3339(gap.end_time) - parse_rfc3339(gap.start_time)) / SECOND_NS,
            "why": CAUSES.get(gap.cause, words.code_words(gap.cause)),
        }
        for gap in told.gaps
        if gap.stream == "main"
    ]  # fmt: skip
    return {
        "rows": rows,
        "gaps": gaps[:MOST_GAPS],
        "start_ns": parse_rfc3339(told.start_time),
        "end_ns": parse_rfc3339(told.end_time),
        "lost_s": sum(row["lost_s"] for row in rows),
    }


def figures_view(told: list[MetricsReport]) -> dict[str, Any] | None:
    """The newest, and the most of the day. None: the box has told nothing for a day."""
    if not told:
        return None
    newest = told[0]
    return {
        "at_ns": parse_rfc3339(newest.time),
        "newest": newest,
        "cpu": max(each.cpu_percent for each in told),
        "memory": max(each.memory_used_percent for each in told),
        "bits": sum(max(0, each.bitrate_bps) for each in newest.streams),
        "behind": [each for each in newest.analysis if each.fps < 0.8 * each.wanted_fps],
    }
