"""What is to be accepted: the box's cameras, streams and volumes as its daemon tells of them."""

import hashlib
import os
from pathlib import Path
from typing import Any

import msgspec

from appliance.base import config as configuration
from appliance.base.clock import parse_rfc3339
from appliance.base.settings import Settings
from provisioning.ground import Ground
from provisioning.report.document import canonical


class StreamSubject(msgspec.Struct, frozen=True):
    """One stream of an enabled camera. ``fps`` and ``bitrate_bps``: what the daemon counts now."""

    camera_id: str
    camera_name: str
    stream: str
    url: str
    state: str
    codec: str | None
    fps: float | None
    bitrate_bps: int | None
    records: bool

    @property
    def key(self) -> str:
        return f"{self.camera_id}/{self.stream}"

    @property
    def name(self) -> str:
        return self.camera_name if self.stream == "main" else f"{self.camera_name} (sub)"


class Subject(msgspec.Struct, frozen=True):
    """``durability_s``: of video received, at most so much may be lost at a power cut (R2)."""

    device_id: str
    version: str
    settings: Settings
    streams: tuple[StreamSubject, ...]
    volumes: tuple[Path, ...]
    detector: str | None
    looks: frozenset[str] = frozenset()
    durability_s: float = 1.0

    @property
    def cameras(self) -> dict[str, str]:
        """id -> name"""
        return {stream.camera_id: stream.camera_name for stream in self.streams}

    @property
    def covers(self) -> str:
        """SHA-256 (hex) of what a report is about: another camera, address or volume makes it stale."""
        what = sorted((stream.key, stream.url, stream.records) for stream in self.streams)
        return hashlib.sha256(canonical([what, sorted(map(str, self.volumes))])).hexdigest()


async def read_subject(ground: Ground) -> Subject:
    """Enabled cameras only. Raises what the daemon raises."""
    config = configuration.load(os.environ, data_dir=ground.data_dir)
    cameras = (await ground.daemon.ask("GET", "/cameras"))["cameras"]
    status = await ground.daemon.ask("GET", "/system/status")
    settings = (await ground.daemon.ask("GET", "/settings"))["settings"]
    now = {(found["camera_id"], found["stream"]): found for found in status["streams"]}
    enabled = [camera for camera in cameras if camera["enabled"]]
    streams = [
        _stream(camera, stream, now.get((camera["id"], stream)))
        for camera in enabled
        for stream in ("main", "sub")
        if stream == "main" or camera["sub_url"]
    ]
    detector = status.get("detector") or {}
    return Subject(
        device_id=status["device_id"],
        version=status["version"],
        settings=msgspec.convert(settings, Settings),
        streams=tuple(streams),
        # The first is the data directory, the others are the ring's (web.health).
        volumes=tuple(Path(disk["path"]) for disk in status["disks"][1:]),
        detector=detector.get("detector"),
        looks=frozenset(camera["id"] for camera in enabled if camera["detect"]["enabled"]),
        durability_s=config.durability_s,
    )


def _stream(camera: dict[str, Any], stream: str, now: dict[str, Any] | None) -> StreamSubject:
    status = now or (camera["status"] if stream == "main" else {})
    return StreamSubject(
        camera_id=camera["id"],
        camera_name=camera["name"],
        stream=stream,
        url=camera["rtsp_url"] if stream == "main" else camera["sub_url"],
        state=status.get("state", "connecting"),
        codec=status.get("codec"),
        fps=status.get("fps"),
        bitrate_bps=status.get("bitrate_bps"),
        records=camera["record"]["mode"] == "continuous",
    )


def nanoseconds(text: str) -> int:
    """Of the daemon's RFC 3339."""
    return parse_rfc3339(text)
