"""Reading exp-Golomb coded parameter sets (ITU-T H.264, 9.1)."""


class BitReader:
    """Bits of an RBSP, most significant first. Reading past the end raises ``ValueError``."""

    def __init__(self, nal: bytes, skip_bytes: int) -> None:
        rbsp = unescape(nal)[skip_bytes:]
        self._value = int.from_bytes(rbsp, "big")
        self._left = len(rbsp) * 8

    def bits(self, count: int) -> int:
        if count > self._left:
            raise ValueError("parameter set ends too early")
        self._left -= count
        return (self._value >> self._left) & ((1 << count) - 1)

    def flag(self) -> bool:
        return self.bits(1) == 1

    def ue(self) -> int:
        zeros = 0
        while not self.bits(1):
            zeros += 1
            if zeros > 32:
                raise ValueError("parameter set is damaged")
        return (1 << zeros) - 1 + (self.bits(zeros) if zeros else 0)

    def se(self) -> int:
        value = self.ue()
        return (value + 1) // 2 if value & 1 else -(value // 2)


def unescape(nal: bytes) -> bytes:
    """Take out the emulation prevention bytes (ITU-T H.264, 7.4.1)."""
    return nal.replace(b"\0\0\x03", b"\0\0")
