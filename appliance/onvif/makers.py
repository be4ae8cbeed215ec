"""Makers without ONVIF: where their streams are (``makers.toml``)."""

import msgspec

from appliance.base.model import Credentials


class Candidate(msgspec.Struct, frozen=True):
    """One camera (one channel of a DVR). No address holds a login: ``user=&password=`` stand empty in those
    of makers that want them there, and are filled when the stream is opened (``media.camera.address``)."""

    maker: str
    channel: int
    main_url: str
    sub_url: str
    credentials: Credentials | None


def makers() -> tuple[str, ...]:
    """Names for a list to choose from."""
    raise NotImplementedError


def candidates(
    maker: str, host: str, credentials: Credentials | None, channels: int = 1
) -> tuple[Candidate, ...]:
    """One per channel, 1 to ``channels``. Raises ``not_found`` for a maker that is not in the list,
    ``invalid`` for a host that is none."""
    raise NotImplementedError
