"""The daemon's side of a build, with real children that do what a build may do."""

import asyncio
import sys
from pathlib import Path

import pytest

from appliance.vision.host import building
from appliance.vision.host.building import Building

SAYS = "import sys,json,os,signal,time\ndef say(**step): print(json.dumps(step), flush=True)\n"


@pytest.fixture
def make(tmp_path):
    """A ``Building`` whose child is ``text``; each start leaves a line in ``starts``."""

    def made(text):
        script = tmp_path / "child.py"
        script.write_text(f"{SAYS}open({str(tmp_path / 'starts')!r}, 'a').write('x\\n')\n{text}")
        steps = []
        return Building(tmp_path / "engines", steps.append, (sys.executable, str(script))), steps

    return made


def starts(tmp_path):
    return len((tmp_path / "starts").read_text().splitlines())


PACK = Path("/packs/one")


async def test_steps_and_the_path(make, tmp_path):
    build, steps = make("say(share=0.25); say(share=0.5); say(share=1.0, path='/x.engine')")
    last = await build.ensure(PACK)
    assert last.path == "/x.engine"
    assert [step.share for step in steps] == [0.25, 0.5]
    assert (await build.ensure(PACK)).path == "/x.engine"
    assert starts(tmp_path) == 2  # asked again: the child knows whether it is there still


async def test_the_arguments(make, tmp_path):
    build, _ = make("say(share=1.0, path=' '.join(sys.argv[1:]))")
    assert (await build.ensure(PACK, dla=True)).path == f"{PACK} {tmp_path / 'engines'} --dla"


async def test_a_refusal_is_not_tried_again(make, tmp_path):
    build, _ = make("say(share=0, kind='invalid', message='no Frobnicate', hint='another'); sys.exit(1)")
    for _ in range(2):
        last = await build.ensure(PACK)
        assert (last.kind, last.message, last.hint) == ("invalid", "no Frobnicate", "another")
    assert starts(tmp_path) == 1


async def test_the_same_reason_is_tried_once_more_and_then_stands(make, tmp_path):
    build, _ = make("say(share=0, kind='exhausted', message='no room', hint='free some'); sys.exit(1)")
    for _ in range(2):
        assert (await build.ensure(PACK)).message == "no room"
    assert starts(tmp_path) == 2
    assert (await build.ensure(Path("/packs/two"))).message == "no room"
    assert starts(tmp_path) == 4  # another model has its own chances


async def test_another_reason_has_its_own_second_try(make, tmp_path):
    build, _ = make(
        f"n = len(open({str(tmp_path / 'starts')!r}).readlines())\n"
        "if n == 3: say(share=1.0, path='/x.engine')\n"
        "else: say(share=0, kind='unavailable', message=f'reason {n}', hint='')"
    )
    assert (await build.ensure(PACK)).path == "/x.engine"
    assert starts(tmp_path) == 3


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("os.kill(os.getpid(), signal.SIGSEGV)", "SIGSEGV"),
        ("say(share=0.1); sys.exit(3)", "status 3"),
        ("print('hello', flush=True); time.sleep(60)", "words that nobody knows"),
        ("print('x' * 200_000, flush=True); time.sleep(60)", "words that nobody knows"),
    ],
)
async def test_a_child_that_breaks_is_a_reason(make, tmp_path, text, words):
    build, _ = make(text)
    last = await build.ensure(PACK)
    assert last.kind == "internal" and words in last.message
    assert starts(tmp_path) == 2


async def test_a_child_that_hangs_is_ended(make, tmp_path, monkeypatch):
    monkeypatch.setattr(building, "SILENT_S", 0.3)
    monkeypatch.setattr(building, "GRACE_S", 0.1)
    build, _ = make("signal.signal(signal.SIGTERM, signal.SIG_IGN); say(share=0.1); time.sleep(60)")
    assert "did not go on" in (await build.ensure(PACK)).message
    assert starts(tmp_path) == 2


async def test_cancelled_it_leaves_no_child(make, tmp_path):
    build, steps = make(
        f"say(share=0.1, message=str(os.getpid()))\n"
        f"signal.signal(signal.SIGTERM, lambda *_: (open({str(tmp_path / 'asked')!r}, 'w'), sys.exit(1)))\n"
        "say(share=0.2)\ntime.sleep(60)"
    )
    task = asyncio.ensure_future(build.ensure(PACK))
    async with asyncio.timeout(20):
        while len(steps) < 2:
            await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (tmp_path / "asked").exists()  # by SIGTERM, not only killed
    assert not Path(f"/proc/{steps[0].message}").exists()


async def test_two_at_once_are_built_one_after_the_other(make, tmp_path):
    lock = tmp_path / "lock"
    build, _ = make(
        f"os.mkdir({str(lock)!r}); time.sleep(0.1); os.rmdir({str(lock)!r}); say(share=1, path='/x.engine')"
    )
    both = await asyncio.gather(build.ensure(PACK), build.ensure(Path("/packs/two")))
    assert [last.path for last in both] == ["/x.engine"] * 2


def test_the_daemon_s_side_loads_nothing_heavy():
    program = (
        "import sys, appliance.vision.host.building\n"
        "print(sorted({'numpy', 'av', 'tensorrt', 'tensorrt_rtx', 'onnxruntime'} & set(sys.modules)))"
    )
    process = asyncio.run(_output(sys.executable, "-c", program))
    assert process == b"[]\n"


async def _output(*command):
    child = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    return (await child.communicate())[0]
