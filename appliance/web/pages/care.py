"""Settings, Care: support bundle, backup, and how a box is reset by who stands before it."""

import msgspec

from appliance.web.asked import Asked, Page
from appliance.web.routes import there

STICK_FILE = "ARIES-RESET.txt"  # as ``appliance reset --stick`` and the page look for it
STICK_EXAMPLE = "/media/usb"


async def care(asked: Asked) -> str:
    """Raises ``unavailable`` where the box runs without it."""
    asked.need("admin")
    state = await there(asked.box.care, "the care of this box").state()
    return asked.page(
        "settings_care.html",
        "settings",
        "Care",
        care=msgspec.to_builtins(state),
        device_id=asked.box.device_id,
        data_dir=str(asked.box.data_path),
        stick_file=STICK_FILE,
        stick_example=STICK_EXAMPLE,
    )


PAGES: tuple[tuple[str, Page], ...] = (("/settings/care", care),)
