"""``appliance models bench`` and ``build``: how fast a model is on this box, and its engine ahead of time."""

import argparse
import asyncio
import math
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from appliance.base.config import Config
from appliance.base.errors import ApplianceError, invalid
from appliance.cli import Unfit
from appliance.cli.box import open_box, print_json
from appliance.cli.models_list import BUILT_IN, backend_of, folders, using
from appliance.cli.models_progress import Bar
from appliance.vision.host.building import COMMAND, Building
from appliance.vision.host.child import ENGINES
from appliance.vision.host.engines import FOLDER
from appliance.vision.messages import BuildStep
from appliance.vision.packs import choice, installed
from appliance.vision.packs.choice import AUTO, Choice
from appliance.vision.packs.pack import Pack

MEASURE = "appliance.vision.worker.measure"  # a child: numpy, libav and the backend stay out of here
BUILD = COMMAND  # the daemon's, at idle priority: recording must not notice
NEEDS_A_BUILD = "tensorrt"
LOAD_S = 300.0  # how long a model may take to get ready
LEAST_S, MOST_S = 0.1, 600.0


def bench(args: argparse.Namespace) -> int:
    if not LEAST_S <= args.seconds <= MOST_S or math.isnan(args.seconds):
        text = f"{args.seconds:g} is not {LEAST_S:g} to {MOST_S:g} seconds"
        raise invalid(text, "5 is enough to compare models", field="seconds")
    if args.threads is not None and not 1 <= args.threads <= 256:
        raise invalid(f"{args.threads} is not 1 to 256 threads", field="threads")
    config, pack, wanted = _pack(args)
    backend, why = backend_of(pack, args.backend or wanted.backend) if pack else (BUILT_IN, "needs no model")
    order = {
        "pack": msgspec.to_builtins(pack) if pack else None,
        "backend": backend,
        "seconds": args.seconds,
        "threads": args.threads,
    }
    found = {
        "model": pack.name if pack else BUILT_IN,
        "backend": backend,
        "why": why,
        **_measured(order, config),
    }
    if args.json:
        print_json(found)
    else:
        print(
            f"{found['model']} on {backend} ({why}), {found['threads']} threads, {found['frames']} pictures"
        )
        print(
            f"  {found['ms_p50']:.1f} ms per picture (half of them; 95 of 100: {found['ms_p95']:.1f} ms),"
            f" {found['fps']:.1f} frames/s, ready after {found['load_ms'] / 1000:.1f} s"
        )
    return 0


def build(args: argparse.Namespace) -> int:
    config, pack, wanted = _pack(args)
    if pack is None:
        print(f"{BUILT_IN} needs no model: nothing needs to be built")
        return 0
    backend, _ = backend_of(pack, args.backend or wanted.backend)
    if backend != NEEDS_A_BUILD:
        print(f"{pack.name} runs on {backend}, which reads the model as it is: nothing needs to be built")
        return 0
    bar = Bar(f"building {pack.name}")
    try:
        last = asyncio.run(_built(pack, config.data_dir / FOLDER, lambda step: bar.share(step.share)))
    finally:
        bar.close()
    if not last.path:
        raise Unfit(ApplianceError(last.kind or "internal", last.message, last.hint))
    print(f"{pack.name}: its engine is in {last.path}")
    return 0


async def _built(pack: Pack, folder: Path, on_step: Callable[[BuildStep], None]) -> BuildStep:
    return await Building(folder, on_step, BUILD).ensure(installed.path_of(pack))


def _pack(args: argparse.Namespace) -> tuple[Config, Pack | None, Choice]:
    """The named pack, or the one that looks (None: motion); what the box was told to use."""
    with open_box(args) as (config, stores):
        wanted = stores.appliance.read_now(choice.read)
    if args.name is None:
        pack, _ = using(config, wanted)
        return config, pack, wanted
    if args.name == BUILT_IN:
        return config, None, wanted
    pack = next((pack for pack in installed.installed(folders(config)) if pack.name == args.name), None)
    if pack is None:
        raise installed.not_installed(args.name)
    return config, pack, wanted if wanted.detector == args.name else Choice(args.name, AUTO)


def must_run(pack: Pack, backend: str, config: Config) -> None:
    """It is loaded and looks once, in a child. Raises ``Unfit`` with what is wrong with it. What TensorRT
    runs is an engine, which the box builds while another backend looks: there is nothing to try yet."""
    if backend == NEEDS_A_BUILD:
        return
    order = {"pack": msgspec.to_builtins(pack), "backend": backend, "seconds": LEAST_S, "threads": None}
    _measured(order, config)


def _measured(order: dict[str, Any], config: Config) -> dict[str, Any]:
    command = [sys.executable, "-m", MEASURE]
    room = Path(__file__).resolve().parents[2]  # a checkout that is not installed runs from here
    path = os.pathsep.join(filter(None, (str(room), os.environ.get("PYTHONPATH"))))
    try:
        done = subprocess.run(
            command,
            input=msgspec.json.encode(order),
            capture_output=True,
            timeout=LOAD_S + order["seconds"],
            env={**os.environ, "PYTHONPATH": path, ENGINES: str(config.data_dir / FOLDER)},
            check=False,
        )
    except subprocess.TimeoutExpired:
        text = f"{order['backend']} was not ready after {LOAD_S:g} s"
        raise ApplianceError("unavailable", text, "choose another backend") from None
    try:
        answer: dict[str, Any] = msgspec.json.decode(done.stdout, type=dict[str, Any])
    except msgspec.MsgspecError:
        last = (done.stderr.decode(errors="replace").strip().splitlines() or ["no word"])[-1]
        text = f"{order['backend']} ended with {done.returncode}: {last[:300]}"
        raise ApplianceError(
            "unavailable", text, "choose another backend, or install the pack again"
        ) from None
    if "error" in answer:
        error = answer["error"]
        raise Unfit(ApplianceError(error["kind"], error["message"], error["hint"], field=error["field"]))
    return answer
