"""The environment that makes itself: from any Python, with or without pip, once."""

import hashlib
import importlib.util
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def boot(tmp_path, monkeypatch) -> ModuleType:
    """``bootstrap.py`` as if it lay in ``tmp_path``, with a lock of its own and no index configured."""
    spec = importlib.util.spec_from_file_location("bootstrap", ROOT / "bootstrap.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    locks = {name: tmp_path / f"{name}.lock" for name in ("base", "dev")}
    for path in locks.values():
        path.write_text("thing==1 \\\n    --hash=sha256:0\n")
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(module, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(module, "LOCKS", locks)
    for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_CONFIG_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(module, "pip_files", lambda: [tmp_path / "pip.conf"])
    return module


@pytest.fixture
def pip_wheel(boot, tmp_path, monkeypatch) -> Path:
    """A wheel that is the pinned one, as far as its hash says."""
    (tmp_path / "wheels").mkdir()
    path = tmp_path / "wheels" / boot.PIP_WHEEL
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr("pip/__main__.py", "")
    monkeypatch.setattr(boot, "PIP_SHA256", hashlib.sha256(path.read_bytes()).hexdigest())
    (tmp_path / ".venv").mkdir()
    return path


def test_the_second_time_costs_milliseconds():
    python = ROOT / ".venv" / "bin" / "python"
    if not python.exists():
        pytest.skip("the tests run outside .venv")
    command = [str(python), "-I", "-S", str(ROOT / "bootstrap.py"), "dev"]
    subprocess.run(command, check=True, capture_output=True)
    best_s = 1e9
    for _ in range(5):
        began_s = time.perf_counter()
        done = subprocess.run(command, check=True, capture_output=True)
        best_s = min(best_s, time.perf_counter() - began_s)
    assert (done.stdout, done.stderr) == (b"", b"")
    assert best_s < 0.3


def test_a_change_of_lock_python_or_place_is_noticed(boot, tmp_path, monkeypatch):
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "python").touch()
    assert not boot.stamped("base")
    boot.stamp_file().write_text(boot.stamp("base") + "\n")
    assert boot.stamped("base")
    assert not boot.stamped("dev")
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(boot, "ROOT", tmp_path / "moved")
        assert not boot.stamped("base")
    boot.LOCKS["base"].write_text("thing==2 \\\n    --hash=sha256:1\n")
    assert not boot.stamped("base")


def test_an_install_that_breaks_off_is_not_taken_for_done(boot, tmp_path, monkeypatch):
    boot.make_venv()
    boot.stamp_file().write_text(boot.stamp("base") + "\n")
    monkeypatch.setattr(boot, "pip", lambda: [sys.executable, "-c", "raise SystemExit(1)"])
    with pytest.raises(boot.Refused, match="PIP_FIND_LINKS"):
        boot.install("base")
    assert not boot.stamped("base")


def test_the_environment_means_this_checkout(boot, tmp_path):
    boot.make_venv()
    (tmp_path / "appliance").mkdir()
    (tmp_path / "appliance" / "__init__.py").touch()
    (tmp_path / "appliance" / "cli.py").write_text("def main():\n    print('here')\n    return 3\n")
    boot.add_checkout()
    script = tmp_path / ".venv" / "bin" / "appliance"
    done = subprocess.run([script], cwd="/", capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (3, "here\n")


def test_pip_is_fetched_from_a_folder_an_index_or_a_configured_one(boot, pip_wheel, tmp_path, monkeypatch):
    folder = pip_wheel.parent
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    assert boot.fetch_pip().read_bytes() == pip_wheel.read_bytes()
    monkeypatch.delenv("PIP_FIND_LINKS")
    page = tmp_path / "simple" / "pip"
    page.mkdir(parents=True)
    link = f'<a href="../../wheels/{boot.PIP_WHEEL}#sha256=x">{boot.PIP_WHEEL}</a>'
    (page / "index.html").write_text(link)
    monkeypatch.setenv("PIP_INDEX_URL", (tmp_path / "simple").as_uri())
    assert boot.fetch_pip().is_file()
    monkeypatch.delenv("PIP_INDEX_URL")
    (tmp_path / "pip.conf").write_text(f"[global]\nextra-index-url = {(tmp_path / 'simple').as_uri()}\n")
    assert boot.fetch_pip().is_file()


def test_another_pip_than_the_pinned_one_is_not_run(boot, pip_wheel, monkeypatch):
    monkeypatch.setenv("PIP_FIND_LINKS", str(pip_wheel.parent))
    pip_wheel.write_bytes(pip_wheel.read_bytes() + b"x")
    with pytest.raises(boot.Refused, match="python3-venv"):
        boot.fetch_pip()
    assert not (boot.VENV / boot.PIP_WHEEL).exists()


def test_without_any_pip_one_command_is_said(boot, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(boot, "find_newer_python", lambda: None)

    def none(*_):
        raise boot.Refused(f"One command mends it: {boot.VENV_MENDS_IT}")

    monkeypatch.setattr(boot, "pip", none)
    assert boot.main(["base"]) == 1
    assert "apt-get install -y python3-venv" in capsys.readouterr().err


def test_missing_tools_are_named_with_the_command_that_brings_them(boot, capsys, monkeypatch):
    monkeypatch.setattr(boot, "has_tool", lambda name: name not in ("chromium", "strace"))
    monkeypatch.setattr(boot, "unasked_root", lambda: None)
    assert boot.main(["tools"]) == 0
    said = capsys.readouterr().err
    assert "missing: chromium, strace" in said
    assert "apt-get install -y --no-install-recommends chromium strace" in said


def test_it_is_written_so_that_an_old_python_can_say_what_is_missing():
    import ast

    tree = ast.parse((ROOT / "bootstrap.py").read_text(), feature_version=(3, 6))
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Match | ast.NamedExpr)]
