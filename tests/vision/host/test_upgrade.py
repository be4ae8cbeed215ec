"""The whole line of it, with a worker that says and does what one on a GPU would: it looks without its
engine, the engine is built, it is asked for the change, and people can read how far it is."""

import asyncio
import sys
from contextlib import asynccontextmanager

import pytest

from appliance.base.clock import BoxClock
from appliance.base.model import Camera, DetectSettings
from appliance.vision.host import child, engines
from appliance.vision.host import session as sessions
from appliance.vision.host.host import VisionHost

WORKER = """
import json, os, select, socket, sys
from appliance.vision.messages import *
control = socket.socket(fileno=int(sys.argv[1]))
unframer, beat = Unframer(), pack(Beat({}, 0.0, (), {}))
def say(report): control.sendall(pack(report))
def note(what): open(%(log)r, "a").write(what + "\\n")
engine = os.environ["ARIES_ENGINES"] + "/x.engine"
while True:
    if select.select([control], [], [], 0.1)[0]:
        data, *_ = socket.recv_fds(control, 1 << 16, 8)
        if not data:
            os._exit(0)
        for body in unframer.feed(data):
            order = order_decoder.decode(body)
            if isinstance(order, Hello):
                note(f"hello {order.choice} {order.backend}")
                %(hello)s
            elif isinstance(order, Use):
                note(f"use {order.choice} {order.backend} {order.only} {order.shadow_s:g}")
                %(use)s
    say(Beat({}, 0.0, (), {}))
"""
CPU = "say(Ready('one', ('goose',), '', 1.0, 'onnxruntime, CPU', 'there is no engine', EngineLack('one')))"
GPU = "say(Ready('one', ('goose',), '', 1.0, 'tensorrt, Orin, compute 8.7', 'an NVIDIA GPU is here'))"
HELLO = f"{GPU} if os.path.exists(engine) else {CPU}"
PACK = (
    'name = "one"\nversion = "1"\nfamily = "yolox"\ninput_width = 64\ninput_height = 64\nlabels = ["goose"]\n'
    f'licence = "none"\nsource = "us"\n[[files]]\npath = "m.onnx"\nsha256 = "{"0" * 64}"\n'
)
BUILD = """
import json, os, sys, time
print(json.dumps({"share": 0.42}), flush=True)
while not os.path.exists(sys.argv[2] + "/../go"):
    time.sleep(0.01)
open(sys.argv[2] + "/x.engine", "w").close()
print(json.dumps({"share": 1.0, "path": sys.argv[2] + "/x.engine"}), flush=True)
"""


@pytest.fixture
def box(tmp_path, monkeypatch):
    """``async with box(hello=..., use=...) as (host, log)``."""
    (tmp_path / "models" / "one").mkdir(parents=True)
    (tmp_path / "models" / "one" / "model.toml").write_text(PACK)
    (tmp_path / "build.py").write_text(BUILD)
    monkeypatch.setattr(sessions, "CHECK_S", 0.02)
    real = engines.Engines

    def building(folder, dirs, on_news):
        return real(folder, dirs, on_news, (sys.executable, str(tmp_path / "build.py")))

    monkeypatch.setattr("appliance.vision.host.host.Engines", building)

    @asynccontextmanager
    async def run(hello=HELLO, use="pass", backend="auto"):
        program = WORKER % {"log": str(tmp_path / "log"), "hello": hello, "use": use}

        async def start(control_fd, engines=None):
            return await asyncio.create_subprocess_exec(
                sys.executable, "-c", program, str(control_fd),
                pass_fds=(control_fd,), env=child.environment(engines),
            )  # fmt: skip

        monkeypatch.setattr(sessions, "start_worker", start)
        activations = []
        host = VisionHost(
            BoxClock(), tmp_path / "models", "auto", backend=backend,
            engines_dir=tmp_path / "engines", on_activation=activations.append,
        )  # fmt: skip
        await host.apply([Camera("yard", "yard", "rtsp://x/1", detect=DetectSettings())])
        task = asyncio.ensure_future(host.run())
        try:
            yield host, lambda: (tmp_path / "log").read_text().splitlines(), activations
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    return run


async def until(true):
    async with asyncio.timeout(20):
        while not true():
            await asyncio.sleep(0.01)


TRIAL = "say(Trial('one', 'trial')); " + GPU + "; say(Trial('one', 'active'))"


@pytest.mark.parametrize("backend", ["auto", "tensorrt"])
async def test_it_looks_meanwhile_and_then_on_the_gpu(box, tmp_path, backend):
    async with box(use=TRIAL, backend=backend) as (host, log, activations):
        await until(lambda: "42%" in host.state().because)
        state = host.state()
        assert (state.state, state.detector, state.backend) == ("running", "one", "onnxruntime, CPU")
        assert state.because == "TensorRT's engine of one is being built: 42%" and state.reason == ""
        (tmp_path / "go").touch()
        await until(lambda: host.state().backend.startswith("tensorrt"))
        await until(lambda: [a.phase for a in activations][-1:] == ["active"])
        assert host.state().because == "an NVIDIA GPU is here"
        assert log() == [f"hello auto {backend}", f"use one tensorrt True {engines.SHADOW_S:g}"]
        assert all(activation.own for activation in activations)
        assert host._choice.now == ("auto", backend)  # what people chose is what they chose


async def test_an_engine_that_is_there_is_not_built(box, tmp_path):
    (tmp_path / "engines").mkdir()
    (tmp_path / "engines" / "x.engine").touch()
    async with box() as (host, log, activations):
        await until(lambda: host.state().state == "running")
        await asyncio.sleep(0.1)
        assert host.state().backend == "tensorrt, Orin, compute 8.7" and log() == ["hello auto auto"]
        assert host.state().because == "an NVIDIA GPU is here" and not activations


async def test_refused_twice_it_stays_on_the_other_one_and_says_why(box, tmp_path):
    (tmp_path / "go").touch()
    refuse = "say(Trial('one', 'refused', 'TensorRT refuses the engine', lack=EngineLack('one', 'x.engine')))"
    async with box(hello=CPU, use=refuse) as (host, log, _activations):
        await until(lambda: "given up" in host.state().because)
        assert "TensorRT refuses the engine" in host.state().because
        assert host.state().backend == "onnxruntime, CPU" and host.state().restarts == 0
        assert [line.split()[0] for line in log()] == ["hello", "use", "use"]


async def test_a_change_under_way_is_not_disturbed(box, tmp_path):
    async with box() as (host, log, _activations):
        await until(lambda: "42%" in host.state().because)
        await host.use("one", "openvino", 60.0)
        (tmp_path / "go").touch()
        await until(lambda: "about to be tried" in host.state().because)
        await asyncio.sleep(0.1)
        assert log()[-1] == "use one openvino False 60"


async def test_a_worker_that_says_why_it_goes_is_heard(box):
    async with box(hello="say(Gone('the GPU failed')); os._exit(1)") as (host, _log, _activations):
        await until(lambda: host.state().restarts > 0)
        assert host.state().reason == "the GPU failed"
