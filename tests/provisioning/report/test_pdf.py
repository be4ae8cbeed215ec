import io

import msgspec
import pytest

from provisioning.report import pdf, seal
from provisioning.report.document import Comparison, Picture

pypdf = pytest.importorskip("pypdf")


def words(data: bytes) -> str:
    return " ".join(" ".join(page.extract_text().split()) for page in pypdf.PdfReader(io.BytesIO(data)).pages)


def test_what_the_json_says_stands_on_paper(report, key, tmp_path):
    first = Comparison("20250101T000000Z", "2025-01-01T00:00:00.000Z", "ab", ("Camera 3: its clock is off.",))
    report = msgspec.structs.replace(report, first=first)
    sha256 = seal.digest_of(report)
    text = words(seal.seal_pdf(pdf.render(report, sha256, tmp_path), sha256, key))
    for part in (
        "Werk Süd", "Passed", "Camera 11", "15.0", "What is left to do", "Connect one.",
        "Camera 3: its clock is off.", "A. Kundin", "Hand-over", "Ravi", sha256, key.fingerprint,
    ):  # fmt: skip
        assert part in text, part


def test_the_same_report_is_the_same_paper(report, tmp_path):
    assert pdf.render(report, "ab", tmp_path) == pdf.render(report, "ab", tmp_path)


def test_letters_that_helvetica_has_not_are_shown_where_the_box_has_a_font(report, tmp_path):
    site = msgspec.structs.replace(report.site, name="गोदाम Łódź")
    data = pdf.render(msgspec.structs.replace(report, site=site), "ab", tmp_path)
    assert "Łód" in words(data) or "?ód?" in words(data)


def test_a_picture_that_is_gone_is_said_to_be(report, tmp_path):
    picture = Picture("gate", "Gate", "day", report.made_at, "gate-day.jpg", "00")
    results = (msgspec.structs.replace(report.results[0], pictures=(picture,)),)
    data = pdf.render(msgspec.structs.replace(report, results=results), "ab", tmp_path)
    assert "the file is gone" in words(data)


def test_not_signed_is_said(report, tmp_path):
    assert "Not signed by the customer yet" in words(
        pdf.render(msgspec.structs.replace(report, signature=None), "ab", tmp_path)
    )
