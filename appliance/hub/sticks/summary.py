"""What an import did, per box, in figures and in words."""

from dataclasses import dataclass, field
from typing import Any

MOST_REASONS = 100  # told one by one; all are counted


@dataclass
class BoxSummary:
    """``known``: held before, over whichever way. Refusals are pairs of what and why."""

    device_id: str
    bundles: int = 0
    rows_new: int = 0
    rows_known: int = 0
    files_new: int = 0
    files_known: int = 0
    refused: int = 0
    receipts: int = 0
    reasons: list[tuple[str, str]] = field(default_factory=list)

    def refuse(self, what: str, why: str) -> None:
        self.refused += 1
        if len(self.reasons) < MOST_REASONS:
            self.reasons.append((what, why))

    def facts(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "device_id": self.device_id,
            "bundles": self.bundles,
            "rows": {"new": self.rows_new, "known": self.rows_known},
            "files": {"new": self.files_new, "known": self.files_known},
            "receipts": self.receipts,
            "refused": self.refused,
            "reasons": [{"what": what, "why": why} for what, why in self.reasons],
        }

    def lines(self) -> list[str]:
        """For a person."""
        told = [
            f"box {self.device_id}: {self.bundles} bundles,"
            f" rows {self.rows_new} new {self.rows_known} known,"
            f" files {self.files_new} new {self.files_known} known,"
            f" {self.refused} refused, {self.receipts} receipts"
        ]
        told += [f"  {what}: {why}" for what, why in self.reasons]
        if self.refused > len(self.reasons):
            told.append(f"  and {self.refused - len(self.reasons)} more")
        return told
