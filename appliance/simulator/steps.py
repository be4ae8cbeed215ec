"""The vocabulary of misbehaviour: ``stall@10,heal@15,loss:5@20``.

A step is ``DO[:VALUE][@SECONDS]``; the seconds count from the camera's first PLAY, and a step
without them (or with 0) is in force from the start. The same words are the ``do`` of a control line.
"""

import difflib
import math
import re

import msgspec

from appliance.base.errors import invalid

# do -> (hint for its value, default where it may be left out; None: it takes no value)
DOES: dict[str, tuple[str, str | None] | None] = {
    "stall": None,  # the connection stays and is answered, no media comes
    "asleep": None,  # connections are accepted, nothing is ever answered
    "refuse": None,  # own port: closed; shared port: reset at the first request
    "reset": None,  # every connection ends with RST, once
    "drop": None,  # every connection ends with FIN, once
    "heal": None,  # all of the lasting ones end
    "password": ("a new password", ""),  # connections end; the old one gets 401. Without a value: random
    "loss": ("percent of RTP packets", "5"),
    "corrupt": ("percent of access units", "20"),
    "jump": ("seconds, may be negative", "3600"),  # RTP timestamps and NTP time leap, once
    "skew": ("parts per million, may be negative", "10000"),  # timestamps run fast or slow
    "clock": ("seconds the camera's clock is ahead", "3600"),  # NTP time and Date only
    "sdp": ("no_sprop, wrong_codec or garbage", "no_sprop"),
    "no_parameter_sets": None,  # SPS and PPS (and VPS) only in the SDP, never in band
    "size": ("640x360", None),  # from the next frame on, with new parameter sets in band
    "codec": ("h264 or h265", None),  # connections end, as most cameras do it
    "codec_abrupt": ("h264 or h265", None),  # in the same session, behind the client's back
}
SDP_FAULTS = ("no_sprop", "wrong_codec", "garbage")
_NUMBERS = {
    "loss": (0.0, 100.0),
    "corrupt": (0.0, 100.0),
    "jump": (-1e6, 1e6),
    "skew": (-500_000.0, 500_000.0),
    "clock": (-1e9, 1e9),
}


class Step(msgspec.Struct, frozen=True):
    """``value`` is text as written, "" where the word takes none."""

    do: str
    value: str = ""
    at_s: float = 0.0

    def __str__(self) -> str:
        value = f":{self.value}" if self.value else ""
        return f"{self.do}{value}@{self.at_s:g}"

    def __repr__(self) -> str:  # the value may be a password
        return f"Step({self.do!r}, at_s={self.at_s:g})"

    @property
    def number(self) -> float:
        return float(self.value)


def make_step(do: str, value: str | None = None, at_s: float = 0.0) -> Step:
    """A checked step; raises ``invalid`` for an unknown word or a value out of range."""
    if do not in DOES:
        near = difflib.get_close_matches(do, DOES, n=1, cutoff=0.0)
        raise invalid(f"a simulated camera cannot {do[:40]!r}", f"did you mean {near[0]!r}?", field="do")
    takes = DOES[do]
    if takes is None:
        if value:
            raise invalid(f"{do} takes no value", "leave it out", field=do)
        return Step(do, "", at_s)
    hint, default = takes
    text = value or default
    if text is None:
        raise invalid(f"{do} needs a value", hint, field=do)
    if do in _NUMBERS:
        low, high = _NUMBERS[do]
        if not low <= _float(text) <= high:
            raise invalid(f"{do}:{text[:20]} is out of range", f"{hint}, {low:g} to {high:g}", field=do)
    if do == "sdp" and text not in SDP_FAULTS:
        raise invalid(f"{text[:20]!r} is no fault of an SDP", hint, field=do)
    return Step(do, text, at_s)


def parse_script(text: str) -> tuple[Step, ...]:
    """``stall@10,heal@15`` -> its steps, in order of time. Raises ``invalid``."""
    steps = []
    for part in text.split(","):
        match = re.fullmatch(r"([a-z_]+)(?::(.*?))?(?:@([0-9.]+))?", part.strip())
        if match is None or not math.isfinite(at_s := _float(match[3] or "0")):
            raise invalid(f"{part[:40]!r} is not a step", "write it as stall@10 or loss:5@20", field="script")
        steps.append(make_step(match[1], match[2], at_s))
    return tuple(sorted(steps, key=lambda step: step.at_s))


def _float(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
