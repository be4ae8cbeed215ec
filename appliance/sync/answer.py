"""What a target's answer means for the batch (contract: HTTPS target)."""

from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime
from typing import Literal

import msgspec

from appliance.base.clock import SECOND_NS
from appliance.sync import faults
from appliance.sync.faults import TARGET, Peer

LONGEST_PAUSE_S = 300.0
OF_THE_TARGET = (401, 402, 403, 404, 405, 407, 410)  # who asks, and where: the same of any batch


class Verdict(msgspec.Struct, frozen=True):
    """``delivered``: ``acknowledged`` ids leave, ``rejected`` ones (with the reason) are parked, the
    others go again. ``refused``: parked, whatever it holds. ``poisoned``: parked too, but one of its rows
    may be all that is wrong with it. ``later``: all of it goes again, not before ``after_s`` where the
    target said so. ``error``: one sentence and the next step (``faults``). ``answered``: it is there,
    though it did not take them. ``sent_bytes``: of a batch, what was written for it, for the budget; None:
    the target cannot say, and bodies are counted."""

    kind: Literal["delivered", "refused", "poisoned", "later"]
    acknowledged: tuple[str, ...] = ()
    rejected: tuple[tuple[str, str], ...] = ()
    error: str = ""
    after_s: float = 0.0
    sent_bytes: int | None = None
    answered: bool = False


class _Acknowledgement(msgspec.Struct):
    acknowledged: list[str]


def judge(
    status: int,
    headers: Mapping[str, str],
    body: bytes | None,
    ids: Sequence[str],
    now_ns: int,
    *,
    peer: Peer = TARGET,
    said: str = "",
) -> Verdict:
    """``body`` None: the answer was longer than we read. ``said``: the reason in it, where it has one."""
    if 200 <= status < 300:
        return _success(body, ids, peer)
    error = str(faults.of_status(status, peer, said))
    if 400 <= status < 500 and status not in (408, 429):
        return Verdict("refused" if status in OF_THE_TARGET else "poisoned", error=error, answered=True)
    after_s = _retry_after_s(headers.get("Retry-After"), now_ns)
    return Verdict("later", error=error, after_s=after_s, answered=True)


def _success(body: bytes | None, ids: Sequence[str], peer: Peer) -> Verdict:
    if body is None:
        return Verdict("later", error=str(faults.unreadable(None, peer)), answered=True)
    if not body.strip():
        return Verdict("delivered", tuple(ids))
    try:
        said = set(msgspec.json.decode(body, type=_Acknowledgement).acknowledged)
    except (msgspec.DecodeError, UnicodeDecodeError):
        # It may have them or not. Sending again is harmless, believing is not (D3).
        return Verdict("later", error=str(faults.unreadable(body, peer)), answered=True)
    return Verdict("delivered", tuple(id_ for id_ in ids if id_ in said))


def _retry_after_s(text: str | None, now_ns: int) -> float:
    """Seconds or a date (RFC 9110, section 10.2.3); nonsense is no wish, and 5 min the most."""
    if text is None:
        return 0.0
    try:
        seconds = float(text) if text.strip().isdigit() else _until(text, now_ns)
    except (ValueError, TypeError, OverflowError):
        return 0.0
    return max(0.0, min(LONGEST_PAUSE_S, seconds))


def _until(date: str, now_ns: int) -> float:
    return parsedate_to_datetime(date).timestamp() - now_ns / SECOND_NS
