"""What a worker does before it judges anything: what its sandbox will refuse, and then the sandbox.

Drivers start programs and open devices; libraries look around. All of it is done for what the daemon
asked for, and for nothing else: a box without a GPU loads nothing of one.
"""

import logging
import os
from collections.abc import Sequence
from pathlib import Path

from appliance.base.errors import ApplianceError
from appliance.vision import detectors
from appliance.vision.decoding import gstreamer
from appliance.vision.decoding.camera import SOFTWARE
from appliance.vision.decoding.paths import AUTO, Measured
from appliance.vision.decoding.probe import survey
from appliance.vision.detectors.choice import candidates
from appliance.vision.messages import Hello
from appliance.vision.worker.landlock import devices, enclose, own_files
from appliance.vision.worker.loading import MOTION
from appliance.vision.worker.sandbox import confine

ENGINES = "ARIES_ENGINES"  # as ``detectors.tensorrt.detector`` names it, which is too heavy to be asked

log = logging.getLogger("appliance.vision.worker")


def get_ready(hello: Hello) -> list[Measured]:
    """Ends confined. The ways to decode that work here, as they were measured.

    The order is the point: the survey's children may still write their caches; Landlock closes before
    the first thread, which would stay outside; the filter closes last, and over all threads.
    """
    measured = [] if hello.decoder == SOFTWARE else survey()
    chips = devices()
    held = enclose([*own_files(), *_models(hello)], chips)
    for backend in () if hello.choice == MOTION else candidates(hello.backend):
        _prepare(backend)
    if hello.decoder in (AUTO, gstreamer.JETSON) and _works(gstreamer.JETSON, measured):
        _prepare_gstreamer()
    if not confine(devices=held and bool(chips)):
        log.warning("no seccomp here: the worker runs with no_new_privs and rlimits only")
    elif not held:
        late = ", and what opens the GPU's device late will not run" if chips else ""
        log.warning("no Landlock here: the worker may read what the daemon may%s", late)
    return measured


def _models(hello: Hello) -> list[Path]:
    """Where packs and engines are. The box's own folders are made if they are not there yet: one that
    comes later could not be opened any more."""
    own = [*hello.models_dirs[:1], *filter(None, [os.environ.get(ENGINES)])]
    for name in own:
        try:
            Path(name).mkdir(mode=0o700, exist_ok=True)
        except OSError:
            pass  # then nothing will be put there either
    return [Path(name) for name in (*hello.models_dirs, *own)]


def _prepare(backend: str) -> None:
    try:
        detectors.prepare(backend)
    except (ImportError, OSError) as error:
        log.info("%s cannot be loaded: %s", backend, error)  # a package without its libraries
    except ApplianceError as error:
        log.info("%s cannot be used: %s", backend, error.message)


def _works(path: str, measured: Sequence[Measured]) -> bool:
    return any(one.path == path and not one.reason for one in measured)


def _prepare_gstreamer() -> None:
    try:
        gstreamer.prepare()
    except (ImportError, ValueError) as error:
        log.info("GStreamer cannot be used: %s", error)
