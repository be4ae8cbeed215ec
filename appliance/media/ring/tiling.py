"""Time cut into pieces that touch and do not overlap (R4): pure functions over intervals.

Where layers overlap the one of higher rank is seen: footage over gaps, and after a backward step
of the clock the later pass over the earlier one.
"""

import heapq
from collections.abc import Iterable, Sequence
from typing import Generic, NamedTuple, TypeVar

import msgspec

from appliance.base.clock import MS_NS
from appliance.base.model import Gap, GapCause, Lock
from appliance.media.span import Span

T = TypeVar("T")


class Layer(NamedTuple, Generic[T]):
    """``what`` covers the half-open [start_ns, end_ns)."""

    start_ns: int
    end_ns: int
    what: T


class Recorded(NamedTuple):
    """Footage, as far as tiling cares."""

    run: tuple[str, str]  # (boot, run)
    time_unsure: bool


def sweep(layers: Sequence[Layer[T]], start_ns: int, end_ns: int) -> list[Layer[T | None]]:
    """Tile [start_ns, end_ns): each piece shows the layer that comes last in ``layers``.

    None where there is none. O(n log n).
    """
    order = sorted(range(len(layers)), key=lambda rank: layers[rank].start_ns)
    out: list[Layer[T | None]] = []
    active: list[int] = []  # negated ranks: the smallest is on top
    at, upcoming = start_ns, 0
    while at < end_ns:
        while upcoming < len(order) and layers[order[upcoming]].start_ns <= at:
            heapq.heappush(active, -order[upcoming])
            upcoming += 1
        while active and layers[-active[0]].end_ns <= at:
            heapq.heappop(active)
        until = layers[-active[0]].end_ns if active else end_ns
        if upcoming < len(order):
            until = min(until, layers[order[upcoming]].start_ns)
        until = min(until, end_ns)
        what = layers[-active[0]].what if active else None
        if out and out[-1].end_ns == at and out[-1].what is what and what is not None:
            out[-1] = Layer(out[-1].start_ns, until, what)
        else:
            out.append(Layer(at, until, what))
        at = until
    return out


def tile(
    recorded: Sequence[Layer[Recorded]],
    gaps: Iterable[Gap],
    locks: Iterable[Lock],
    start_ns: int,
    end_ns: int,
    exists_ns: int | None,
    margin_ns: int = 0,
) -> tuple[Span, ...]:
    """Spans of [start_ns, end_ns), neighbours merged. ``recorded`` by rank, lowest first; what lies
    up to ``margin_ns`` beyond the ends helps to judge a hole there.

    ``exists_ns``: when the stream began, None: never. Time before it is ``disabled``; other time
    that neither file nor ledger knows is ``damaged`` inside a run, else ``no_video``.
    """
    if end_ns <= start_ns:
        return ()
    layers: list[Layer[Recorded | GapCause]] = [
        Layer(gap.start_ns, end_ns + margin_ns if gap.end_ns is None else gap.end_ns, gap.cause)
        for gap in sorted(gaps, key=lambda gap: gap.start_ns)
    ]
    layers += [Layer(layer.start_ns, layer.end_ns, layer.what) for layer in recorded]
    layers = [layer for layer in layers if layer.start_ns < layer.end_ns]
    locked = [Layer(lock.start_ns, lock.end_ns, True) for lock in locks]
    pieces = sweep(layers, start_ns - margin_ns, end_ns + margin_ns)
    spans: list[Span] = []
    for number, piece in enumerate(pieces):
        if isinstance(piece.what, Recorded):
            for part in sweep(locked, piece.start_ns, piece.end_ns) if locked else (piece,):
                unsure = piece.what.time_unsure
                lock = bool(locked) and part.what is True
                _append(spans, Span(part.start_ns, part.end_ns, "recorded", None, lock, unsure))
        elif piece.what is not None:
            _append(spans, Span(piece.start_ns, piece.end_ns, "gap", piece.what))
        else:
            born_ns = end_ns if exists_ns is None else max(piece.start_ns, min(exists_ns, piece.end_ns))
            if piece.start_ns < born_ns:
                _append(spans, Span(piece.start_ns, min(born_ns, piece.end_ns), "gap", "disabled"))
            if born_ns < piece.end_ns:
                _append(spans, Span(born_ns, piece.end_ns, "gap", _unknown(pieces, number)))
    inside = [
        msgspec.structs.replace(span, start_ns=max(span.start_ns, start_ns), end_ns=min(span.end_ns, end_ns))
        for span in spans
        if span.end_ns > start_ns and span.start_ns < end_ns
    ]
    return tuple(_without_slivers(inside))


def _without_slivers(spans: list[Span]) -> list[Span]:
    """Gaps of less than a millisecond are rounding, and cannot be told in JSON: they go to the
    footage before them, or behind them."""
    out: list[Span] = []
    for number, span in enumerate(spans):
        if span.state == "gap" and span.end_ns - span.start_ns < MS_NS:
            if out and out[-1].state == "recorded":
                out[-1] = msgspec.structs.replace(out[-1], end_ns=span.end_ns)
                continue
            if number + 1 < len(spans) and spans[number + 1].state == "recorded":
                spans[number + 1] = msgspec.structs.replace(spans[number + 1], start_ns=span.start_ns)
                continue
        _append(out, span)
    return out


def _unknown(pieces: Sequence[Layer[Recorded | GapCause | None]], number: int) -> GapCause:
    """Why nobody knows: a segment between two others of its run is lost; else nothing was sent."""
    before = pieces[number - 1].what if number > 0 else None
    after = pieces[number + 1].what if number + 1 < len(pieces) else None
    if isinstance(before, Recorded) and isinstance(after, Recorded) and before.run == after.run:
        return "damaged"
    return "no_video"


def _append(spans: list[Span], span: Span) -> None:
    if spans:
        last = spans[-1]
        same = (last.state, last.cause, last.locked, last.time_unsure)
        if same == (span.state, span.cause, span.locked, span.time_unsure) and last.end_ns == span.start_ns:
            spans[-1] = Span(last.start_ns, span.end_ns, *same)
            return
    spans.append(span)
