"""The people of a site, and how those who do not look at the screen hear of alerts.

Objective: roles for everybody who works with the box, and at least one channel that was seen to work.
Invariants: people and channels are known by their names, and one that is there is changed, not doubled; a
password that is stored is never asked for again, compared or shown; a channel that was added or changed is
tried before the step says that it works.
Non-goals: what a channel sends (the daemon), the first administrator (their own step).
"""

from typing import Annotated, Any, ClassVar, Literal

import msgspec

from appliance.base.errors import ApplianceError, invalid
from appliance.base.model import ROLES, Role, Severity
from appliance.base.redaction import forbid
from provisioning.ground import Ground
from provisioning.step import Applied, BaseStep, Change, Check, Plan, Say

Text = Annotated[str, msgspec.Meta(min_length=1, max_length=100)]


class UserGiven(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``password``: good until they sign in, then they choose their own (``choose_own``); one who is there
    keeps theirs. ``cameras``: names of those that they may see; empty: all."""

    username: Text
    role: Role = "operator"
    password: str = ""
    cameras: tuple[str, ...] = ()
    choose_own: bool = True

    def __repr__(self) -> str:
        return f"UserGiven({self.username}, {self.role})"


class ChannelGiven(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``options``: of mail ``host, from, to, port, security, username, picture, ca``; of webhook ``url, ca``.
    ``secret``: password or token; with ``renew`` also where one is stored. ``quiet``: windows of the site's
    time in which only what is critical goes out: ``[{days, from, to}]``."""

    name: Text
    kind: Literal["mail", "webhook"]
    options: dict[str, Any]
    secret: str = ""
    least_severity: Severity = "warning"
    quiet: tuple[dict[str, Any], ...] = ()
    renew: bool = False

    def __repr__(self) -> str:
        return f"ChannelGiven({self.name}, {self.kind})"


class PeopleGiven(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    user: tuple[UserGiven, ...] = ()
    channel: tuple[ChannelGiven, ...] = ()


class Found(msgspec.Struct, frozen=True):
    """In the API's shape. ``cameras``: names by id."""

    users: tuple[dict[str, Any], ...]
    channels: tuple[dict[str, Any], ...]
    cameras: dict[str, str]
    roles: tuple[str, ...] = ROLES


class Tried(msgspec.Struct, frozen=True):
    ok: bool
    detail: str
    hint: str = ""


class People(BaseStep[PeopleGiven]):
    name: ClassVar[str] = "people"
    title: ClassVar[str] = "People and channels"
    optional: ClassVar[bool] = True
    given: type[PeopleGiven] = PeopleGiven

    def __init__(self) -> None:
        self._to_try: set[str] = set()  # names of channels that the last apply added or changed

    async def probe(self, ground: Ground) -> Found:
        cameras = (await ground.daemon.ask("GET", "/cameras"))["cameras"]
        users, channels = await _users(ground), await _channels(ground)
        names = {camera["id"]: camera["name"] for camera in cameras}
        return Found(tuple(users.values()), tuple(channels.values()), names)

    async def plan(self, ground: Ground, given: PeopleGiven) -> Plan:
        users, channels, cameras = await _users(ground), await _channels(ground), await _camera_ids(ground)
        changes, notes = [], []
        _distinct([user.username for user in given.user], "user", "username")
        _distinct([channel.name for channel in given.channel], "channel", "name")
        for number, user in enumerate(given.user):
            before = users.get(user.username.casefold())
            wanted = _user_body(user, cameras, f"user.{number}")
            if before is None and not user.password:
                hint = "give them one for their first sign-in"
                raise invalid(f"{user.username} needs a password", hint, field=f"user.{number}.password")
            if before is None:
                changes.append(Change(f"add {user.username} as {user.role}"))
            elif different(before, wanted):
                changes.append(Change(f"make {user.username} {user.role}, for {_which(wanted, cameras)}"))
        for channel in given.channel:
            before = channels.get(channel.name)
            if before is None:
                changes.append(Change(f"tell {whom(channel)} of alerts, and try it", _details(channel)))
            elif channel.renew or different(before, _channel_body(channel)):
                changes.append(Change(f"change the channel {channel.name}, and try it", _details(channel)))
        if not channels and not given.channel:
            notes.append("nobody is told of alerts but who looks at the screen: add a channel, now or later")
        return Plan(tuple(changes), tuple(notes))

    async def apply(self, ground: Ground, given: PeopleGiven, say: Say) -> Applied:
        users, channels, cameras = await _users(ground), await _channels(ground), await _camera_ids(ground)
        self._to_try = set()
        forbid(*(user.password for user in given.user), *(channel.secret for channel in given.channel))
        for number, user in enumerate(given.user):
            body = _user_body(user, cameras, f"user.{number}")
            before = users.get(user.username.casefold())
            if before is None:
                say(f"adding {user.username}")
                first = {"username": user.username, "password": user.password}
                more = {"must_change_password": user.choose_own}
                await _ask(ground, "POST", "/users", body | first | more, f"user.{number}")
            elif different(before, body):
                say(f"changing {user.username}")
                await _ask(ground, "PATCH", f"/users/{before['id']}", body, f"user.{number}")
        for number, channel in enumerate(given.channel):
            await self._put(ground, channel, channels.get(channel.name), f"channel.{number}", say)
        return Applied()

    async def verify(self, ground: Ground, given: PeopleGiven | None) -> tuple[Check, ...]:
        users, channels = await _users(ground), await _channels(ground)
        checks = [Check(user["username"], True, f"may sign in as {user['role']}") for user in users.values()]
        for name, channel in channels.items():
            if name in self._to_try:
                tried = await _try(ground, channel["id"])
                checks.append(Check(name, tried.ok, tried.detail, tried.hint))
            else:
                error = channel["state"]["error"]
                checks.append(Check(name, not error, error or _works(channel), "try it again"))
        self._to_try = set()
        return tuple(checks)

    async def ask(self, ground: Ground, what: str, body: dict[str, Any]) -> msgspec.Struct:
        """``test {id}``: try a channel that is there."""
        if what != "test":
            return await super().ask(ground, what, body)
        return await _try(ground, str(body.get("id", "")))

    async def _put(
        self, ground: Ground, channel: ChannelGiven, before: dict[str, Any] | None, field: str, say: Say
    ) -> None:
        body = _channel_body(channel)
        if before is not None and not channel.renew and not different(before, body):
            return
        if channel.secret and (
            before is None or channel.renew or not before["has_secret"] or _moves(before, body)
        ):
            body["secret"] = channel.secret
        say(f"{'adding' if before is None else 'changing'} the channel {channel.name}")
        if before is None:
            await _ask(ground, "POST", "/channels", body, field)
        else:
            await _ask(ground, "PUT", f"/channels/{before['id']}", body, field)
        self._to_try.add(channel.name)


def different(before: dict[str, Any], wanted: dict[str, Any]) -> bool:
    """Whether something of ``wanted`` is not so; what it does not speak of may be anything."""
    for key, value in wanted.items():
        now = before.get(key)
        if isinstance(value, dict) and isinstance(now, dict):
            if different(now, value):
                return True
        elif _plain(now) != _plain(value):
            return True
    return False


def whom(channel: ChannelGiven) -> str:
    to = channel.options.get("to")
    if channel.kind == "mail" and isinstance(to, list | tuple):
        return ", ".join(map(str, to))
    return channel.name


async def _users(ground: Ground) -> dict[str, dict[str, Any]]:
    """By name, whose case does not matter."""
    found = (await ground.daemon.ask("GET", "/users"))["users"]
    return {user["username"].casefold(): user for user in found}


async def _channels(ground: Ground) -> dict[str, dict[str, Any]]:
    found = (await ground.daemon.ask("GET", "/channels"))["channels"]
    return {channel["name"]: channel for channel in found}


async def _camera_ids(ground: Ground) -> dict[str, str]:
    """Name -> id."""
    found = (await ground.daemon.ask("GET", "/cameras"))["cameras"]
    return {camera["name"]: camera["id"] for camera in found}


async def _try(ground: Ground, channel_id: str) -> Tried:
    found = (await ground.daemon.ask("POST", f"/channels/{channel_id}/test", {}))["test"]
    return Tried(found["ok"], found["detail"], found["hint"])


async def _ask(ground: Ground, method: str, path: str, body: dict[str, Any], field: str) -> None:
    """The daemon's refusal, at the answer that it is about."""
    try:
        await ground.daemon.ask(method, path, body)
    except ApplianceError as error:
        at = f"{field}.{error.field}" if error.field else field
        raise ApplianceError(error.kind, error.message, error.hint, field=at) from None


def _user_body(user: UserGiven, cameras: dict[str, str], field: str) -> dict[str, Any]:
    for number, name in enumerate(user.cameras):
        if name not in cameras:
            hint = f"there are {', '.join(cameras)}" if cameras else "add cameras first"
            raise invalid(f"there is no camera {name!r}", hint, field=f"{field}.cameras.{number}")
    ids = sorted(cameras[name] for name in user.cameras) if user.cameras else None
    return {"role": user.role, "camera_ids": ids}


def _channel_body(channel: ChannelGiven) -> dict[str, Any]:
    return {
        "name": channel.name,
        "kind": channel.kind,
        "options": channel.options,
        "least_severity": channel.least_severity,
        "quiet": {"windows": list(channel.quiet)} if channel.quiet else None,
        "enabled": True,
    }


def _moves(before: dict[str, Any], body: dict[str, Any]) -> bool:
    """Another server: the stored password is not told to it, so it is given again."""
    keys = ("host", "port", "security", "url", "ca")
    now, wanted = before["options"], body["options"]
    return any(key in wanted and wanted[key] != now.get(key) for key in keys)


def _details(channel: ChannelGiven) -> str:
    """The options, without the secret."""
    lines = [f"{key} = {value}" for key, value in channel.options.items() if key != "ca"]
    return "\n".join([f"{channel.kind}, from {channel.least_severity} on", *lines])


def _which(wanted: dict[str, Any], cameras: dict[str, str]) -> str:
    if wanted["camera_ids"] is None:
        return "all cameras"
    return ", ".join(name for name, id_ in cameras.items() if id_ in wanted["camera_ids"])


def _works(channel: dict[str, Any]) -> str:
    sent_at = channel["state"]["sent_at"]
    return f"last told of an alert at {sent_at}" if sent_at else "set up; no alert went out yet"


def _distinct(names: list[str], noun: str, field: str) -> None:
    seen: set[str] = set()
    for number, name in enumerate(names):
        if name.casefold() in seen:
            hint = "take one of them out"
            raise invalid(f"{name} is there twice", hint, field=f"{noun}.{number}.{field}")
        seen.add(name.casefold())


def _plain(value: Any) -> Any:
    return sorted(value, key=str) if isinstance(value, list | tuple) else value
