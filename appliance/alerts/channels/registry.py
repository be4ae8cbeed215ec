"""Kinds of channels: a channel's file is imported only when such a channel is used or checked."""

import importlib
from types import ModuleType
from typing import Any, Final, get_args

import msgspec

from appliance.alerts.channels import Given, NotificationChannel
from appliance.alerts.channels.options import read
from appliance.base.errors import invalid
from appliance.rules import schedule
from appliance.store.channels import Channel, Kind

KINDS: Final[tuple[str, ...]] = get_args(Kind)


def make(given: Given) -> NotificationChannel:
    """Raises ``invalid`` where its options make no sense."""
    made: NotificationChannel = _module(given.channel.kind).make(given)
    return made


def check(channel: Channel, *, has_secret: bool) -> Channel:
    """``channel`` with its options in full, as it is to be stored. Raises ``invalid`` with the field that is
    wrong."""
    if channel.quiet is not None:
        schedule.validate(channel.quiet)
    module = _module(channel.kind)
    options = read(channel.options, module.Options)
    module.check(options, has_secret=has_secret)
    return msgspec.structs.replace(channel, options=msgspec.to_builtins(options))


def goes_to(channel: Channel) -> tuple[Any, ...]:
    """Whom its secret is told to: the same for two channels that tell it to the same server."""
    module = _module(channel.kind)
    found: tuple[Any, ...] = module.goes_to(read(channel.options, module.Options))
    return (channel.kind, *found)


def _module(kind: str) -> ModuleType:
    if kind not in KINDS:
        raise invalid(f"{kind[:20]!r} is no kind of channel", f"one of {', '.join(KINDS)}", field="kind")
    return importlib.import_module(f"appliance.alerts.channels.{kind}")
