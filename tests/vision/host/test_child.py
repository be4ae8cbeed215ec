"""Children are started so that a terminal's Ctrl-C is not for them."""

import os

from appliance.vision.detectors.tensorrt import detector
from appliance.vision.host.child import ENGINES, environment, start_still


async def test_the_child_of_a_still_is_in_a_group_of_its_own():
    process = await start_still()
    try:
        assert os.getpgid(process.pid) == process.pid != os.getpgrp()
    finally:
        await process.communicate(b"")
    assert process.returncode == 1  # nothing is no picture


def test_only_who_runs_engines_is_told_where_they_are(tmp_path):
    assert ENGINES not in environment()
    assert environment(tmp_path)[ENGINES] == str(tmp_path)
    assert detector.ENGINES == ENGINES
