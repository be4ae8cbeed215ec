"""What ``check`` says."""

from typing import Literal

import msgspec

RuleName = Literal["R1", "R2", "R3", "R4", "R5", "R6", "R7", "R8"]


class Violation(msgspec.Struct, frozen=True):
    """One broken invariant. ``path`` is relative to its volume, ``stream`` is ``camera/stream``."""

    rule: RuleName
    severity: Literal["error", "warning"]
    message: str
    path: str | None = None
    stream: str | None = None
    repaired: bool = False

    @property
    def same(self) -> tuple[str, str | None, str]:
        """Equal for the same fault seen twice."""
        return self.rule, self.path, self.message

    def __str__(self) -> str:
        where = self.path or self.stream or ""
        done = " (repaired)" if self.repaired else ""
        return f"{self.rule} {where}: {self.message}{done}" if where else f"{self.rule}: {self.message}{done}"
