"""The report on paper: what a customer reads, page by page, and signs.

Nothing is in the PDF that is not in the JSON, whose SHA-256 stands on the last page.
"""

import datetime
import io
from pathlib import Path

from appliance.base.clock import SECOND_NS, parse_rfc3339
from provisioning.report.document import (
    CustomerSignature,
    Figure,
    Line,
    Picture,
    Report,
    Result,
    canonical,
)
from provisioning.report.sheet import COLOURS, GREY, INK, LINE, MARGIN_MM, STATES, Sheet

CAMERAS, WALK = "cameras", "walk"
PICTURE_MM = (84, 47)
SIGNATURE_MM = (120, 40)
KINDS = {"day": "by day", "night": "by night", "walk": "at the walk test"}


def render(report: Report, sha256: str, folder: Path) -> bytes:
    """The PDF's bytes, without the seal. ``folder`` holds the pictures; one that is gone is said to be."""
    title = f"Acceptance report {report.id}"
    sheet = Sheet(f"{title}, {report.site.name}", canonical(report).decode())
    sheet.set_creation_date(_moment(report.made_at))
    sheet.set_creator(f"Aries Edge {report.site.version}")
    _head(sheet, report)
    _summary(sheet, report)
    _next_steps(sheet, report)
    _differences(sheet, report)
    _cameras(sheet, report.result(CAMERAS))
    for result in report.results:
        if result.name != CAMERAS:
            _details(sheet, result)
    _pictures(sheet, report.pictures, folder)
    _signature(sheet, report, sha256)
    out = io.BytesIO()
    sheet.output(out)
    return out.getvalue()


def _moment(text: str) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(parse_rfc3339(text) // SECOND_NS, datetime.UTC)


def _head(sheet: Sheet, report: Report) -> None:
    sheet.use(22, bold=True)
    sheet.multi_cell(0, 10, sheet.shown(report.site.name), align="L", new_x="LMARGIN", new_y="NEXT")
    sheet.write_text("Acceptance report of the video security box", GREY, 12)
    sheet.ln(3)
    sheet.use(15, COLOURS[report.state], bold=True)
    sheet.cell(0, 8, STATES[report.state], new_x="LMARGIN", new_y="NEXT")
    facts = [
        f"Measured {_shown_time(report.made_at)} (UTC), each camera for {_minutes(report.minutes)}",
        f"Box {report.site.device_id}, version {report.site.version}",
        f"Time zone of the site: {report.site.time_zone}",
    ]
    if report.installer:
        facts.append(f"Installer: {report.installer}")
    sheet.write_text("\n".join(facts), GREY)


def _summary(sheet: Sheet, report: Report) -> None:
    sheet.write_heading("What was tested")
    rows = [(result.title, result.text, STATES[result.state]) for result in report.results]
    sheet.write_table(
        ("Test", "Result", ""), rows, (34, 104, 36), [result.state for result in report.results]
    )


def _next_steps(sheet: Sheet, report: Report) -> None:
    steps = [(result.title, result.hint) for result in report.results if result.hint]
    if not steps:
        return
    sheet.write_heading("What is left to do")
    sheet.write_table(("Test", "Next step"), steps, (34, 140))


def _differences(sheet: Sheet, report: Report) -> None:
    if report.first is None:
        return
    sheet.write_heading("Compared with the first test")
    sheet.write_text(
        f"The first test is of {_shown_time(report.first.made_at)} (UTC), report {report.first.report_id}.",
        GREY,
    )
    sheet.ln(1)
    found = report.first.differences
    sheet.write_text(
        "\n".join(f"- {text}" for text in found) if found else "Nothing that matters has changed."
    )


def _cameras(sheet: Sheet, result: Result | None) -> None:
    if result is None or not result.lines:
        return
    sheet.write_heading("Cameras, stream by stream")
    names = ("frame rate", "bit rate", "lost", "jitter", "clock skew", "key frame every")
    heads = ("Stream", "frames/s", "kbit/s", "lost %", "jitter ms", "clock s", "key frame s", "")
    rows = [(line.name, *(_cell(line, name) for name in names), STATES[line.state]) for line in result.lines]
    states = [line.state for line in result.lines]
    sheet.write_table(heads, rows, (44, 17, 18, 15, 17, 15, 20, 28), states, right=range(1, 7))
    remarks = [line for line in result.lines if line.state != "passed"]
    for line in remarks:
        sheet.write_text(f"{line.name}: {line.text}", size=9)


def _cell(line: Line, name: str) -> str:
    value = line.figure(name)
    return "-" if value is None else number(value)


def _details(sheet: Sheet, result: Result) -> None:
    # What shows on a picture needs no line that says so.
    lines = [line for line in result.lines if line.state == "failed"] if result.pictures else result.lines
    if result.name == WALK:
        lines = list(result.lines)
    if not lines and not result.figures:
        return
    sheet.write_heading(result.title)
    if lines:
        rows = [(line.name, _with_figures(line.text, line.figures), STATES[line.state]) for line in lines]
        sheet.write_table(("", "", ""), rows, (44, 94, 36), [line.state for line in lines])
    if result.figures:
        sheet.write_text(_with_figures("", result.figures), GREY, 9)


def _with_figures(text: str, figures: tuple[Figure, ...]) -> str:
    said = ", ".join(
        f"{figure.name} {number(figure.value)} {figure.unit}".strip()
        for figure in figures
        if figure.value is not None
    )
    return ". ".join(part for part in (text.rstrip("."), said) if part)


def _pictures(sheet: Sheet, pictures: tuple[Picture, ...], folder: Path) -> None:
    if not pictures:
        return
    sheet.write_heading("Pictures")
    wide, high = PICTURE_MM
    for at in range(0, len(pictures), 2):
        if sheet.will_page_break(high + 8):
            sheet.add_page()
        top = sheet.get_y()
        for column, picture in enumerate(pictures[at : at + 2]):
            left = MARGIN_MM + column * (wide + 6)
            path = folder / picture.file
            if path.is_file():
                sheet.image(path, left, top, wide, high, keep_aspect_ratio=True)
            else:
                sheet.rect(left, top, wide, high)
            sheet.set_xy(left, top + high)
            sheet.use(8, GREY)
            text = f"{picture.camera_name}, {KINDS[picture.kind]}, {_shown_time(picture.taken_at)} UTC"
            sheet.cell(wide, 5, sheet.shown(text if path.is_file() else f"{text} (the file is gone)"))
        sheet.set_xy(MARGIN_MM, top + high + 8)


def _signature(sheet: Sheet, report: Report, sha256: str) -> None:
    sheet.add_page()
    sheet.use(16, bold=True)
    sheet.cell(0, 10, "Hand-over", new_x="LMARGIN", new_y="NEXT")
    sheet.write_text(
        "The customer has seen the tests of this report and takes the box over as it is described here: "
        f"{STATES[report.state].lower()}."
    )
    sheet.ln(6)
    wide, high = SIGNATURE_MM
    left, top = sheet.get_x(), sheet.get_y()
    sheet.set_draw_color(*LINE)
    sheet.rect(left, top, wide, high)
    if report.signature is not None:
        _draw(sheet, report.signature, left, top)
    sheet.set_xy(left, top + high + 2)
    sheet.write_text(
        "Not signed by the customer yet."
        if report.signature is None
        else f"{report.signature.name}, {_shown_time(report.signature.at)} (UTC)"
    )
    sheet.ln(8)
    sheet.write_text(
        f"SHA-256 of the report: {sha256}\nKey of the box (SHA-256): {report.site.fingerprint}\n"
        "Every byte of this file is signed with that key. Check it: appliance-provision verify-report FILE",
        GREY,
        8.5,
    )


def _draw(sheet: Sheet, signature: CustomerSignature, left: float, top: float) -> None:
    wide, high = SIGNATURE_MM
    sheet.set_draw_color(*INK)
    sheet.set_line_width(0.5)
    for stroke in signature.strokes:
        points = [(left + x * wide, top + y * high) for x, y in stroke]
        if len(points) == 1:
            points.append(points[0])
        sheet.polyline(points)
    sheet.set_line_width(0.2)


def number(value: float) -> str:
    """Three digits that matter, and no more."""
    if abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def _minutes(minutes: float) -> str:
    return f"{minutes:g} min" if minutes else "no time yet"


def _shown_time(text: str) -> str:
    return f"{text[:10]} {text[11:16]}"
