"""The first step: the folder becomes a box, and the box has somebody who answers for it. Or it becomes the
box of a backup, with everybody who could sign in there.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from appliance.base.errors import ApplianceError, invalid
from appliance.base.password_strength import check_strength
from appliance.base.redaction import forbid
from appliance.system.sticks import PLACES, backups, sticks
from provisioning.ground import Ground
from provisioning.step import Applied, BaseStep, Change, Check, Plan, Say

_FIELDS = {"admin_password_file": "password", "admin_name": "name", "username": "name"}


class AdministratorGiven(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``password``: at least 10 characters, and none of the common ones. It is not kept here. ``restore``:
    a backup's file, whose box this is to be; then only its ``passphrase`` counts."""

    name: str = "admin"
    password: str = ""
    restore: str = ""
    passphrase: str = ""


class OnStick(msgspec.Struct, frozen=True):
    """A backup that could be taken over. ``newest``: of its stick."""

    file: str
    name: str
    newest: bool


class Backups(msgspec.Struct, frozen=True):
    backups: tuple[OnStick, ...]


class AdministratorFound(msgspec.Struct, frozen=True):
    """``administrators``: those that the box has; none: it is no box yet."""

    is_box: bool
    administrators: tuple[str, ...] = ()


class Administrator(BaseStep[AdministratorGiven]):
    name = "administrator"
    title = "Administrator"
    given = AdministratorGiven

    def __init__(self, places: Sequence[Path] = PLACES) -> None:
        """``places``: where sticks are mounted."""
        self._places = places

    async def probe(self, ground: Ground) -> AdministratorFound:
        if not ground.daemon.is_box:
            return AdministratorFound(False)
        return AdministratorFound(True, await _administrators(ground))

    async def ask(self, ground: Ground, what: str, body: dict[str, Any]) -> msgspec.Struct:
        """``backups``: on the sticks that are plugged in."""
        if what != "backups":
            return await super().ask(ground, what, body)
        return Backups(await asyncio.to_thread(_backups, self._places, ground.data_dir))

    async def plan(self, ground: Ground, given: AdministratorGiven) -> Plan:
        if given.restore:
            return _plan_of_restore(ground, given)
        if not 1 <= len(given.name) <= 100 or given.name != given.name.strip():
            raise ApplianceError(
                "invalid",
                "a name has 1 to 100 characters, and no blanks around it",
                "correct it",
                field="name",
            )
        if not ground.daemon.is_box:
            check_strength(given.password, given.name, "password")
            return Plan(
                (
                    Change(f"make the box in {ground.data_dir}: its databases, its keys, its certificate"),
                    Change(f"{given.name} is its administrator, with the password that was given"),
                )
            )
        there = await _administrators(ground)
        if given.name in there:
            return Plan(notes=(f"{given.name} is an administrator already; the password stays as it is.",))
        check_strength(given.password, given.name, "password")
        return Plan(
            (Change(f"{given.name} becomes an administrator too, with the password that was given"),),
            (f"{', '.join(there)} can sign in as before.",),
        )

    async def apply(self, ground: Ground, given: AdministratorGiven, say: Say) -> Applied:
        if given.restore:
            await _restore(ground, given, say)
            return Applied()
        try:
            if not ground.daemon.is_box:
                say("Making the box: databases, keys, certificate")
                await ground.daemon.initialise(given.name, given.password)
                say("Starting it")
                await ground.daemon.ask("GET", "/system/status")
                say(f"It runs. {given.name} is its administrator")
            elif given.name not in await _administrators(ground):
                body = {"username": given.name, "password": given.password, "role": "admin"}
                await ground.daemon.ask("POST", "/users", body)
                say(f"{given.name} is an administrator too")
        except ApplianceError as error:
            field = _FIELDS.get(error.field or "", error.field)
            raise ApplianceError(error.kind, error.message, error.hint, field=field) from error
        return Applied()

    async def verify(self, ground: Ground, given: AdministratorGiven | None) -> tuple[Check, ...]:
        there = await _administrators(ground) if ground.daemon.is_box else ()
        wanted = given.name if given is not None and not given.restore else ""
        ok = bool(there) and (not wanted or wanted in there)
        text = f"{', '.join(there)} can sign in" if there else "nobody can sign in"
        return (Check("Administrator", ok, text, "" if ok else "carry out this step again"),)


def _backups(places: Sequence[Path], data_dir: Path) -> tuple[OnStick, ...]:
    found = []
    for stick in sticks(places, (data_dir,)):
        names = backups(Path(stick.folder))
        found += [OnStick(str(Path(stick.folder, name)), name, name == names[-1]) for name in reversed(names)]
    return tuple(found)


def _plan_of_restore(ground: Ground, given: AdministratorGiven) -> Plan:
    file = Path(given.restore)
    if ground.daemon.is_box:
        return Plan(notes=("This is a box already: nothing is restored.",))
    if not file.is_file():
        raise ApplianceError("not_found", f"{file} is not there", "plug its stick in again", field="restore")
    if not given.passphrase:
        hint = "it was chosen when the backup was made"
        raise invalid("a backup opens with its passphrase", hint, field="passphrase")
    forbid(given.passphrase)
    text = f"this becomes the box of {file.name}: its people and passwords, cameras, rules, events, keys"
    return Plan(
        (Change(text),),
        ("Its recordings are on its disks: those that came along are found. Two boxes must not run as one.",),
    )


async def _restore(ground: Ground, given: AdministratorGiven, say: Say) -> None:
    if ground.daemon.is_box:
        return
    say("Reading the backup: this takes a minute for each gigabyte or so")
    try:
        await ground.daemon.restore(Path(given.restore), given.passphrase)
    except ApplianceError as error:
        field = "passphrase" if error.kind == "denied" or error.field == "passphrase" else "restore"
        raise ApplianceError(error.kind, error.message, error.hint, field=field) from error
    say("Starting it")
    await ground.daemon.ask("GET", "/system/status")
    say(f"It runs. {', '.join(await _administrators(ground))} can sign in as before")


async def _administrators(ground: Ground) -> tuple[str, ...]:
    found = (await ground.daemon.ask("GET", "/users"))["users"]
    return tuple(
        user["username"]
        for user in found
        if user["role"] == "admin" and not user["disabled"] and not user["must_change_password"]
    )
