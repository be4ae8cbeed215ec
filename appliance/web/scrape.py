"""/metrics: what the box is doing now, with the names of the contract."""

import asyncio
import sqlite3
from collections.abc import Iterator

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST
from prometheus_client.metrics_core import Metric

from appliance.store import alerts, gaps, outbox_counts, targets
from appliance.system.figures import Gauges
from appliance.web.box import Box
from appliance.web.errors import not_signed_in
from appliance.web.health import disks
from appliance.web.metrics import counter, gauge
from appliance.web.people import auth
from appliance.web.routes import Call, Route

GAUGES: web.AppKey[Gauges] = web.AppKey("gauges", Gauges)
_STREAM = ("camera_id", "stream")


async def metrics(call: Call) -> web.StreamResponse:
    """From this machine without a token; from elsewhere only signed in."""
    if not auth.from_loopback(call.request) and await auth.optional(call.request) is None:
        raise not_signed_in()
    found = [*_streams(call.box), *_analysis(call.box), *await _stored(call.box)]
    found += await _machine(call.box, call.request.app[GAUGES])
    return web.Response(
        body=await asyncio.to_thread(call.box.metrics.text, found),
        headers={"Content-Type": CONTENT_TYPE_LATEST, "Cache-Control": "no-store"},
    )


def _streams(box: Box) -> Iterator[Metric]:
    statuses = {} if box.recorder is None else box.recorder.stream_statuses()
    rows = sorted(statuses.items())
    active = [(*key, int(s.state in ("recording", "live"))) for key, s in rows]
    yield gauge("stream_active", "1 while packets come", _STREAM, active)
    yield gauge("stream_fps", "Frames per second", _STREAM, [(*key, s.fps or 0) for key, s in rows])
    bits = [(*key, s.bitrate_bps or 0) for key, s in rows]
    yield gauge("stream_bitrate", "Bits per second", _STREAM, bits)
    again = [(*key, s.reconnects) for key, s in rows]
    yield counter("stream_reconnect", "Connections after the first", _STREAM, again)


def _analysis(box: Box) -> Iterator[Metric]:
    figures = {} if box.vision is None else box.vision.figures()
    rows = sorted(figures.items())
    label = ("camera_id",)
    yield gauge("ai_queue_depth", "Frames that wait", label, [(c, f.queue_depth) for c, f in rows])
    yield gauge("ai_fps", "Frames judged per second", label, [(c, f.fps_done) for c, f in rows])
    yield gauge("ai_fps_wanted", "Frames per second asked for", label, [(c, f.fps_wanted) for c, f in rows])
    costs = [(c, f.decoder.split(" ")[0], f.decode_ms / 1000) for c, f in rows if f.decoder]
    yield gauge("ai_decode_seconds", "CPU per decoded packet, by the path in use", (*label, "decoder"), costs)
    skipped = [(c, f.skipped) for c, f in rows]
    yield counter("ai_frames_skipped", "Frames that analysis left out", label, skipped)
    sure = {} if box.models is None else box.models.confidence()
    about = "Mean score of the last minute's boxes"
    yield gauge("ai_confidence_mean", about, label, sorted(sure.items()))
    up = box.vision is not None and box.vision.state().state == "running"
    yield gauge("ai_up", "1 while the vision worker runs", (), [(int(up),)])


async def _stored(box: Box) -> list[Metric]:
    now_ns = box.clock.now_ns()

    def look(conn: sqlite3.Connection) -> list[Metric]:
        missing = [(*key, seconds) for key, seconds in sorted(gaps.seconds_by_cause(conn, now_ns).items())]
        depth = []
        for target in targets.list_targets(conn):
            f = outbox_counts.figures(conn, target.id)
            depth.append((target.id, f.waiting + f.in_flight + f.parked))
        return [
            counter("recording_gap_seconds", "Time without video", (*_STREAM, "cause"), missing),
            gauge("alerts_active", "Alerts that are not resolved", (), [(alerts.active_count(conn),)]),
            gauge("outbox_depth", "Rows not yet delivered", ("target",), depth),
        ]

    return await box.db.read(look)


async def _machine(box: Box, gauges: Gauges) -> list[Metric]:
    # psutil walks all of /proc to find our children
    process = await asyncio.to_thread(gauges.process)
    return [
        gauge(
            "edge_disk_free_bytes",
            "Free for the box",
            ("path",),
            [(d["path"], d["free_bytes"]) for d in await disks(box)],
        ),
        gauge("edge_memory_usage_percent", "Of the machine", (), [(gauges.memory().used_percent,)]),
        gauge("edge_process_rss_bytes", "Of the daemon", (), [(process.rss_bytes,)]),
        gauge("edge_process_cpu_percent", "Of one core, since the last look", (), [(process.cpu_percent,)]),
        gauge("edge_process_threads", "Of the daemon", (), [(process.threads,)]),
    ]


ROUTES = (Route("GET", "/metrics", None, metrics, "Prometheus text", CONTENT_TYPE_LATEST, also=(401,)),)
