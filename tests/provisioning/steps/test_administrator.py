"""The administrator's step."""

import pytest

from appliance.base.errors import ApplianceError
from provisioning.steps.administrator import Administrator, AdministratorGiven

GIVEN = AdministratorGiven("bob", "a walk in the harbour")


def nothing(_: str) -> None: ...


@pytest.fixture
def step():
    return Administrator()


async def test_a_bare_folder_becomes_a_box(step, ground, daemon):
    daemon.is_box, daemon.users = False, []
    assert not (await step.probe(ground)).is_box
    assert len((await step.plan(ground, GIVEN)).changes) == 2
    await step.apply(ground, GIVEN, nothing)
    assert daemon.made == [("bob", "a walk in the harbour")]
    assert (await step.verify(ground, GIVEN))[0].ok and (await step.verify(ground, None))[0].ok
    assert (await step.plan(ground, GIVEN)).changes == ()


async def test_one_who_is_there_keeps_the_password(step, ground, daemon):
    plan = await step.plan(ground, AdministratorGiven("ann", ""))
    assert plan.changes == () and "stays" in plan.notes[0]
    await step.apply(ground, AdministratorGiven("ann", "another password"), nothing)
    assert all(method == "GET" for method, _ in daemon.asked)


async def test_another_one_is_added(step, ground, daemon):
    assert "bob" in (await step.plan(ground, GIVEN)).changes[0].text
    await step.apply(ground, GIVEN, nothing)
    assert [user["username"] for user in daemon.users] == ["ann", "bob"]
    assert (await step.plan(ground, GIVEN)).changes == ()


@pytest.mark.parametrize(
    "given",
    [
        ("bob", "short"),
        ("bob", ""),
        ("bob", "passwordpassword"),
        ("", "a walk in the harbour"),
        (" bob", "x" * 12),
    ],
)
async def test_what_cannot_be_is_said_before_a_plan(step, ground, daemon, given):
    daemon.is_box = False
    with pytest.raises(ApplianceError) as caught:
        await step.plan(ground, AdministratorGiven(*given))
    assert caught.value.field == ("password" if given[0] == "bob" else "name")


@pytest.mark.parametrize("field", ["admin_password_file", "password"])
async def test_the_daemon_s_own_words_come_to_the_field(step, ground, daemon, field):
    daemon.is_box = False
    daemon.refusal = ApplianceError("invalid", "too easy to guess", "use a sentence", field=field)
    with pytest.raises(ApplianceError) as caught:
        await step.apply(ground, GIVEN, nothing)
    assert (caught.value.message, caught.value.field) == ("too easy to guess", "password")


async def test_who_cannot_sign_in_is_no_administrator(step, ground, daemon):
    daemon.users[0]["disabled"] = True
    assert not (await step.verify(ground, None))[0].ok


async def test_a_password_is_in_no_plan_and_no_line(step, ground, daemon):
    daemon.is_box = False
    lines: list[str] = []
    plan = await step.plan(ground, GIVEN)
    await step.apply(ground, GIVEN, lines.append)
    assert GIVEN.password not in f"{plan} {lines} {await step.verify(ground, GIVEN)}"


# -- taking over from a backup ----------------------------------------------------------------


@pytest.fixture
def file(tmp_path):
    made = tmp_path / "aries-0190a1b2-20260120T143000Z.backup"
    made.write_bytes(b"sealed")
    return made


async def test_a_bare_folder_becomes_the_box_of_a_backup(step, ground, daemon, file):
    daemon.is_box, daemon.users = False, []
    given = AdministratorGiven(restore=str(file), passphrase="four dull words here")
    (change,) = (await step.plan(ground, given)).changes
    assert file.name in change.text and "dull" not in change.text
    lines = []
    await step.apply(ground, given, lines.append)
    assert daemon.made == [(file.name, "four dull words here")]
    assert "maria can sign in" in lines[-1] and "dull" not in str(lines)
    assert (await step.verify(ground, given))[0].ok
    again = await step.plan(ground, given)
    assert again.changes == () and again.notes
    await step.apply(ground, given, nothing)
    assert len(daemon.made) == 1


@pytest.mark.parametrize(
    ("given", "field"),
    [({"restore": "/no/such.backup", "passphrase": "x"}, "restore"), ({"passphrase": ""}, "passphrase")],
)
async def test_what_cannot_be_restored_is_said_before_a_plan(step, ground, daemon, file, given, field):
    daemon.is_box = False
    with pytest.raises(ApplianceError) as caught:
        await step.plan(ground, AdministratorGiven(**({"restore": str(file)} | given)))
    assert caught.value.field == field and caught.value.hint


async def test_a_wrong_passphrase_comes_to_its_field(step, ground, daemon, file):
    daemon.is_box = False
    daemon.refusal = ApplianceError("denied", "the passphrase is another one", "type it again")
    with pytest.raises(ApplianceError) as caught:
        await step.apply(ground, AdministratorGiven(restore=str(file), passphrase="wrong words"), nothing)
    assert caught.value.field == "passphrase"


async def test_backups_are_offered_from_sticks_and_from_nothing_else(ground, small_disk):
    step = Administrator((small_disk.parent,))
    names = ["aries-1-20260120T143000Z.backup", "aries-2-20250101T000000Z.backup"]
    for name in (*names, ".aries-1-20260121T143000Z.backup.part", "notes.txt"):
        (small_disk / name).touch()
    (small_disk.parent / "no-stick").mkdir()
    (small_disk.parent / "no-stick" / names[0]).touch()
    found = (await step.ask(ground, "backups", {})).backups
    assert [(one.file, one.newest) for one in found] == [
        (str(small_disk / names[0]), True),
        (str(small_disk / names[1]), False),
    ]
    with pytest.raises(ApplianceError, match="no question"):
        await step.ask(ground, "colours", {})
