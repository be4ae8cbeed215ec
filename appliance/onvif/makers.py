"""Makers without ONVIF: where their streams are (``makers.toml``)."""

import tomllib
from functools import cache
from pathlib import Path

import msgspec

from appliance.base.errors import invalid, not_found
from appliance.base.model import Credentials
from appliance.onvif.where import device_url, host_of

MOST_CHANNELS = 64
_FILE = Path(__file__).with_name("makers.toml")


class Maker(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``main``, ``sub``: what follows host and port; ``{channel}`` counts from 1, ``{channel0}`` from 0,
    ``{channel2}`` has two digits. ``channels``: how many a device of this kind usually has. A place for a
    login stands empty (``user=&password=``)."""

    name: str
    main: str
    sub: str
    port: int = 554
    channels: int = 1
    note: str = ""


class Candidate(msgspec.Struct, frozen=True):
    """One camera (one channel of a DVR). No address holds a login: ``user=&password=`` stand empty in those
    of makers that want them there, and are filled when the stream is opened (``base.url_login``)."""

    maker: str
    channel: int
    main_url: str
    sub_url: str
    credentials: Credentials | None


@cache
def makers() -> tuple[Maker, ...]:
    """For a list to choose from, in the order of the file."""
    return msgspec.convert(tomllib.loads(_FILE.read_text())["maker"], tuple[Maker, ...])


def candidates(
    maker: str, host: str, credentials: Credentials | None, channels: int | None = None
) -> tuple[Candidate, ...]:
    """One per channel, from 1; ``channels`` None: as many as such a device usually has. ``host`` may name
    another port (``10.0.0.9:10554``).

    Raises ``not_found`` for a maker that is not in the list, ``invalid`` for a host or a number that is none.
    """
    form = next((each for each in makers() if each.name.lower() == maker.strip().lower()), None)
    if form is None:
        raise not_found("maker", maker[:40])
    count = form.channels if channels is None else channels
    if not 1 <= count <= MOST_CHANNELS:
        raise invalid(f"{count} channels are not possible", f"1 to {MOST_CHANNELS}", field="channels")
    netloc = device_url(host).partition("://")[2].partition("/")[0]
    if netloc.strip("[]") == host_of(f"//{netloc}"):
        netloc = f"{netloc}:{form.port}"
    return tuple(
        Candidate(
            maker=form.name,
            channel=channel,
            main_url=f"rtsp://{netloc}{_at(form.main, channel)}",
            sub_url=f"rtsp://{netloc}{_at(form.sub, channel)}",
            credentials=credentials,
        )
        for channel in range(1, count + 1)
    )


def _at(form: str, channel: int) -> str:
    return form.format(channel=channel, channel0=channel - 1, channel2=f"{channel:02d}")
