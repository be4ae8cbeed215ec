"""The section ``[acceptance]`` of answers.toml, and the form of the page."""

from typing import Annotated

import msgspec

Plain = Annotated[str, msgspec.Meta(max_length=100, pattern=r"^[^\x00-\x1f\x7f]*$")]


class Given(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``minutes``: how long cameras are measured. ``channels``: send a test to each. ``again``: measure
    although a report of the same cameras and disks is there. ``by_hand``: a person signs; done only then."""

    minutes: Annotated[float, msgspec.Meta(ge=0.02, le=1440)] = 2.0
    installer: Plain = ""
    channels: bool = True
    again: bool = False
    by_hand: bool = False
