"""The rules of the house that a program can check: floors, names, sizes, one place for each thing."""

import ast
import re
import subprocess
import sys
import tomllib
import zipfile
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
CODE = sorted(
    path for top in ("appliance", "provisioning", "firmware") for path in (ROOT / top).rglob("*.py")
)
MODULES = [path for path in CODE if "_ui" not in path.parts]
LEAN = ("base", "store", "system", "rules", "alerts", "sync", "web")  # loaded by the daemon, all of it

# package -> rooms (or single files) that may import it
TIED = {
    "av": {"media", "vision", "simulator"},
    "numpy": {"vision", "simulator"},
    "gi": {"vision"},
    "onnxruntime": {"vision"},
    "onnx": {"vision"},
    "openvino": {"vision"},
    "tensorrt": {"vision"},
    "jinja2": {"web", "hub", "provisioning"},
    "aiohttp": {"web", "sync", "alerts", "daemon", "hub", "onvif", "simulator", "provisioning"},
    "apscheduler": {"daemon"},
    "psutil": {"system"},
    "sqlite_utils": {"store"},
    "argon2": {"web"},
    "cryptography": {"store", "system", "sync", "hub", "firmware"},
    "prometheus_client": {"web", "daemon", "hub"},
    "wireguard_tools": {"system"},
    "defusedxml": {"onvif", "simulator"},
    "zeroconf": {"provisioning"},
    "fpdf": {"provisioning"},
    "cyclonedx": {"firmware"},
    "packageurl": {"firmware"},  # cyclonedx's own way to name a package
    "segno": {
        "web",
        "hub",
        "system",
        "provisioning",
    },  # system: the keys of the QR are there; cli and web show the same one
    "obstore": {"sync", "hub"},
    "yarl": {"sync"},  # aiohttp's own addresses
    "asyncpg": {"hub"},
    "aiomqtt": {"sync"},
    "redis": {"sync"},
    "aiokafka": {"sync"},
    "aiobotocore": {"sync"},
    "botocore": {"sync"},
    "pulsar": {"sync"},
    "zmq": {"sync"},
}
SQL = re.compile(
    r"\s*(SELECT\s.+\sFROM\s|INSERT\s+(OR\s+\w+\s+)?INTO\s|UPDATE\s+\w+\s+SET\s|DELETE\s+FROM\s"
    r"|CREATE\s+(TABLE|INDEX)\s|ALTER\s+TABLE\s|PRAGMA\s+\w+|BEGIN\s+IMMEDIATE)",
    re.IGNORECASE | re.DOTALL,
)


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), str(path))


def room(path: Path) -> str:
    """A folder of ``appliance``, or a package beside it."""
    top, *parts = path.relative_to(ROOT).parts
    if top != "appliance":
        return top
    return parts[0] if len(parts) > 1 else ""


def named(paths) -> list[str]:
    return [str(path.relative_to(ROOT)) for path in paths]


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found.add(node.module.split(".")[0])
    return found


def calls(path: Path) -> list[tuple[str, int]]:
    """(dotted name, line) of every call whose function is a plain dotted name."""
    found = []
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func) if isinstance(node.func, ast.Name | ast.Attribute) else ""
            found.append((name, node.lineno))
    return found


def test_imports_go_down_only():
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("package", sorted(TIED))
def test_a_third_party_package_stays_on_its_floor(package):
    strays = [path for path in MODULES if package in imports(path) and room(path) not in TIED[package]]
    assert not named(strays)


def test_every_dependency_is_tied_or_common():
    common = {"msgspec"}  # typed messages are everywhere
    known = {*TIED, *common, "appliance", "provisioning", "firmware"} | set(sys.stdlib_module_names)
    strays = {name for path in MODULES for name in imports(path)} - known
    assert not strays


def test_sql_is_in_the_store_only():
    strays = []
    for path in MODULES:
        if room(path) == "store" or path.is_relative_to(ROOT / "appliance" / "hub" / "store"):
            continue
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and SQL.match(node.value):
                strays.append(f"{path.relative_to(ROOT)}:{node.lineno}")
        strays += [
            f"{path.relative_to(ROOT)}:{line}" for name, line in calls(path) if name.endswith("conn.execute")
        ]
    assert not strays


def test_time_comes_from_the_injected_clock():
    wall = {
        "time.time",
        "time.time_ns",
        "datetime.now",
        "datetime.datetime.now",
        "datetime.utcnow",
        "date.today",
    }
    strays = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in MODULES
        for name, line in calls(path)
        if name in wall and path.name != "clock.py"
    ]
    assert not strays


def test_no_shell_no_pickle_no_eval():
    strays = []
    for path in MODULES:
        if {"pickle", "marshal", "shelve"} & imports(path):
            strays.append(str(path))
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Call):
                name = ast.unparse(node.func)
                shell = any(k.arg == "shell" and not _is_false(k.value) for k in node.keywords)
                if shell or name in ("eval", "exec", "os.system", "os.popen"):
                    strays.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert not strays


def _is_false(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is False


def test_files_are_short():
    texts = [
        *CODE,
        *(ROOT / "ui").rglob("*.js"),
        *(ROOT / "ui").rglob("*.css"),
        *(ROOT / "tests").rglob("*.py"),
    ]
    long = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in texts}
    assert not {name: lines for name, lines in long.items() if lines > 400}


def test_functions_fit_a_screen():
    long = []
    for path in MODULES:
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > 75:
                    long.append(f"{path.relative_to(ROOT)}:{node.name} has {lines} lines")
    assert not long


def test_nothing_is_named_after_nothing():
    attics = re.compile(r"(^|_)(util|utils|helper|helpers|manager|managers|common|misc|stuff)(_|$)")
    strays = [path for path in CODE if any(attics.search(part) for part in path.with_suffix("").parts[-3:])]
    assert not named(strays)


def test_every_room_says_what_it_is_for():
    for path in MODULES:
        if path.name != "__init__.py" or not room(path):
            continue
        text = ast.get_docstring(tree(path)) or ""
        assert len(text) > 40, path
        if path.parent.parent.name == "appliance":  # a room, not a folder in one
            missing = [
                word for word in ("Objective", "Invariants", "Non-goals", "Read next") if word not in text
            ]
            assert not missing, f"{path}: {missing}"


def test_every_file_says_what_it_is_for():
    silent = [path for path in MODULES if not ast.get_docstring(tree(path))]
    assert not named(silent)


def test_ui_and_units_are_data_only():
    strays = [path for folder in ("ui", "systemd") for path in (ROOT / folder).rglob("*.py")]
    assert not named(strays)


def test_the_rooms_of_the_daemon_do_not_load_what_only_children_need():
    rooms = [name for name in LEAN if (ROOT / "appliance" / name).is_dir()]
    names = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for name in rooms
        for path in sorted((ROOT / "appliance" / name).rglob("*.py"))
        if path.name != "__main__.py"
    ]
    program = (
        "import importlib, sys\n"
        f"for name in {names!r}: importlib.import_module(name)\n"
        "print(sorted({'numpy', 'onnxruntime', 'av', 'playwright'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "[]", done.stdout + done.stderr


def test_a_detector_s_library_reports_to_nobody_and_leaves_nothing_at_home(tmp_path):
    program = "import appliance.vision.detectors.onnx"
    environment = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"}
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, env=environment, check=True)
    assert list(tmp_path.rglob("*")) == []


def test_every_room_has_its_tests():
    for folder in sorted((ROOT / "appliance").iterdir()):
        if (folder / "__init__.py").is_file():
            assert list((ROOT / "tests" / folder.name).rglob("test_*.py")), folder.name


def pins(name: str) -> dict[str, str]:
    """name -> everything the lock says of it."""
    entries = re.split(r"\n(?=[a-z])", (ROOT / name).read_text())
    return {entry.split("==")[0]: entry for entry in entries if "==" in entry}


def test_the_locks_agree_and_every_pin_has_a_hash():
    base, dev = pins("requirements.lock"), pins("requirements-dev.lock")
    assert len(base) > 20
    assert all("--hash=sha256:" in entry for entry in dev.values())
    facts = re.compile(r"==[^ ]+|sha256:[0-9a-f]{64}")  # a marker may be wider in the bigger lock
    for name, entry in base.items():
        assert facts.findall(entry) == facts.findall(dev[name])
    for name in ("requirements.lock", "requirements-dev.lock"):
        assert "://" not in (ROOT / name).read_text()


def test_the_lock_holds_what_pyproject_asks_for_and_each_has_its_reason():
    text = (ROOT / "pyproject.toml").read_text()
    project = tomllib.loads(text)["project"]
    for lock, wanted in (
        ("requirements.lock", project["dependencies"]),
        ("requirements-dev.lock", project["optional-dependencies"]["dev"]),
    ):
        missing = {re.split(r"[<>=\[; ]", name)[0] for name in wanted} - set(pins(lock))
        assert not missing, "make the lock again, see README"
    block = text.split("dependencies = [")[1].split("\n]")[0].strip().splitlines()
    assert all("#" in line for line in block)


def test_bootstrap_pins_the_pip_that_the_lock_pins():
    text = (ROOT / "bootstrap.py").read_text()
    version = re.search(r'PIP_WHEEL = "pip-([0-9.]+)-py3', text)
    digest = re.search(r'PIP_SHA256 = "([0-9a-f]{64})"', text)
    assert version and digest
    assert f"pip=={version[1]} " in pins("requirements.lock")["pip"]
    assert digest[1] in pins("requirements.lock")["pip"]


def test_one_wheel_holds_the_code_the_screen_and_the_units(tmp_path):
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    done = subprocess.run(build, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert "appliance/_units/appliance.service" in names
    assert any(name.startswith("appliance/_ui/templates/") for name in names)
    assert any(name.startswith("appliance/_ui/static/") for name in names)
    assert {f"appliance/store/schema/{name}.sql" for name in ("appliance", "archive", "tracks")} <= names
    assert not {name for name in names if name.startswith(("tests/", "ui/"))}
