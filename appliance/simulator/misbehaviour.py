"""What a camera does wrong at the moment: lasting faults, and a clock of its own."""

import random
from typing import TypeVar

from appliance.simulator.sample import NS, Sample, is_parameter_set
from appliance.simulator.steps import Step

T = TypeVar("T")
_HEAD_BYTES = 6  # of a NAL unit are left alone, so that what is broken is the picture, not the framing


class CameraClock:
    """Media time (real seconds since the source began) to what the camera believes. It runs fast
    or slow by parts per million, and leaps; both only change what comes after."""

    def __init__(self, ppm: float = 0.0) -> None:
        self._from_ns = 0
        self._to_ns = 0
        self._ppm = ppm

    def restarted(self) -> "CameraClock":
        """The same crystal, from media time 0."""
        return CameraClock(self._ppm)

    def believed_ns(self, media_ns: int) -> int:
        elapsed_ns = media_ns - self._from_ns
        return self._to_ns + elapsed_ns + round(elapsed_ns * self._ppm / 1e6)

    def skew(self, media_ns: int, ppm: float) -> None:
        self._to_ns, self._from_ns, self._ppm = self.believed_ns(media_ns), media_ns, ppm

    def jump(self, media_ns: int, seconds: float) -> None:
        self._to_ns, self._from_ns = self.believed_ns(media_ns) + round(seconds * NS), media_ns


class Misbehaviour:
    """The lasting faults of one camera. Its dice are seeded: a run can be repeated."""

    def __init__(self, seed: int) -> None:
        self._dice = random.Random(seed)
        self.heal()

    def heal(self) -> None:
        self.stalled = False
        self.asleep = False
        self.refusing = False
        self.loss_percent = 0.0
        self.corrupt_percent = 0.0
        self.clock_ahead_s = 0.0
        self.sdp_fault: str | None = None
        self.no_parameter_sets = False

    def take(self, step: Step) -> bool:
        """Make a lasting fault of ``step``; False where it is not one of ours."""
        match step.do:
            case "stall":
                self.stalled = True
            case "asleep":
                self.asleep = True
            case "refuse":
                self.refusing = True
            case "loss":
                self.loss_percent = step.number
            case "corrupt":
                self.corrupt_percent = step.number
            case "clock":
                self.clock_ahead_s = step.number
            case "sdp":
                self.sdp_fault = step.value
            case "no_parameter_sets":
                self.no_parameter_sets = True
            case "heal":
                self.heal()
            case _:
                return False
        return True

    @property
    def silent(self) -> bool:
        return self.stalled or self.asleep or self.refusing

    def spoil(self, sample: Sample) -> list[bytes]:
        """The NAL units of a picture as they are sent; those of ``sample`` are left alone."""
        units = sample.units
        if self.no_parameter_sets:
            units = [unit for unit in units if not is_parameter_set(sample.codec, unit)]
        if self.corrupt_percent and self._dice.uniform(0, 100) < self.corrupt_percent:
            units = [unit if is_parameter_set(sample.codec, unit) else self._scramble(unit) for unit in units]
        return units

    def lose(self, packets: list[T]) -> list[T]:
        """What is left of ``packets``; the sequence numbers of the lost ones are missing."""
        if not self.loss_percent:
            return packets
        return [packet for packet in packets if self._dice.uniform(0, 100) >= self.loss_percent]

    def _scramble(self, unit: bytes) -> bytes:
        broken = bytearray(unit)
        for _ in range(max(4, len(unit) // 50)):
            if len(unit) > _HEAD_BYTES:
                # never 0..3: a false start code would be a fault of another kind
                broken[self._dice.randrange(_HEAD_BYTES, len(unit))] = self._dice.randrange(4, 256)
        return bytes(broken)
