"""``appliance hub import DIR``: what a person carried here from boxes without a link."""

from pathlib import Path

from appliance.base.clock import BoxClock
from appliance.base.errors import invalid
from appliance.cli.box import print_json
from appliance.hub.running import Places, open_hub
from appliance.hub.sticks.importing import import_stick


async def import_folder(places: Places, folder: Path | None, *, json: bool) -> int:
    """The exit status: 1 where something on the stick was refused."""
    if folder is None:
        raise invalid("which stick?", "write: appliance hub import /media/usb --data DIR", field="folder")
    async with open_hub(places, BoxClock()) as hub:
        summaries = await import_stick(hub, folder, places.data_dir)
    if json:
        print_json({"boxes": [summary.facts() for summary in summaries]})
    else:
        for summary in summaries:
            print("\n".join(summary.lines()))
        if not summaries:
            print("there is no bundle on it")
    return 1 if any(summary.refused for summary in summaries) else 0
