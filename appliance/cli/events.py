"""``appliance events``: JSON lines, oldest first; ``--follow`` goes on as they happen."""

import argparse
import sqlite3
import time
from functools import partial

from appliance.base.errors import invalid
from appliance.base.model import Event
from appliance.base.wire import event_json
from appliance.cli.box import add_data, open_box, print_json
from appliance.store import events, journal
from appliance.store.events import EventFilter

EXAMPLE = "appliance events --data /var/lib/aries --follow | jq .type"
POLL_S = 0.25
PAGE = 1000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_data(parser)
    parser.add_argument(
        "--camera", metavar="ID", action="append", default=[], help="only of this camera (repeats)"
    )
    parser.add_argument(
        "--type", metavar="TYPE", action="append", default=[], help="only of this type (repeats)"
    )
    parser.add_argument("--limit", metavar="N", type=int, default=100, help="the newest N (default 100)")
    parser.add_argument("--follow", action="store_true", help="go on as events happen, until Ctrl-C")


def run(args: argparse.Namespace) -> int:
    if args.limit < 1:
        raise invalid(f"{args.limit} events", "give 1 or more", field="limit")
    wanted = EventFilter(camera_ids=tuple(args.camera), types=tuple(args.type))

    def newest(conn: sqlite3.Connection) -> tuple[list[Event], int]:
        found: list[Event] = []
        cursor = None
        while len(found) < args.limit:
            page, cursor, _ = events.page(conn, wanted, min(PAGE, args.limit - len(found)), cursor)
            found += page
            if cursor is None:
                break
        return found, journal.newest(conn)

    with open_box(args) as (_, stores):
        found, position = stores.appliance.read_now(newest)
        for event in reversed(found):
            print_json(event_json(event))
        while args.follow:
            rows = stores.appliance.read_now(partial(_since, position))
            for row in rows:
                position = row.id
                if row.type == "event" and _wanted(row.data, args):
                    print_json(row.data)
            if not rows:
                time.sleep(POLL_S)
    return 0


def _since(position: int, conn: sqlite3.Connection) -> list[journal.JournalRow]:
    return journal.since(conn, position, PAGE)


def _wanted(data: dict[str, object], args: argparse.Namespace) -> bool:
    camera, kind = data.get("camera_id"), data.get("type")
    return (not args.camera or camera in args.camera) and (not args.type or kind in args.type)
