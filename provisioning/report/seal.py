"""Signing a report with the box's key (Ed25519, RFC 8032), and telling whether a byte was changed.

The JSON is ``{"pdf_sha256", "public_key", "report", "signature"}`` in its one spelling; signed are
``pdf_sha256`` and ``report``. The PDF carries its own seal, so that it can be checked alone: a comment line
behind ``%%EOF``, which readers of PDF skip (ISO 32000-1, 7.2.4 and 7.5.5), over every byte before it.
"""

import base64
import hashlib
from typing import Protocol

import msgspec

from appliance.base.errors import ApplianceError
from appliance.store import identity
from provisioning.report.document import Report, canonical, read_canonical

JSON_CONTEXT = b"aries-edge acceptance report 1\n"
PDF_CONTEXT = b"aries-edge acceptance pdf 1\n"
PDF_SEAL = b"%aries-seal "
SIGNATURE_BYTES, KEY_BYTES = 64, 32


class Signer(Protocol):
    """``store.identity.Identity``."""

    public_key: bytes

    def sign(self, text: bytes) -> bytes: ...


class Said(msgspec.Struct, frozen=True):
    pdf_sha256: str
    report: Report


class SealedReport(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The JSON file."""

    pdf_sha256: str
    public_key: str
    report: Report
    signature: str

    @property
    def sha256(self) -> str:
        return digest_of(self.report)


class PdfSeal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    public_key: str
    report_sha256: str
    signature: str


class Verified(msgspec.Struct, frozen=True):
    """``fingerprint``: SHA-256 (hex) of the key that signed. ``report`` None: of a PDF."""

    fingerprint: str
    report_sha256: str
    report: Report | None = None
    pdf_sha256: str = ""


def digest_of(report: Report) -> str:
    """SHA-256 (hex) of the report's one spelling: what the PDF prints."""
    return hashlib.sha256(canonical(report)).hexdigest()


def seal_pdf(body: bytes, report_sha256: str, key: Signer) -> bytes:
    """``body`` with its seal behind it."""
    text = _pdf_text(body, report_sha256)
    seal = PdfSeal(_coded(key.public_key), report_sha256, _coded(key.sign(text)))
    return body + PDF_SEAL + canonical(seal) + b"\n"


def seal_report(report: Report, pdf: bytes, key: Signer) -> bytes:
    """The JSON file of ``report``, whose PDF is ``pdf``."""
    pdf_sha256 = hashlib.sha256(pdf).hexdigest()
    signature = key.sign(JSON_CONTEXT + canonical(Said(pdf_sha256, report)))
    return canonical(SealedReport(pdf_sha256, _coded(key.public_key), report, _coded(signature)))


def read_report(data: bytes) -> SealedReport:
    """Raises ``data_loss`` where a byte is not as it was signed."""
    try:
        found = read_canonical(data, SealedReport)
        key, signature = _decoded(found.public_key, KEY_BYTES), _decoded(found.signature, SIGNATURE_BYTES)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise _changed("this is not a report of a box, or it was changed") from None
    if not identity.verified(key, signature, JSON_CONTEXT + canonical(Said(found.pdf_sha256, found.report))):
        raise _changed("this report was changed after it was signed")
    return found


def verify(data: bytes) -> Verified:
    """Of a JSON or a PDF file. Raises ``data_loss`` where a byte is not as it was signed."""
    if data.startswith(b"%PDF-"):
        return _verify_pdf(data)
    found = read_report(data)
    key = _decoded(found.public_key, KEY_BYTES)
    return Verified(identity.fingerprint_of(key), found.sha256, found.report, found.pdf_sha256)


def _verify_pdf(data: bytes) -> Verified:
    body, mark, line = data.rpartition(PDF_SEAL)
    try:
        if not mark or not line.endswith(b"\n"):
            raise ValueError("no seal")
        seal = read_canonical(line[:-1], PdfSeal)
        key, signature = _decoded(seal.public_key, KEY_BYTES), _decoded(seal.signature, SIGNATURE_BYTES)
    except (msgspec.MsgspecError, ValueError):
        raise _changed("this PDF has no seal of a box, or the seal was changed") from None
    if not identity.verified(key, signature, _pdf_text(body, seal.report_sha256)):
        raise _changed("this PDF was changed after it was signed")
    return Verified(identity.fingerprint_of(key), seal.report_sha256)


def _pdf_text(body: bytes, report_sha256: str) -> bytes:
    return PDF_CONTEXT + report_sha256.encode() + b"\n" + hashlib.sha256(body).digest()


def _coded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _decoded(text: str, length_bytes: int) -> bytes:
    """Base64 in its one spelling. Raises ``ValueError``."""
    raw = base64.b64decode(text, validate=True)
    if len(raw) != length_bytes or _coded(raw) != text:
        raise ValueError("not the one spelling of so many bytes")
    return raw


def _changed(text: str) -> ApplianceError:
    return ApplianceError(
        "data_loss", text, "take the copy that lies on the box: Settings, or DIR/reports, and compare"
    )
