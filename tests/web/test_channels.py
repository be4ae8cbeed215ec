"""/channels over a real socket; the mail goes to nobody, which is a state too."""

import pytest

from appliance.base.model import Alert
from appliance.store import channels

MAIL = {"host": "127.0.0.1", "port": 1, "from": "box@site.test", "to": ["g@site.test"], "username": "box"}
HOOK = {"url": "https://127.0.0.1:1/in"}


async def add(site, name="Guards", kind="mail", **fields):
    body = {"name": name, "kind": kind, "options": MAIL if kind == "mail" else HOOK} | fields
    answer = await site.ask("POST", "/channels", json=body)
    return answer.status, await answer.json()


async def test_a_channel_is_made_shown_without_its_secret_changed_and_removed(site) -> None:
    quiet = {"windows": [{"days": ["mon"], "from": "22:00", "to": "06:00"}]}
    status, body = await add(site, secret="sesame-open", quiet=quiet)
    made = body["channel"]
    assert status == 201 and made["has_secret"] and made["quiet"] == quiet
    assert made["options"]["security"] == "starttls", "what was left out is shown as it holds"
    shown = await (await site.ask("GET", "/channels")).text()
    assert "sesame" not in shown and made["id"] in shown
    path = f"/channels/{made['id']}"
    again = {key: made[key] for key in ("id", "name", "kind", "options", "quiet")} | {"enabled": False}
    changed = (await (await site.ask("PUT", path, json=again)).json())["channel"]
    assert changed["has_secret"] and not changed["enabled"] and changed["quiet"] == quiet
    assert (await site.ask("DELETE", path)).status == 204
    assert (await site.ask("DELETE", path)).status == 404
    assert site.changed == ["channels"] * 3


async def test_a_stored_password_goes_to_no_other_server(site) -> None:
    made = (await add(site, secret="sesame-open"))[1]["channel"]
    body = {"name": "Guards", "kind": "mail", "options": MAIL | {"host": "elsewhere.test"}}
    answer = await site.ask("PUT", f"/channels/{made['id']}", json=body)
    assert answer.status == 400 and (await answer.json())["error"]["field"] == "secret"
    assert (await site.ask("PUT", f"/channels/{made['id']}", json=body | {"secret": "new one"})).status == 200


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"options": MAIL | {"to": ["nobody"]}, "secret": "x"}, "options.to[0]"),
        ({"options": {"url": "https://x/"}, "secret": "x"}, "options.url"),
        ({"options": MAIL}, "secret"),
        ({"kind": "pigeon"}, "kind"),
        (
            {"secret": "x", "quiet": {"windows": [{"days": ["mon"], "from": "24:00", "to": "06:00"}]}},
            "schedule",
        ),
    ],
)
async def test_nonsense_is_refused_with_its_field(site, fields, field) -> None:
    answer = await site.ask("POST", "/channels", json={"name": "G", "kind": "mail", "options": MAIL} | fields)
    error = (await answer.json())["error"]
    assert answer.status == 400 and error["field"].startswith(field) and error["hint"]


async def test_two_of_one_name_would_be_mixed_up(site) -> None:
    assert (await add(site, kind="webhook"))[0] == 201
    status, body = await add(site, kind="webhook")
    assert status == 409 and body["error"]["field"] == "name"


async def test_a_test_says_what_is_wrong_and_stands_in_the_audit(site) -> None:
    made = (await add(site, kind="webhook"))[1]["channel"]
    answer = await site.ask("POST", f"/channels/{made['id']}/test")
    tried = (await answer.json())["test"]
    assert answer.status == 200 and not tried["ok"]
    assert "nothing listens" in tried["detail"] and "port" in tried["hint"]
    audit = (await (await site.ask("GET", "/audit")).json())["audit"]
    assert any(row["detail"].get("tested") == "Guards" for row in audit)


async def test_figures_say_what_waits_and_why(site) -> None:
    made = (await add(site, kind="webhook"))[1]["channel"]

    def work(conn) -> None:
        for number in range(2):
            channels.owe(conn, Alert(f"a-{number}", "e", None, "gate", "critical", "new", number))
        owed = channels.next_waiting(conn, made["id"])
        channels.done(conn, owed.key, "refused", 7, "wrong token (ask for another)")

    await site.db.write(work)
    (shown,) = (await (await site.ask("GET", "/channels")).json())["channels"]
    state = shown["state"]
    assert (state["waiting"], state["refused"]) == (1, 1) and state["error"].startswith("wrong token")
