"""The room as a whole."""

import subprocess
import sys


def test_a_box_pays_nothing_for_a_hub_it_does_not_run():
    code = "import sys, appliance.daemon.box; print(*(n for n in sys.modules if n.split('.')[0] in HEAVY))"
    heavy = {"asyncpg", "obstore", "aiomqtt", "redis", "aiokafka", "aiobotocore", "pulsar", "zmq"}
    done = subprocess.run(
        [sys.executable, "-c", f"HEAVY = {heavy!r}; {code}; assert 'appliance.hub.app' not in sys.modules"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == ""
