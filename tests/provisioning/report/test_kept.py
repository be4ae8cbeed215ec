import msgspec
import pytest

from appliance.base.errors import ApplianceError
from provisioning.report import seal
from provisioning.report.document import Result
from provisioning.report.kept import JSON_NAME, Reports

replace = msgspec.structs.replace
NOW = "2026-01-20T14:30:00.123Z"


@pytest.fixture
def reports(tmp_path):
    return Reports(tmp_path)


def put(reports, report, key):
    paper = seal.seal_pdf(b"%PDF-1.7\n", "ab", key)
    reports.put(report, seal.seal_report(report, paper, key), paper)


def test_results_come_one_after_another_over_a_restart(reports, tmp_path):
    draft = reports.begin(NOW)
    assert (draft.id, reports.begin("2026-01-21T00:00:00.000Z").id) == (
        "20260120T143000Z",
        "20260120T143000Z",
    )
    reports.note(draft, Result("ups", "UPS", "failed", "on battery"), minutes=2.0)
    again = Reports(tmp_path).draft()
    assert again.minutes == 2.0 and again.results["ups"].text == "on battery"
    reports.note(again, Result("ups", "UPS", "passed", "on mains"))
    assert reports.draft().results["ups"].state == "passed"


def test_a_signed_report_is_never_written_again(reports, report, key):
    open_one = replace(report, signature=None)
    reports.begin(NOW)
    put(reports, open_one, key)
    put(reports, open_one, key)
    assert reports.draft() is not None
    put(reports, report, key)
    assert reports.draft() is None
    with pytest.raises(ApplianceError, match="signed this report already"):
        put(reports, open_one, key)
    assert reports.newest().report.signature.name == "A. Kundin"
    assert reports.begin(NOW).id == "20260120T143000Z-1"  # within the same second


def test_the_first_is_the_first_that_was_signed(reports, report, key):
    for number, signature in enumerate((None, report.signature, report.signature)):
        put(reports, replace(report, id=f"2026012{number}T000000Z", signature=signature), key)
    assert reports.first().report.id == "20260121T000000Z"
    assert reports.first(but="20260121T000000Z").report.id == "20260122T000000Z"


def test_a_damaged_report_is_told_and_passed_over(reports, report, key):
    put(reports, replace(report, id="20260119T000000Z"), key)
    put(reports, report, key)
    path = reports.root / report.id / JSON_NAME
    path.write_bytes(path.read_bytes().replace(b"Kundin", b"Kunde!"))
    kept = reports.all()[-1]
    assert kept.sealed is None and "changed" in kept.damage
    assert reports.newest().report.id == "20260119T000000Z"


@pytest.mark.parametrize("name", ["../appliance.db", "open.json", "x.jpg", "..", ""])
def test_only_files_of_a_report_are_given_out(reports, name):
    reports.begin(NOW)
    with pytest.raises(ApplianceError) as refused:
        reports.file("20260120T143000Z", name)
    assert refused.value.kind == "not_found"
    with pytest.raises(ApplianceError):
        reports.folder(name)
