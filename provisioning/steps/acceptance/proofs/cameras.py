"""Each stream over N minutes: frame rate, bit rate, loss, jitter, the camera's clock.

Loss is what is not in the files: gaps of the ledger (R4), and frames missing between two that are there.
"""

import asyncio
from typing import Any
from urllib.parse import urlencode

from appliance.base.clock import SECOND_NS, rfc3339
from appliance.base.errors import ApplianceError
from provisioning.ground import Ground
from provisioning.report.document import Figure, Line, Result, State
from provisioning.step import Say
from provisioning.steps.acceptance.proofs import Asked
from provisioning.steps.acceptance.rhythm import Rhythm, frames_on, rhythm_of
from provisioning.steps.acceptance.subject import StreamSubject, Subject, nanoseconds

NAME, TITLE = "cameras", "Cameras"
SAY_EVERY_S = 15.0
SETTLE_S = 1.5  # until the last frames of the span lie in their files
AT_ONCE = 4  # cameras asked for their clock: each answers a second connection
GAP_S = 0.5
LOST_PERCENT, LOST_REMARK_PERCENT = 1.0, 0.1
SKEW_S = 2.0
LONG_KEY_S = 4.0
JITTER_SHARE = 0.5  # of the usual interval


async def run(ground: Ground, subject: Subject, asked: Asked, say: Say) -> Result:
    now_ns = ground.clock.now_ns()
    if not subject.streams:
        return Result(
            NAME, TITLE, "failed", "This box has no camera.", "Add one in the step Cameras.", rfc3339(now_ns)
        )
    start_ns, end_ns = now_ns, now_ns + round(asked.minutes * 60 * SECOND_NS)
    await _wait(ground, end_ns, say)
    say(f"Reading what was recorded of {len(subject.streams)} streams")
    skews = await _skews(ground, subject)
    lines = [await _line(ground, subject, stream, start_ns, end_ns, skews) for stream in subject.streams]
    bad = [line for line in lines if line.state != "passed"]
    failed = [line for line in bad if line.state == "failed"]
    state: State = "failed" if failed else "attention" if bad else "passed"
    text = (
        f"{len(lines) - len(bad)} of {len(lines)} streams are as they should be over {asked.minutes:g} min."
    )
    if bad:
        text += f" {bad[0].name}: {bad[0].text}"
    hint = "Mend what is said of each stream in the step Cameras, then test again." if bad else ""
    return Result(NAME, TITLE, state, text, hint, rfc3339(start_ns), lines=tuple(lines))


async def _wait(ground: Ground, end_ns: int, say: Say) -> None:
    while (left_s := (end_ns - ground.clock.now_ns()) / SECOND_NS) > 0:
        say(f"Measuring the cameras: {left_s:.0f} s to go")
        await ground.clock.sleep(min(SAY_EVERY_S, left_s))
    await ground.clock.sleep(SETTLE_S)


async def _skews(ground: Ground, subject: Subject) -> dict[str, float | None]:
    """camera id -> its clock less the box's, in seconds; None where it does not tell."""
    turns = asyncio.Semaphore(AT_ONCE)

    async def one(stream: StreamSubject) -> tuple[str, float | None]:
        body = {"rtsp_url": stream.url, "camera_id": stream.camera_id}
        async with turns:
            try:
                found = await ground.daemon.ask("POST", "/cameras/test", body)
            except ApplianceError:
                return stream.camera_id, None  # why is said by what was recorded of it
        return stream.camera_id, found["clock_skew_s"]

    mains = [stream for stream in subject.streams if stream.stream == "main"]
    return dict(await asyncio.gather(*map(one, mains)))


async def _line(
    ground: Ground,
    subject: Subject,
    stream: StreamSubject,
    start_ns: int,
    end_ns: int,
    skews: dict[str, float | None],
) -> Line:
    span = {"start_time": rfc3339(start_ns), "end_time": rfc3339(end_ns), "stream": stream.stream}
    path = f"/cameras/{stream.camera_id}/recordings?{urlencode(span)}"
    spans: list[dict[str, Any]] = (await ground.daemon.ask("GET", path))["spans"]
    frames = await asyncio.to_thread(
        frames_on, subject.volumes, stream.camera_id, stream.stream, start_ns, end_ns
    )
    gaps = [
        ((nanoseconds(span["end"]) - nanoseconds(span["start"])) / SECOND_NS, span["cause"])
        for span in spans
        if span["state"] == "gap"
    ]
    return judge(stream, rhythm_of(frames), gaps, skews.get(stream.camera_id))


def judge(
    stream: StreamSubject, rhythm: Rhythm | None, gaps: list[tuple[float, str]], skew_s: float | None
) -> Line:
    """``gaps``: (seconds, cause) inside the measured span."""
    gap_s = sum(seconds for seconds, _ in gaps)
    if rhythm is None:
        why = gaps[0][1].replace("_", " ") if gaps else stream.state
        return Line(
            stream.key, stream.name, "failed", f"nothing was recorded of it ({why})", _gap_figure(gap_s)
        )
    figures = (
        Figure("frame rate", round(rhythm.fps, 2), "frames/s"),
        Figure("bit rate", round(rhythm.bitrate_bps / 1000), "kbit/s"),
        Figure("lost", round(rhythm.lost_percent, 2), "%"),
        Figure("jitter", round(rhythm.jitter_ms, 1), "ms"),
        Figure("longest pause", round(rhythm.longest_ms), "ms"),
        Figure("key frame every", None if rhythm.key_frame_s is None else round(rhythm.key_frame_s, 2), "s"),
        Figure("clock skew", None if skew_s is None else round(skew_s, 1) + 0.0, "s"),
        *_gap_figure(gap_s),
    )
    faults, remarks = _faults(rhythm, gaps, gap_s), _remarks(rhythm, skew_s)
    state: State = "failed" if faults else "attention" if remarks else "passed"
    text = "; ".join([*faults, *remarks]) or "every frame is recorded"
    return Line(stream.key, stream.name, state, text, figures)


def _gap_figure(gap_s: float) -> tuple[Figure, ...]:
    return (Figure("not recorded", round(gap_s, 1), "s"),)


def _faults(rhythm: Rhythm, gaps: list[tuple[float, str]], gap_s: float) -> list[str]:
    found = []
    if gap_s > GAP_S:
        causes = ", ".join(sorted({cause.replace("_", " ") for _, cause in gaps}))
        found.append(f"{gap_s:.1f} s were not recorded ({causes})")
    if rhythm.lost_percent > LOST_PERCENT:
        found.append(
            f"{rhythm.missing} of {rhythm.frames + rhythm.missing} frames are missing: "
            "look at its cable and its network"
        )
    return found


def _remarks(rhythm: Rhythm, skew_s: float | None) -> list[str]:
    found = []
    if LOST_REMARK_PERCENT < rhythm.lost_percent <= LOST_PERCENT:
        found.append(f"{rhythm.missing} frames are missing")
    if rhythm.jitter_ms > JITTER_SHARE * rhythm.usual_ms:
        found.append(f"it sends unevenly: {rhythm.jitter_ms:.0f} ms around {rhythm.usual_ms:.0f} ms")
    if rhythm.key_frame_s is not None and rhythm.key_frame_s > LONG_KEY_S:
        found.append(f"a key frame only every {rhythm.key_frame_s:.1f} s: set 1-2 s")
    if skew_s is not None and abs(skew_s) > SKEW_S:
        found.append(f"its clock is {skew_s:+.0f} s off: point its NTP setting at this box")
    return found
