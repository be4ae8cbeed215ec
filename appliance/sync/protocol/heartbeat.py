"""We are here. Every ``EVERY_S``, beside the lanes: 1 GB of clips that waits must not look like death."""

import msgspec

EVERY_S = 30.0
MISSED = 3  # in a row: the box is offline
STOPPING = "stopping"
FAREWELL_S = 1.0  # at most, and then the box stops unheard


class KindFigures(msgspec.Struct, frozen=True):
    """D6 of one kind at the box, for the hub's page of deliveries."""

    owed: int
    acknowledged: int
    tombstoned: int
    waiting: int
    in_flight: int
    parked: int


class Heartbeat(msgspec.Struct, frozen=True):
    """``box_time``: the box's clock, so that the hub can tell how far it is off. ``status``: ok |
    degraded | failing, with ``detail`` in words; or stopping: the last one, said on purpose.
    ``settings_version``: what a settings patch is based on. ``directory``: digest of what things are called
    there (``protocol.directory``); empty: the box tells no names."""

    box_time: str
    version: str
    status: str
    detail: str = ""
    boot_id: str = ""
    uptime_s: float = 0.0
    cameras_recording: int = 0
    cameras_total: int = 0
    disk_free_bytes: int = 0
    settings_version: int = 0
    delivery: dict[str, KindFigures] = {}
    directory: str = ""


class HeartbeatAnswer(msgspec.Struct, frozen=True):
    """``rows``: how many of the box's rows the hub holds. Fewer than were acknowledged: the hub was
    restored from a backup, and the box reconciles at once. ``directory_wanted``: the hub holds another one
    than the heartbeat says, or none."""

    hub_time: str
    rows: int
    commands_waiting: int = 0
    directory_wanted: bool = False
