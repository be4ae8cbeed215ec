import contextlib
import io
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from appliance.cli import main


@dataclass
class Said:
    """What a command left behind."""

    status: int
    out: str
    err: str


@pytest.fixture
def appliance() -> Callable[..., Said]:
    """Run one command in this process."""

    def run(*arguments: object) -> Said:
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = main([str(argument) for argument in arguments])
        said = Said(status, out.getvalue(), err.getvalue())
        assert "Traceback" not in said.err + said.out
        return said

    return run


@pytest.fixture
def box_dir(tmp_path, appliance):
    """A box that was just made; its password is ``long enough for a test``."""
    (tmp_path / "password").write_text("long enough for a test\n")
    (tmp_path / "password").chmod(0o600)
    folder = tmp_path / "box"
    said = appliance("init", "--data", folder, "--admin-password-file", tmp_path / "password")
    assert said.status == 0, said.err
    return folder
