"""What the site is called, whose time it keeps, and where the box has its time from.

The clock is ``appliance.system.clock_source``'s; that the box passes the time on to the cameras is decided
with their network (the step ``network``).
"""

import zoneinfo
from typing import Any, Literal

import msgspec

from appliance.base.clock import SECOND_NS, BoxClock, rfc3339
from appliance.base.errors import ApplianceError, invalid
from appliance.system import clock_source
from appliance.system.clock_source import ClockSource, ClockState
from provisioning.ground import Ground
from provisioning.step import Applied, BaseStep, Change, Check, Plan, Say

SETTINGS = "/settings"
NOT_WORTH_S = 1.0
MOST_AHEAD_S = 200 * 365 * 86_400.0
LANGUAGES = ("en",)


class SiteGiven(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``time_zone``: an IANA name. ``clock_ahead_s``: by how much a telephone's clock is ahead of the box's:
    the box's is moved by it; 0 leaves it. ``language``: of the box's pages; there is English only."""

    name: str = "Site"
    language: Literal["en"] = "en"
    time_zone: str = "Etc/UTC"
    clock: ClockSource = ClockSource()
    clock_ahead_s: float = 0.0


class SiteFound(msgspec.Struct, frozen=True):
    """``now``: the box's, RFC 3339. ``source``: what answers to; None: not decided yet."""

    name: str
    time_zone: str
    languages: tuple[str, ...]
    zones: tuple[str, ...]
    now: str
    clock: ClockState


class Site(BaseStep[SiteGiven]):
    name = "site"
    title = "Site and clock"
    given = SiteGiven

    async def probe(self, ground: Ground) -> SiteFound:
        site = (await ground.daemon.ask("GET", SETTINGS))["settings"]["site"]
        return SiteFound(
            site["name"],
            site["time_zone"],
            LANGUAGES,
            tuple(sorted(zone for zone in zoneinfo.available_timezones() if "/" in zone)),
            rfc3339(_now_ns(ground)),
            clock_source.state(ground.root, ground.programs),
        )

    async def plan(self, ground: Ground, given: SiteGiven) -> Plan:
        _check(given)
        site = (await ground.daemon.ask("GET", SETTINGS))["settings"]["site"]
        changes = []
        if site["name"] != given.name:
            changes.append(Change(f"call this site “{given.name}” (until now “{site['name']}”)"))
        if site["time_zone"] != given.time_zone:
            changes.append(Change(f"show times in {given.time_zone} (until now {site['time_zone']})"))
        try:
            planned = clock_source.plan(given.clock, ground.root)
        except ApplianceError as error:
            raise _at_clock(error) from error
        changes += [Change(text, detail) for text, detail in planned]
        if abs(given.clock_ahead_s) > NOT_WORTH_S:
            changes.append(Change(f"set the clock {_how_far(given.clock_ahead_s)}, by the telephone's"))
        notes: tuple[str, ...] = ()
        if given.clock.kind == "hand":
            notes = ("A clock set by hand runs off by some seconds a week. Look after it.",)
        return Plan(tuple(changes), notes)

    async def apply(self, ground: Ground, given: SiteGiven, say: Say) -> Applied:
        settings = (await ground.daemon.ask("GET", SETTINGS))["settings"]
        wanted = {"name": given.name, "time_zone": given.time_zone}
        if settings["site"] != wanted:
            say(f"The site is called {given.name}, its time is {given.time_zone}'s")
            try:
                await ground.daemon.ask("PUT", SETTINGS, {**settings, "site": wanted})
            except ApplianceError as error:
                field = (error.field or "").removeprefix("site.")
                raise ApplianceError(error.kind, error.message, error.hint, field=field or None) from error
        if clock_source.plan(given.clock, ground.root):
            say("Setting up where the time comes from")
            clock_source.apply(given.clock, ground.root, ground.programs)
        if abs(given.clock_ahead_s) > NOT_WORTH_S:
            say("Setting the clock")
            ahead_ns = round(given.clock_ahead_s * SECOND_NS)
            clock_source.set_by_hand(ground.programs, _now_ns(ground) + ahead_ns)
            _now_ns(ground)
        return Applied()

    async def verify(self, ground: Ground, given: SiteGiven | None) -> tuple[Check, ...]:
        site = (await ground.daemon.ask("GET", SETTINGS))["settings"]["site"]
        checks = [_site_check(site, given)]
        checks.append(_clock_check(ground, given))
        return tuple(checks)


def _check(given: SiteGiven) -> None:
    if not 1 <= len(given.name.strip()) <= 100 or not given.name.isprintable():
        raise invalid("the site's name has 1 to 100 characters on one line", "correct it", field="name")
    if given.time_zone not in zoneinfo.available_timezones():
        raise invalid(
            f"{given.time_zone[:40]!r} is no time zone",
            "choose one from the list, for example Europe/Berlin",
            field="time_zone",
        )
    if not abs(given.clock_ahead_s) < MOST_AHEAD_S:
        raise invalid("no clock is that far ahead", "look at the telephone's clock", field="clock_ahead_s")


def _at_clock(error: ApplianceError) -> ApplianceError:
    field = f"clock.{error.field}" if error.field else "clock"
    return ApplianceError(error.kind, error.message, error.hint, field=field)


def _site_check(site: dict[str, Any], given: SiteGiven | None) -> Check:
    ok = given is None or site == {"name": given.name, "time_zone": given.time_zone}
    text = f"{site['name']}, {site['time_zone']}"
    return Check("Site", ok, text, "" if ok else "carry out this step again")


def _clock_check(ground: Ground, given: SiteGiven | None) -> Check:
    """A server that does not answer yet is no fault: the uplink is the next step's."""
    state = clock_source.state(ground.root, ground.programs)
    says = rfc3339(_now_ns(ground))[:19].replace("T", " ")
    by_hand = given is not None and given.clock.kind == "hand"
    if by_hand or not (ground.root / "run/systemd/system").is_dir():
        return Check("Clock", True, f"it says {says} UTC")
    if not state.runs:
        hint = "look at `systemctl status chrony` on the box"
        return Check(
            "Clock", False, f"it says {says} UTC, and nothing keeps it right: chrony does not run", hint
        )
    if state.follows:
        return Check("Clock", True, f"it says {says} UTC, and follows {state.follows}")
    return Check("Clock", True, f"it says {says} UTC; no source has answered yet, the box keeps asking")


def _now_ns(ground: Ground) -> int:
    """The system's clock as it is now: the wizard's own follows it when it is told to."""
    if isinstance(ground.clock, BoxClock):
        ground.clock.poll()
    return ground.clock.now_ns()


def _how_far(ahead_s: float) -> str:
    word = "ahead" if ahead_s > 0 else "back"
    for unit, seconds in (("days", 86_400), ("hours", 3600), ("minutes", 60), ("seconds", 1)):
        if abs(ahead_s) >= 2 * seconds or seconds == 1:
            return f"{abs(ahead_s) / seconds:.0f} {unit} {word}"
    return word
