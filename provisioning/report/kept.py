"""Where reports lie: ``DIR/reports/ID/`` with ``report.json``, ``report.pdf`` and the pictures.

One report may be open (``DIR/reports/open.json``): results come in one after another, over a power cut too;
each time it is sealed anew. The customer's signature closes it, and no byte of it changes from then on.
"""

import re
from pathlib import Path
from typing import Any

import msgspec

from appliance.base.errors import ApplianceError
from provisioning.record import hand_over, write_whole
from provisioning.report.document import Report, Result
from provisioning.report.seal import SealedReport, read_report

FOLDER, OPEN = "reports", "open.json"
JSON_NAME, PDF_NAME = "report.json", "report.pdf"
_ID = re.compile(r"\d{8}T\d{6}Z(-\d{1,3})?")
_FILE = re.compile(r"[a-z0-9-]{1,63}-(day|night|walk)\.jpg|report\.(json|pdf)")


class Draft(msgspec.Struct, frozen=True):
    """What is known so far. ``minutes``: how long the cameras were measured, 0: not yet."""

    id: str
    made_at: str
    minutes: float = 0.0
    installer: str = ""
    covers: str = ""
    results: dict[str, Result] = {}


class Kept(msgspec.Struct, frozen=True):
    """``sealed`` None: ``report.json`` is damaged, ``damage`` says how."""

    id: str
    sealed: SealedReport | None
    damage: str = ""


class Reports:
    """The folder of one box. Everything blocks for a few milliseconds."""

    def __init__(self, data_dir: Path) -> None:
        self.root = data_dir / FOLDER

    def folder(self, id_: str) -> Path:
        """Raises ``not_found`` for what is no id of a report."""
        if not _ID.fullmatch(id_):
            raise ApplianceError("not_found", f"there is no report {id_[:40]!r}", "list the reports")
        return self.root / id_

    def file(self, id_: str, name: str) -> Path:
        """Raises ``not_found``."""
        path = self.folder(id_) / name
        if not _FILE.fullmatch(name) or not path.is_file():
            raise ApplianceError("not_found", f"report {id_} has no {name[:60]!r}", "take the test again")
        return path

    def all(self) -> list[Kept]:
        """Oldest first."""
        if not self.root.is_dir():
            return []
        ids = sorted(path.name for path in self.root.iterdir() if _ID.fullmatch(path.name))
        return [self._read(id_) for id_ in ids if (self.root / id_ / JSON_NAME).is_file()]

    def first(self, but: str = "") -> SealedReport | None:
        """The oldest that the customer signed; where none was signed, the oldest. Not ``but`` itself."""
        whole = [kept.sealed for kept in self.all() if kept.sealed is not None and kept.id != but]
        signed = [sealed for sealed in whole if sealed.report.signature is not None]
        return next(iter(signed or whole), None)

    def newest(self) -> SealedReport | None:
        return next((kept.sealed for kept in reversed(self.all()) if kept.sealed is not None), None)

    def _read(self, id_: str) -> Kept:
        try:
            return Kept(id_, read_report((self.root / id_ / JSON_NAME).read_bytes()))
        except ApplianceError as error:
            return Kept(id_, None, error.message)

    def make_root(self) -> Path:
        """``DIR/reports``, belonging to who owns the box's folder."""
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        hand_over(self.root)
        return self.root

    def _make(self, folder: Path) -> None:
        self.make_root()
        folder.mkdir(mode=0o700, exist_ok=True)
        hand_over(folder)

    # -- the open one ----------------------------------------------------------------------

    def draft(self) -> Draft | None:
        """None where none is open; a damaged one counts as none, and is begun anew."""
        try:
            return msgspec.json.decode((self.root / OPEN).read_bytes(), type=Draft)
        except (FileNotFoundError, msgspec.MsgspecError):
            return None

    def begin(self, now: str) -> Draft:
        """The open one, or a new one. ``now`` is RFC 3339."""
        found = self.draft()
        if found is not None:
            return found
        stem = re.sub(r"\.\d+Z$", "Z", now).replace("-", "").replace(":", "")
        id_, number = stem, 1
        while (self.root / id_).exists():
            id_, number = f"{stem}-{number}", number + 1
        self.save(draft := Draft(id_, now))
        return draft

    def save(self, draft: Draft) -> None:
        self._make(self.folder(draft.id))
        write_whole(self.root / OPEN, msgspec.json.encode(draft))

    def note(self, draft: Draft, *results: Result, **fields: Any) -> Draft:
        """``draft`` with ``results`` put in the place of older ones of their name."""
        merged = draft.results | {result.name: result for result in results}
        changed = msgspec.structs.replace(draft, results=merged, **fields)
        self.save(changed)
        return changed

    def put(self, report: Report, json: bytes, pdf: bytes) -> None:
        """The PDF first: a report that is there has its PDF. Raises ``conflict`` for a signed one."""
        folder = self.folder(report.id)
        before = self._read(report.id) if (folder / JSON_NAME).is_file() else None
        if before is not None and before.sealed is not None and before.sealed.report.signature is not None:
            raise ApplianceError(
                "conflict", "the customer has signed this report already", "take the test again for a new one"
            )
        self._make(folder)
        write_whole(folder / PDF_NAME, pdf)
        write_whole(folder / JSON_NAME, json)
        if report.signature is not None:
            (self.root / OPEN).unlink(missing_ok=True)
