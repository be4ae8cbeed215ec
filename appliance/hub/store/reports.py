"""What a box told of itself: rows of the kinds ``ledger`` and ``metrics``."""

from typing import Literal

from appliance.hub.store.steps import Steps, every


def bodies(box_id: str, kind: Literal["ledger", "metrics"], since_ns: int, limit: int) -> Steps[list[str]]:
    """JSON as it came, newest first, of those that stand behind ``since_ns`` in lists. Who asks has been
    let in to the box before."""
    rows = yield from every(
        f"SELECT body FROM rows WHERE box_id = $1 AND kind = '{kind}' AND shown_ns > $2"
        f" ORDER BY shown_ns DESC LIMIT {int(limit)}",
        box_id, since_ns,
    )  # fmt: skip
    return [row["body"] for row in rows]
