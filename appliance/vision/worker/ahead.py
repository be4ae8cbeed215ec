"""What a worker does before it judges anything: what its sandbox will refuse, and then the sandbox.

Drivers start programs and open devices; libraries look around. All of it is done for what the daemon
asked for, and for nothing else: a box without a GPU loads nothing of one.
"""

import logging
from collections.abc import Sequence

from appliance.base.errors import ApplianceError
from appliance.vision import detectors
from appliance.vision.decoding import gstreamer
from appliance.vision.decoding.camera import SOFTWARE
from appliance.vision.decoding.paths import AUTO, Measured
from appliance.vision.decoding.probe import survey
from appliance.vision.detectors.choice import candidates
from appliance.vision.messages import Hello
from appliance.vision.worker.landlock import devices, only_write
from appliance.vision.worker.loading import MOTION
from appliance.vision.worker.sandbox import confine

log = logging.getLogger("appliance.vision.worker")


def get_ready(hello: Hello) -> list[Measured]:
    """Ends confined. The ways to decode that work here, as they were measured.

    The order is the point: the survey's children may still write their caches; Landlock closes before
    the first thread, which would stay outside; the filter closes last, and over all threads.
    """
    measured = [] if hello.decoder == SOFTWARE else survey()
    chips = devices()
    held = bool(chips) and only_write(chips)
    for backend in () if hello.choice == MOTION else candidates(hello.backend):
        _prepare(backend)
    if hello.decoder in (AUTO, gstreamer.JETSON) and _works(gstreamer.JETSON, measured):
        _prepare_gstreamer()
    if not confine(devices=held):
        log.warning("no seccomp here: the worker runs with no_new_privs and rlimits only")
    elif chips and not held:
        log.warning("no Landlock here: what opens the GPU's device late will not run")
    return measured


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
