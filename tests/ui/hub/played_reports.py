"""What a box tells of itself: an hour of ledger in which one camera was away, and figures."""

from typing import Any

from appliance.base.clock import SECOND_NS, rfc3339
from appliance.base.ids import uuid7


def reports(now_ns: int) -> list[dict[str, Any]]:
    """As rows of a batch."""

    def ago(seconds: int) -> str:
        return rfc3339(now_ns - seconds * SECOND_NS)

    gap = {"start_time": ago(1_800), "end_time": ago(1_200), "cause": "camera_offline"}
    yard = {"camera_id": "yard", "stream": "main", "expected_s": 3600, "recorded_s": 3600}
    gate = {
        "camera_id": "gate-east", "stream": "main", "expected_s": 3600, "recorded_s": 3000,
        "missing_s": {"camera_offline": 600}, "gaps_total": 1, "gaps": [gap],
    }  # fmt: skip
    figures = {
        "time": ago(0), "uptime_s": 90_000, "cpu_percent": 37.4, "memory_used_percent": 61,
        "streams": [
            {"camera_id": "yard", "stream": "main", "state": "recording", "bitrate_bps": 4_200_000}
        ],
        "analysis": [{"camera_id": "yard", "fps": 3.2, "wanted_fps": 5.0}],
    }  # fmt: skip
    ledger = {"start_time": ago(3_600), "end_time": ago(0), "streams": [yard, gate]}
    return [
        {"id": uuid7(now_ns), "kind": kind, "created_at": ago(0), "body": body}
        for kind, body in (("ledger", ledger), ("metrics", figures))
    ]
