import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest

from appliance.base.errors import ApplianceError
from appliance.simulator.child import SimulatorChild
from appliance.simulator.spec import parse_spec

Watch = Callable[..., Awaitable[list[Any]]]
ROOT = Path(__file__).parents[2]


@pytest.fixture
async def child() -> AsyncIterator[SimulatorChild]:
    made = SimulatorChild([parse_spec("gate?size=128x64&fps=30&user=admin&password=hush")])
    await made.start()
    yield made
    await made.close()


async def test_it_serves_obeys_and_ends(child: SimulatorChild, watch: Watch) -> None:
    assert child.pid is not None
    assert "hush" not in " ".join(psutil.Process(child.pid).cmdline())
    assert "hush" not in child.url("gate")
    assert len(await watch(child.url("gate"), 5, credentials="admin:hush")) == 5
    assert (await child.control({"camera": "gate", "do": "status"}))["pictures_sent"] >= 5
    await child.control({"camera": "gate", "do": "password", "value": "other"})
    assert await watch(child.url("gate"), 5, credentials="admin:hush") == ["HTTPUnauthorizedError"]
    for order, kind in (
        ({"camera": "gate", "do": "stal"}, "invalid"),
        ({"camera": "none", "do": "stall"}, "not_found"),
        ({"camera": "gate", "do": "stall", "seconds": 3}, "invalid"),
        ({"do": "add", "spec": "gate"}, "conflict"),
    ):
        with pytest.raises(ApplianceError) as caught:
            await child.control(order)
        assert caught.value.kind == kind
    process = psutil.Process(child.pid)
    await child.close()
    assert not process.is_running()


async def test_sim_urls_become_streams_once(child: SimulatorChild, watch: Watch) -> None:
    main = await child.open_url("sim://yard?size=320x180")
    sub = await child.open_url("sim://yard?size=128x64")
    assert main != sub
    assert await child.open_url("sim://yard?size=320x180") == main
    for url, width in ((main, 320), (sub, 128)):
        (frame,) = await watch(url, 1, decode=True)
        assert frame.width == width
    with pytest.raises(ApplianceError):
        await child.open_url("sim://yard?sise=1")
    own = await child.open_url("sim://door?size=128x64", username="me", password="mine")
    assert len(await watch(own, 2, credentials="me:mine")) == 2
    assert await watch(own, 2) == ["HTTPUnauthorizedError"]


async def test_after_a_crash_it_comes_back_as_it_was(child: SimulatorChild, watch: Watch) -> None:
    url = await child.open_url("sim://yard?size=128x64")
    assert child.pid is not None
    os.kill(child.pid, signal.SIGKILL)
    with pytest.raises(ApplianceError, match="ended with status -9"):
        await child.run_once()
    with pytest.raises(ApplianceError) as caught:
        await child.control({"do": "list"})
    assert caught.value.kind == "unavailable"
    await child.start()
    assert await child.open_url("sim://yard?size=128x64") == url
    assert len(await watch(url, 3)) == 3


def test_it_dies_with_its_parent() -> None:
    script = (
        "import asyncio\n"
        "from appliance.simulator.child import SimulatorChild\n"
        "async def main():\n"
        "    child = SimulatorChild()\n"
        "    await child.start()\n"
        "    print(child.pid, flush=True)\n"
        "    await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, cwd=ROOT)
    assert parent.stdout is not None
    process = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    parent.wait()
    parent.stdout.close()
    try:
        process.wait(5)
    except psutil.NoSuchProcess:
        pass
    assert not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def test_the_command_line(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "appliance.simulator"]
    wrong = subprocess.run([*command, "--camera", "x?fsp=3"], capture_output=True, text=True, cwd=ROOT)
    assert wrong.returncode == 2
    assert "did you mean 'fps'" in wrong.stderr
    assert "Traceback" not in wrong.stderr
    process = subprocess.Popen(
        [*command, "--control", str(tmp_path / "control"), "--camera", "gate?user=a&password=hush"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, cwd=ROOT,
    )  # fmt: skip
    assert process.stdout is not None
    ready = msgspec.json.decode(process.stdout.readline())
    assert ready == {
        "ready": True, "port": ready["port"], "cameras": {"gate": f"rtsp://127.0.0.1:{ready['port']}/gate"},
    }  # fmt: skip

    async def ask() -> Any:
        reader, writer = await asyncio.open_unix_connection(tmp_path / "control")
        writer.write(b'{"do":"list"}\nnonsense\n')
        answers = [msgspec.json.decode(await reader.readline()) for _ in range(2)]
        writer.close()
        return answers

    good, bad = asyncio.run(ask())
    assert good == {"ok": True, "cameras": ready["cameras"]}
    assert bad["error"]["kind"] == "invalid"
    process.send_signal(signal.SIGTERM)
    assert process.wait(5) == 0
    process.stdout.close()
    assert not (tmp_path / "control").exists()


def test_starting_one_needs_neither_av_nor_numpy() -> None:
    code = "import sys, appliance.simulator.child; print(sorted({'av', 'numpy'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "[]"
