"""What every room's tests may use."""

import os
from collections.abc import Iterator
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
