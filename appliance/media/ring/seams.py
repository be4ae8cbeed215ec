"""Where footage and gaps do not touch, as a crash leaves them: pure functions over spans (R4)."""

from typing import NamedTuple

from appliance.base.model import Gap


class Seams(NamedTuple):
    """``changed``: rows to put, with their boots (an empty one takes its row out); ``holes``: time
    that is in no file and no row; ``end_ns``: where all of it ends."""

    changed: list[tuple[Gap, str]]
    holes: list[tuple[int, int]]
    end_ns: int | None


def find_seams(
    footage: list[tuple[int, int]], known: list[tuple[Gap, str]], alive_ns: int, now_ns: int
) -> Seams:
    """Where ``footage`` (spans by start) and the gaps beside and behind it do not touch."""
    since_ns = min((start_ns for start_ns, _ in footage), default=0)
    # Behind a step of the clock the two passes lie over each other, and that is no seam.
    stepped = any(g.cause == "clock_jump" and (g.end_ns or now_ns) >= since_ns for g, _ in known)
    changed: list[tuple[Gap, str]] = []
    spans = list(footage)
    for gap, boot in known:
        if gap.end_ns is not None and gap.end_ns <= since_ns:
            continue
        later = [start_ns for start_ns, _ in footage if start_ns >= gap.start_ns]
        start_ns, end_ns = gap.start_ns, gap.end_ns
        if end_ns is None:
            end_ns = min(later) if later else max(gap.start_ns, min(alive_ns, now_ns))
        elif later and not stepped:
            end_ns = min(end_ns, *later)
        if not stepped:
            over = [end for start, end in footage if start < gap.start_ns < end]
            start_ns = min(max(over, default=start_ns), end_ns)
        spans.append((start_ns, end_ns))
        if start_ns != gap.start_ns:
            changed.append((Gap(gap.camera_id, gap.stream, gap.start_ns, gap.start_ns, gap.cause), boot))
        if (start_ns, end_ns) != (gap.start_ns, gap.end_ns):
            changed.append((Gap(gap.camera_id, gap.stream, start_ns, end_ns, gap.cause), boot))
    holes = []
    reached: int | None = None
    for start_ns, end_ns in sorted(spans):
        if reached is not None and start_ns > reached:
            holes.append((reached, start_ns))
        reached = max(reached or 0, end_ns)
    return Seams(changed, holes, reached)
