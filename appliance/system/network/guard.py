"""``python -m appliance.system.network.guard RUN``: waits, and undoes a change of the network that nobody
has confirmed.

It reads what to undo from a file and needs nothing of whoever wrote it: the wizard may have been killed.
It goes when the change was confirmed, or undone by another; a file that is merely gone does not send it away.
"""

import asyncio
import sys
from pathlib import Path

import msgspec

from appliance.base.clock import SECOND_NS, BoxClock, Clock
from appliance.system import files
from appliance.system.files import MachineFile
from appliance.system.network import trial

LOOKS_S = 0.25


async def stand(run: Path, clock: Clock) -> bool:
    """True where it had to be undone."""
    mine = trial.pending(run)
    if mine is None:
        return False
    until_ns = clock.monotonic_ns() + round(mine.seconds * SECOND_NS)
    here = trial.Waiting(mine.id, until_ns)
    files.put(MachineFile(trial.GUARD, msgspec.json.encode(here).decode()), run)
    while clock.monotonic_ns() < until_ns:
        await clock.sleep(LOOKS_S)
        trial.finish(run)
        if trial.ended(run, mine.id):
            return False
    return trial.undo(run, mine)


if __name__ == "__main__":
    asyncio.run(stand(Path(sys.argv[1]), BoxClock()))
