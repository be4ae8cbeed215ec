"""What steps stand on, for real: a box of its own with its daemon as a child, one for all tests of the room.

Each test takes away the cameras that it added: archived ones are not listed.
"""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from appliance.base.clock import BoxClock
from appliance.system.programs import Programs
from provisioning.daemon import BoxDaemon
from provisioning.ground import Ground

HERE = Path(__file__).parent
PASSWORD = "a horse in the rain"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # One loop for the room: the daemon's child and its session live in the loop that started them.
    for item in items:
        if HERE in item.path.parents and "box_ground" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def box_daemon(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[BoxDaemon]:
    folder = tmp_path_factory.mktemp("box")
    daemon = BoxDaemon(folder, BoxClock())
    await daemon.initialise("admin", PASSWORD)
    yield daemon
    await daemon.close()


@pytest_asyncio.fixture(loop_scope="session")
async def box_ground(box_daemon: BoxDaemon, tmp_path: Path) -> AsyncIterator[Ground]:
    """A ground with no camera, zone, rule, person or channel of an earlier test on it."""
    yield Ground(tmp_path, BoxClock(), Programs(), box_daemon, root=tmp_path, run=tmp_path)
    for noun in ("rules", "zones", "cameras", "channels", "users"):
        for one in (await box_daemon.ask("GET", f"/{noun}"))[noun]:
            if one.get("username") != "admin" or noun != "users":
                await box_daemon.ask("DELETE", f"/{noun}/{one['id']}")


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def twice(box_ground: Ground):
    """``await twice(step, given)``: plan, apply, verify; then the plan again, which must be empty. What was
    planned first, what was said, and the checks."""

    async def run(step: Any, given: Any) -> tuple[list[str], list[str], tuple[Any, ...]]:
        lines: list[str] = []
        plan = await step.plan(box_ground, given)
        await step.apply(box_ground, given, lines.append)
        checks = await step.verify(box_ground, given)
        again = await step.plan(box_ground, given)
        assert again.changes == (), "done twice, the second time changes nothing"
        return [change.text for change in plan.changes], lines, checks

    return run


@pytest.fixture
def until():
    async def wait(holds: Any) -> None:
        while not await holds():
            await asyncio.sleep(0.05)

    return wait
