"""The sample tables of a clip (ISO/IEC 14496-12, 8.6 and 8.7.3): grown a segment at a time."""

import struct
from array import array
from collections.abc import Iterable
from itertools import groupby
from operator import sub

from appliance.base.errors import ApplianceError
from appliance.media.fragment import TIMESCALE
from appliance.media.mp4 import boxes
from appliance.media.play.layout import Init, Layout
from appliance.media.ring.scan import AudioRun

LONGEST_STILL_90K = 2**31 - 1  # players read a sample's duration as a signed number


class _Runs:
    """Values and how often each follows itself; grows by a segment at a time, so that no stretch
    of it holds the GIL for long."""

    def __init__(self) -> None:
        self.runs: list[list[int]] = []  # [count, value]

    def add(self, values: Iterable[int]) -> None:
        for value, group in groupby(values):
            count = len(list(group))
            if self.runs and self.runs[-1][1] == value:
                self.runs[-1][0] += count
            else:
                self.runs.append([count, value])

    def stretch_last(self, more: int) -> None:
        """Only the last of its run becomes longer."""
        count, value = self.runs.pop()
        if count > 1:
            self.runs.append([count - 1, value])
        self.runs.append([1, value + more])

    def pack(self, form: str, more: int = 0) -> bytes:
        packed = [struct.pack(form, count, value + more) for count, value in self.runs]
        return struct.pack(">I", len(packed)) + b"".join(packed)


class VideoTables:
    def __init__(self) -> None:
        self.sizes = array("I")
        self._steps = _Runs()  # between decode times
        self._offsets = _Runs()  # presentation less decode time
        self._keys = array("I")  # sample numbers, from 1
        self._first_decode = 0
        self._last_decode = 0
        self._last_duration = 0
        self._newest_90k = 0  # the latest presentation so far
        self._run_decode = 0  # the last decode time, in the ticks of its run
        self._shift = 0

    def add(self, layout: Layout, first: int, last: int, shift: int, continuous: bool) -> int:
        """``shift`` takes the run's ticks to the clip's; returns the one that was used: time never
        goes back, also where a segment's anchor was corrected."""
        decodes, ptss = layout.decodes[first:last], layout.ptss[first:last]
        if self.sizes:
            if continuous:
                shift = max(shift, self._shift - (decodes[0] - self._run_decode) // 2)
            else:
                shift = max(shift, self._newest_90k + 1 - layout.ptss[first])
            shift = max(shift, self._last_decode + 1 - decodes[0])
            step = decodes[0] + shift - self._last_decode
            if step > LONGEST_STILL_90K:
                raise ApplianceError(
                    "conflict", "there is a gap of more than six hours inside", "ask for one clip per part"
                )
            self._steps.add([step])
        else:
            self._first_decode = decodes[0] + shift
        before = len(self.sizes)
        self.sizes.extend(layout.sizes[first:last])
        self._steps.add(map(sub, decodes[1:], decodes))
        self._offsets.add(map(sub, ptss, decodes))
        self._keys.extend(before + key - first + 1 for key in layout.keys if first <= key < last)
        self._newest_90k = max(self._newest_90k, max(ptss) + shift)
        self._last_duration = max(1, layout.durations[last - 1])
        self._last_decode = decodes[-1] + shift
        self._run_decode, self._shift = decodes[-1], shift
        return shift

    def end_90k(self) -> int:
        return self._newest_90k + self._last_duration

    def media_time(self) -> int:
        """Of tick 0 of the clip, where its first key frame is shown."""
        return max(0, -self._first_decode)

    def tables(self) -> bytes:
        late = max(0, self._first_decode)  # composition may not lie before the first decode time
        self._steps.add([self._last_duration])
        out = boxes.full(b"stts", 0, 0, self._steps.pack(">II"))
        if any(value + late for _, value in self._offsets.runs):
            out += boxes.full(b"ctts", 1, 0, self._offsets.pack(">Ii", late))
        return out + boxes.full(b"stss", 0, 0, _column(self._keys)) + _sizes(self.sizes)


class AudioTables:
    def __init__(self) -> None:
        self.sizes = array("I")
        self._steps = _Runs()
        self.first = 0  # of the first frame, in samples of the clip
        self._next = 0

    @property
    def length(self) -> int:
        return self._next - self.first

    def choose(self, runs: list[AudioRun], init: Init | None, shift: int, end_90k: int) -> list[AudioRun]:
        """The frames that lie between the clip's start and ``end_90k``; the tables remember them."""
        if init is None or init.audio is None:
            return []
        rate = init.audio.rate_hz
        chosen = []
        for run in runs:
            ideal = run.decode + shift * rate // TIMESCALE
            expected = self._next if self.sizes else 0
            skip = max(0, -(-(expected - ideal - (rate // 10 if self.sizes else 0)) // run.frame_ticks))
            room = end_90k * rate // TIMESCALE - ideal
            take = min(len(run.sizes), -(-room // run.frame_ticks))
            if skip >= take:
                continue
            begin = ideal + skip * run.frame_ticks
            if not self.sizes:
                self.first = self._next = begin
            elif begin - self._next > rate // 10:
                # A silence: its last sound stands for it. Less than 0.1 s is the clock's correction.
                self._steps.stretch_last(begin - self._next)
                self._next = begin
            sizes = run.sizes[skip:take]
            self.sizes.extend(sizes)
            self._steps.add([run.frame_ticks] * len(sizes))
            self._next += run.frame_ticks * len(sizes)
            chosen.append(AudioRun(run.offset + sum(run.sizes[:skip]), sizes, 0, run.frame_ticks))
        return chosen

    def tables(self) -> bytes:
        return boxes.full(b"stts", 0, 0, self._steps.pack(">II")) + _sizes(self.sizes)


def _column(values: "array[int]") -> bytes:
    swapped = array(values.typecode, values)
    swapped.byteswap()
    return struct.pack(">I", len(values)) + swapped.tobytes()


def _sizes(values: "array[int]") -> bytes:
    return boxes.full(b"stsz", 0, 0, struct.pack(">I", 0), _column(values))
