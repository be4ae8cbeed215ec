"""The lists mark what was found afterwards, and say when the box knew."""

from appliance.web.pages.view import environment

EVENT = {
    "id": "e-1",
    "severity": "warning",
    "snapshot_url": None,
    "camera_id": "gate",
    "start_time": "2026-01-20T14:03:00.000Z",
    "created_at": "2026-01-20T14:30:00.000Z",
    "alert": None,
}


def row(*, found_late: bool) -> str:
    macros = environment().get_template("macros.html").module
    event = EVENT | {"found_late": found_late}
    return macros.event_row(event, lambda _: "Person entered Door", str, lambda text: text[11:16])


def test_an_event_found_late_says_so_and_when_it_was_seen():
    text = row(found_late=True)
    assert "Found late" in text and 'title="seen at 14:30"' in text
    assert ">14:03</time>" in text, "it stands where it happened"


def test_others_do_not():
    assert "late" not in row(found_late=False)
