"""An engine is built while another backend looks; then the worker is asked to change to it."""

import asyncio
import os
import stat
import sys
from pathlib import Path

import pytest

from appliance.vision.host.engines import ROUNDS, Engines
from appliance.vision.messages import EngineLack, Trial

SAYS = "import sys,json,os,time\ndef say(**step): print(json.dumps(step), flush=True)\n"
GOOD = "say(share=0.25); say(share=0.5); say(share=1.0, path='/x.engine')"
PACK = (
    'name = "{0}"\nversion = "1"\nfamily = "yolox"\ninput_width = 64\ninput_height = 64\nlabels = ["goose"]\n'
    'licence = "none"\nsource = "a test"\n[[files]]\npath = "m.onnx"\nsha256 = "{1}"\n'
)


class Bench:
    def __init__(self, folder: Path) -> None:
        self.folder, self.heard = folder, []
        self.engines: Engines | None = None
        for name in ("one", "two"):
            (folder / "models" / name).mkdir(parents=True)
            (folder / "models" / name / "model.toml").write_text(PACK.format(name, "0" * 64))

    def make(self, text: str = GOOD) -> Engines:
        script = self.folder / "child.py"
        note = f"open({str(self.folder / 'starts')!r}, 'a').write(' '.join(sys.argv[1:]) + '\\n')\n"
        script.write_text(SAYS + note + text)
        self.engines = Engines(
            self.folder / "engines", [self.folder / "models"], self._news, (sys.executable, str(script))
        )
        return self.engines

    def _news(self) -> None:
        self.heard.append(self.engines.words)

    @property
    def starts(self) -> list[str]:
        path = self.folder / "starts"
        return path.read_text().splitlines() if path.exists() else []

    async def take(self) -> str:
        async with asyncio.timeout(20):
            while (model := self.engines.take()) is None:
                await asyncio.sleep(0.005)
        return model

    async def until(self, words: str) -> None:
        async with asyncio.timeout(20):
            while words not in self.engines.words:
                await asyncio.sleep(0.005)


@pytest.fixture
async def bench(tmp_path):
    made = Bench(tmp_path)
    yield made
    await made.engines.close()


LACK = EngineLack("one")


async def test_it_is_built_said_and_taken_once(bench, tmp_path):
    engines = bench.make()
    engines.lacking(LACK)
    engines.lacking(LACK)  # another worker says the same
    assert await bench.take() == "one" and engines.take() is None
    assert bench.starts == [f"{tmp_path / 'models' / 'one'} {tmp_path / 'engines'}"]
    assert bench.heard == [
        "TensorRT's engine of one is being built",
        "TensorRT's engine of one is being built: 25%",
        "TensorRT's engine of one is being built: 50%",
        "TensorRT's engine of one is built, and is about to be tried",
    ]
    assert stat.S_IMODE((tmp_path / "engines").stat().st_mode) == 0o700
    engines.lacking(None)
    assert engines.words == ""


async def test_a_refused_engine_is_taken_away_and_built_once_more_and_then_it_is_an_answer(bench, tmp_path):
    engines = bench.make()
    (tmp_path / "engines").mkdir()
    spoiled, other = tmp_path / "engines" / "s-10.16.engine", tmp_path / "engines" / "o-10.16.engine"
    spoiled.touch()
    other.touch()
    engines.lacking(LACK)
    for number in range(ROUNDS):
        assert await bench.take() == "one" and spoiled.exists() is (number == 0)
        refused = EngineLack("one", spoiled.name)
        engines.heard(Trial("one", "loading"))
        engines.heard(Trial("one", "refused", "TensorRT refuses the engine", lack=refused))
    assert engines.words == "TensorRT is given up for one: TensorRT refuses the engine"
    assert len(bench.starts) == ROUNDS and other.exists()
    engines.lacking(refused, "it refuses")  # every worker after this one says it again
    assert len(bench.starts) == ROUNDS and engines.take() is None
    engines.lacking(EngineLack("two"))
    assert await bench.take() == "two"  # another model has its own chances


async def test_one_that_was_rolled_back_says_why(bench):
    engines = bench.make()
    engines.lacking(LACK)
    for _ in range(ROUNDS):
        assert await bench.take() == "one"
        engines.lacking(None)  # it looks, on trial
        engines.lacking(LACK, "there was none")  # the one before is back
        engines.heard(Trial("one", "rolled_back", "it takes 900 ms"))
    await bench.until("it takes 900 ms")
    assert engines.take() is None


async def test_a_build_that_fails_is_an_answer(bench):
    engines = bench.make("say(share=0, kind='invalid', message='no Frobnicate', hint=''); sys.exit(1)")
    engines.lacking(LACK)
    await bench.until("TensorRT does not run one: no Frobnicate")
    engines.lacking(LACK)
    await asyncio.sleep(0.05)
    assert engines.take() is None and len(bench.starts) == 1


async def test_what_fails_without_a_word_on_engines_is_said(bench):
    engines = bench.make()
    engines.lacking(LACK)
    await bench.take()
    engines.heard(Trial("one", "refused", "no memory left"))
    assert engines.words == "TensorRT does not run one: no memory left" and len(bench.starts) == 1


async def test_a_change_that_people_chose_is_not_the_engine_s(bench):
    engines = bench.make()
    engines.lacking(LACK)
    await bench.take()
    engines.leave()
    engines.heard(Trial("one", "refused", "openvino is not installed"))
    assert "openvino" not in engines.words


@pytest.mark.parametrize("after", [None, EngineLack("two")])
async def test_what_is_not_wanted_any_more_is_called_off(bench, after):
    engines = bench.make(
        "if sys.argv[1].endswith('one'):\n"
        f"    open({str(bench.folder / 'pid')!r}, 'w').write(str(os.getpid()))\n"
        "    say(share=0.1); time.sleep(60)\n"
        "say(share=1.0, path='/x.engine')"
    )
    engines.lacking(LACK)
    await bench.until("10%")
    engines.lacking(after)
    if after is None:
        assert engines.words == ""
    else:
        assert await bench.take() == "two"
    await engines.close()
    with pytest.raises(ProcessLookupError):
        os.kill(int((bench.folder / "pid").read_text()), 0)


async def test_a_name_that_is_a_path_leads_nowhere(bench, tmp_path):
    """The worker reads strangers' bitstreams: what it says may be anything."""
    engines = bench.make()
    victim = tmp_path / "victim.engine"
    victim.touch()
    (tmp_path / "engines").mkdir()
    keep = tmp_path / "engines" / "timings"
    keep.touch()
    for refused in ("../victim.engine", str(victim), "timings", "..", "."):
        engines.lacking(EngineLack("one", refused))
        await engines.close()
        engines.lacking(EngineLack("../../etc", refused))
        await bench.until("TensorRT does not run ../../etc")
    assert victim.exists() and keep.exists()
    assert all(start.startswith(str(tmp_path / "models" / "one")) for start in bench.starts)


async def test_a_chip_without_memory_is_asked_again_later_and_nothing_is_built(bench, monkeypatch):
    monkeypatch.setattr("appliance.vision.host.engines.RETRY_S", 0.05)
    short, why = EngineLack("one", short=True), "tensorrt does not run it: the GPU is out of memory"
    engines = bench.make()
    engines.lacking(short, why)
    assert engines.words.startswith(f"{why}; it is tried again in") and engines.take() is None
    for _ in range(ROUNDS + 2):  # as often as it takes: the engine is well
        assert await bench.take() == "one" and engines.take() is None
        engines.heard(Trial("one", "refused", why, lack=short))
        assert "out of memory" in engines.words
    assert await bench.take() == "one"
    engines.heard(Trial("one", "active"))
    engines.lacking(None)
    assert engines.words == "" and not bench.starts


async def test_who_waits_for_memory_can_be_called_off(bench):
    engines = bench.make()
    engines.lacking(EngineLack("one", short=True), "out of memory")
    engines.lacking(EngineLack("two"))
    assert await bench.take() == "two" and len(bench.starts) == 1
