"""``appliance clip``: a span of one camera as one MP4, beside a running box or without one."""

import argparse
import asyncio
import os
from pathlib import Path

from appliance.base.clock import BoxClock, parse_rfc3339, rfc3339
from appliance.base.errors import ApplianceError, invalid
from appliance.cli.box import add_data, open_box
from appliance.daemon.stores import Stores
from appliance.media.play.archive import Archive
from appliance.media.ring.unindexed import DiskIndex
from appliance.media.ring.volumes import known_volumes

EXAMPLE = "appliance clip gate 2026-01-20T14:30:00Z 2026-01-20T14:31:00Z -o gate.mp4 --data /var/lib/aries"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_data(parser)
    parser.add_argument("camera", metavar="CAMERA")
    parser.add_argument("start", metavar="START", help="RFC 3339")
    parser.add_argument("end", metavar="END", help="RFC 3339")
    parser.add_argument("-o", "--output", metavar="FILE", required=True, type=Path)
    parser.add_argument("--stream", choices=("main", "sub"), default="main")
    parser.add_argument("--force", action="store_true", help="replace FILE if it exists")


def run(args: argparse.Namespace) -> int:
    start_ns, end_ns = parse_rfc3339(args.start, "start"), parse_rfc3339(args.end, "end")
    if end_ns <= start_ns:
        raise invalid("the end is not behind the start", "give START END, in that order", field="end")
    if args.output.exists() and not args.force:
        raise ApplianceError("conflict", f"{args.output} exists", "choose another name, or add --force")
    with open_box(args) as (_config, stores):
        clip = asyncio.run(_write(stores, args, start_ns, end_ns))
    print(clip)
    return 0


async def _write(stores: Stores, args: argparse.Namespace, start_ns: int, end_ns: int) -> str:
    clock = BoxClock()
    volumes = known_volumes(stores.appliance, clock)
    index = DiskIndex(stores.archive, volumes, clock)
    archive = Archive(stores.appliance, stores.archive, volumes, index, clock)
    partial = args.output.with_name(args.output.name + ".part")
    try:
        clip = await archive.clip(args.camera, args.stream, start_ns, end_ns)
        with partial.open("wb") as file:
            async for piece in clip.read():
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(args.output)
    except OSError as error:
        raise ApplianceError(
            "unavailable", f"{args.output} cannot be written: {error.strerror}", "choose another place"
        ) from error
    finally:
        partial.unlink(missing_ok=True)
        archive.close()
    lines = [f"{args.output}: {clip.size_bytes} bytes from {rfc3339(clip.start_ns)}"]
    lines += [f"  gap {rfc3339(g.start_ns)} - {rfc3339(g.end_ns)}: {g.cause}" for g in clip.gaps]
    if end_ns > clock.now_ns():
        lines.append("  its end is still to be recorded: ask again then")
    return "\n".join(lines)
