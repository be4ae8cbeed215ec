"""What every room's tests may use."""

import errno
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from appliance.base.clock import ManualClock

# Two busy cores: a law is checked on a hundred cases, and slowness is no counter-example.
settings.register_profile(
    "house", deadline=None, max_examples=100, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("house")

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(autouse=True)
def _no_box_variables(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A variable of the developer's own box must not change what is tested."""
    for name in list(os.environ):
        if name.startswith("APPLIANCE_") and name != "APPLIANCE_ASSETS_PATH":
            monkeypatch.delenv(name)
    yield


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 64 MB of its own; skips where mounting is refused."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting a tmpfs is refused here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture
def fill_up() -> Callable[[Path], None]:
    """Write until not one page is free."""

    def fill(folder: Path) -> None:
        for size in (1 << 20, 4096, 1):
            with (folder / "footage").open("ab", buffering=0) as file:
                try:
                    while True:
                        file.write(bytes(size))
                except OSError as error:
                    assert error.errno == errno.ENOSPC

    return fill


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder with real footage and models; skips where there is none."""
    named = [Path(part) for part in os.environ.get("APPLIANCE_ASSETS_PATH", "").split(":") if part]
    for folder in (*named, ROOT.parent / "shared" / "data"):
        if (folder / "footage").is_dir() and (folder / "models").is_dir():
            return folder
    pytest.skip("no folder with footage/ and models/ in APPLIANCE_ASSETS_PATH, none at ../shared/data")


@pytest.fixture(scope="session")
def has_gst() -> None:
    python = Path("/usr/bin/python3")
    code = "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer"
    if not python.exists() or subprocess.run([python, "-c", code], capture_output=True).returncode:
        pytest.skip(
            "gst-rtsp-server for Debian's Python is missing: apt-get install gir1.2-gst-rtsp-server-1.0"
        )
