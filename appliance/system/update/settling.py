"""After a start of the machine: what does the record say, which slot is this, what is to be done? Pure."""

from typing import Literal

import msgspec

from appliance.system.update.boot import Slot
from appliance.system.update.record import Record

Act = Literal["nothing", "judge", "finish_going_back", "close"]
CUT = "the power went while it was written: nothing has changed"
UNSWITCHED = "the power went before the new version was started: nothing has changed"
UNBOOTED = "it did not start: three times the machine came up without a word from it"


class Settled(msgspec.Struct, frozen=True):
    """``act``: judge this slot · go on going back · close (this is the old slot again: keep the journal) ·
    nothing. ``record``: as it is from now on."""

    act: Act
    record: Record


def settle(record: Record, booted: Slot, now_ns: int) -> Settled:
    """Of every phase in which power can have gone, in either slot, what comes next. Settled twice is settled
    once."""
    old = booted == record.from_slot
    match record.phase, old:
        case "writing", _:
            return _closed(record, "failed", CUT, now_ns, "nothing")
        case "switching", True:
            return _closed(record, "failed", UNSWITCHED, now_ns, "nothing")
        case "trial", True:
            return _closed(record, "back", record.reason or UNBOOTED, now_ns, "close")
        case "going_back", True:
            return _closed(record, "back", record.reason, now_ns, "close")
        case (("switching" | "trial"), False):
            return Settled("judge", msgspec.structs.replace(record, phase="trial"))
        case "going_back", False:
            return Settled("finish_going_back", record)
    return Settled("nothing", record)


def _closed(
    record: Record,
    phase: Literal["failed", "back"],
    reason: str,
    now_ns: int,
    act: Literal["nothing", "close"],
) -> Settled:
    hint = (
        "the version before runs again; send the maker the journal of the failed one"
        if phase == "back"
        else "offer the bundle again"
    )
    made = msgspec.structs.replace(record, phase=phase, reason=reason, hint=hint, ended_ns=now_ns)
    return Settled(act, made)
