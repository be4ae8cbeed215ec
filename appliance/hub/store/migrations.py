"""What turns an older hub's database into the newest: numbered scripts, each applied once, recorded in
the table ``migrations`` in the transaction that applied it.

The scripts are SQL that both databases understand, but for two words that are replaced: ``BYTES`` and
``SERIAL_KEY``. A line that ends with ``-- postgres`` or ``-- sqlite`` is for that one alone.
"""

from pathlib import Path
from typing import Final, Literal

SCHEMAS: Final = Path(__file__).with_name("schema")

Dialect = Literal["sqlite", "postgres"]

_WORDS: dict[Dialect, dict[str, str]] = {
    "sqlite": {"BYTES": "BLOB", "SERIAL_KEY": "INTEGER PRIMARY KEY AUTOINCREMENT"},
    "postgres": {"BYTES": "BYTEA", "SERIAL_KEY": "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY"},
}


def scripts(dialect: Dialect) -> list[tuple[int, str]]:
    """(number, script), oldest first."""
    other = "sqlite" if dialect == "postgres" else "postgres"
    found = []
    for path in sorted(SCHEMAS.glob("[0-9]*.sql")):
        lines = [line for line in path.read_text().splitlines() if not line.endswith(f"-- {other}")]
        text = "\n".join(lines)
        for word, meaning in _WORDS[dialect].items():
            text = text.replace(word, meaning)
        found.append((int(path.stem), text))
    return found
