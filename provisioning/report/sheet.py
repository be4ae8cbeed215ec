"""A sheet of paper: fonts, colours, headings, tables. What stands on it is ``pdf``'s business."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fpdf import FPDF
from fpdf.enums import TableBordersLayout, XPos, YPos
from fpdf.fonts import FontFace

from provisioning.report.document import State

logging.getLogger("fontTools").setLevel(logging.ERROR)  # it tells of every table of a font that it leaves out

FONTS = tuple(
    Path(f"/usr/share/fonts/truetype/{name}")
    for name in ("dejavu/DejaVuSans{}.ttf", "noto/NotoSans{}.ttf", "liberation/LiberationSans{}.ttf")
)
INK, GREY, LINE = (19, 25, 28), (95, 105, 111), (205, 212, 216)
COLOURS: dict[State, tuple[int, int, int]] = {
    "passed": (29, 107, 64),
    "attention": (133, 86, 0),
    "failed": (176, 36, 27),
    "not_done": (95, 105, 111),
}
STATES: dict[State, str] = {
    "passed": "Passed",
    "attention": "Passed, with a remark",
    "failed": "Not passed",
    "not_done": "Not done",
}
MARGIN_MM = 18


class Sheet(FPDF):
    """A4; ``write_*`` leave the cursor below what they wrote. ``footer_text`` stands on each page.

    Latin letters use the fonts that every reader of PDF has; other scripts need one of ``FONTS``, and where
    the box has none, letters that cannot be shown stand as ``?`` (the JSON has them).
    """

    def __init__(self, footer_text: str, sample: str) -> None:
        super().__init__(format="A4")
        self.family, self.is_latin = "helvetica", True
        self._footer_text = footer_text
        self.set_auto_page_break(True, margin=MARGIN_MM + 4)
        self.set_margin(MARGIN_MM)
        self.set_title(footer_text)
        self._choose_font(sample)
        self.add_page()

    def _choose_font(self, sample: str) -> None:
        try:
            sample.encode("latin-1")
            return
        except UnicodeEncodeError:
            pass
        for pattern in FONTS:
            regular, bold = (Path(str(pattern).format(end)) for end in ("", "-Bold"))
            regular = regular if regular.exists() else Path(str(pattern).format("-Regular"))
            if regular.exists() and bold.exists():
                self.add_font("sans", "", regular)
                self.add_font("sans", "B", bold)
                self.family, self.is_latin = "sans", False
                return

    def shown(self, text: str) -> str:
        return text.encode("latin-1", "replace").decode("latin-1") if self.is_latin else text

    def footer(self) -> None:
        self.set_y(-MARGIN_MM + 4)
        self.use(8, GREY)
        self.cell(0, 4, self.shown(f"{self._footer_text}    {self.page_no()} / {{nb}}"), align="C")

    def use(self, size: float, colour: tuple[int, int, int] = INK, *, bold: bool = False) -> None:
        self.set_font(self.family, "B" if bold else "", size)
        self.set_text_color(*colour)

    def write_heading(self, text: str) -> None:
        if self.will_page_break(28):
            self.add_page()
        self.ln(4)
        self.use(13, bold=True)
        self.cell(0, 8, self.shown(text), new_x=XPos.LMARGIN, new_y=YPos.NEXT)
        self.ln(1)

    def write_text(self, text: str, colour: tuple[int, int, int] = INK, size: float = 10) -> None:
        self.use(size, colour)
        self.multi_cell(0, size * 0.5, self.shown(text), align="L", new_x=XPos.LMARGIN, new_y=YPos.NEXT)

    def write_table(
        self,
        heads: Sequence[str],
        rows: Sequence[Sequence[str]],
        widths: Sequence[int],
        states: Sequence[State] = (),
        right: Sequence[int] = (),
    ) -> None:
        """``states``: of each row, in whose colour its last cell stands; ``right``: columns of numbers."""
        self.use(8.5)
        self.set_draw_color(*LINE)
        align: Any = tuple("R" if column in right else "L" for column in range(len(heads)))
        with self.table(
            col_widths=tuple(widths),
            text_align=align,
            borders_layout=TableBordersLayout.HORIZONTAL_LINES,
            headings_style=FontFace(emphasis="BOLD", color=GREY),
            first_row_as_headings=any(heads),
            line_height=4.4,
            padding=(1, 1, 1, 1),
        ) as table:
            if any(heads):
                heading = table.row()
                for text in heads:
                    heading.cell(self.shown(text))
            for number, row in enumerate(rows):
                line = table.row()
                for column, text in enumerate(row):
                    is_state = bool(states) and column == len(row) - 1
                    style = FontFace(color=COLOURS[states[number]]) if is_state else None
                    line.cell(self.shown(text), style=style)
        self.ln(2)
