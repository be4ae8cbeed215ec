"""Children are started so that a terminal's Ctrl-C is not for them."""

import os

from appliance.vision.host.child import start_still


async def test_the_child_of_a_still_is_in_a_group_of_its_own():
    process = await start_still()
    try:
        assert os.getpgid(process.pid) == process.pid != os.getpgrp()
    finally:
        await process.communicate(b"")
    assert process.returncode == 1  # nothing is no picture
