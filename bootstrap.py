"""Makes ``.venv`` from the lock files; every make target calls it first.

    python3 bootstrap.py base     what the box needs          (make demo, run)
    python3 bootstrap.py dev      that and the test tools     (make test, bench, lint)
    python3 bootstrap.py tools    programs that tests use: chromium, ffmpeg ... (make test)

Standard library only, and in words that an old Python understands, so that it can say what is
missing. Works without ensurepip and without pip: the pinned pip is then fetched as a wheel from
the index that pip is configured with, and checked. Nothing is left outside the checkout.
"""

import configparser
import fcntl
import hashlib
import html
import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import time
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Dict, Iterator, List, Optional

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
LOCKS = {"base": ROOT / "requirements.lock", "dev": ROOT / "requirements-dev.lock"}
LEAST = (3, 11)
PIP_WHEEL = "pip-26.3-py3-none-any.whl"  # the version that the lock pins too
PIP_SHA256 = "f3b60b20ffaadd4415ed7957212a38ac63fa4c5fa375bd0f4a797777940fad13"
SUDO = "" if os.geteuid() == 0 else "sudo "
VENV_MENDS_IT = SUDO + "apt-get install -y python3-venv"
TIMEOUT_S = 30

# program (or a probe of our own) -> Debian packages that bring it
TOOLS = {
    "ffmpeg": ["ffmpeg"],
    "chromium": ["chromium"],
    "strace": ["strace"],
    "faketime": ["faketime"],
    "systemd-analyze": ["systemd"],
    "gst-rtsp-server": [
        "python3-gi",
        "gstreamer1.0-rtsp",
        "gir1.2-gst-rtsp-server-1.0",
        "gir1.2-gstreamer-1.0",
        "gstreamer1.0-plugins-base",
        "gstreamer1.0-plugins-good",
        "gstreamer1.0-plugins-bad",
    ],
    "ip": ["iproute2"],
    "ping": ["iputils-ping"],
    "chronyd": ["chrony"],
    "rauc": ["rauc"],
    "openssl": ["openssl"],
    "mksquashfs": ["squashfs-tools"],
    "nft": ["nftables"],
    "wg": ["wireguard-tools"],
    "wireguard-go": ["wireguard-go"],
    "mosquitto": ["mosquitto"],
    "redis-server": ["redis-server"],
    "postgres": ["postgresql"],
}


class Refused(Exception):
    """What stands in the way, and the one command that mends it."""


def main(arguments: List[str]) -> int:
    wanted = arguments[0] if arguments else "base"
    try:
        if wanted == "tools":
            install_tools()
        else:
            ensure(wanted)
    except Refused as refusal:
        print(f"\n{refusal}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def ensure(profile: str) -> None:
    """Make ``.venv`` hold what the lock of ``profile`` names. Costs milliseconds when it does."""
    if stamped(profile):
        return
    find_newer_python()
    VENV.mkdir(exist_ok=True)
    with (VENV / ".bootstrap.lock").open("w") as lock:  # two makes at once: one waits
        fcntl.flock(lock, fcntl.LOCK_EX)
        if stamped(profile):
            return
        began_s = time.monotonic()
        say(f"making {VENV.name} ({profile}): Python {platform.python_version()}, first time only")
        make_venv()
        install(profile)
        add_checkout()
        done = ["base", "dev"] if profile == "dev" else ["base"]
        stamp_file().write_text("".join(stamp(name) + "\n" for name in done))
        say(f"{VENV.name} is ready after {time.monotonic() - began_s:.0f} s")


def find_newer_python() -> None:
    """Go on in the first Python that is new enough; this one, if it is."""
    inside = Path(sys.executable).parent == VENV / "bin"  # may be about to be replaced
    if sys.version_info >= LEAST and not inside:
        return
    names = ["python3", "python3.14", "python3.13", "python3.12", "python3.11"]
    for name in [getattr(sys, "_base_executable", "python3"), *names]:
        path = shutil.which(name)
        if path is None or Path(path).parent == VENV / "bin":
            continue
        if succeeds([path, "-c", f"import sys; sys.exit(sys.version_info < {LEAST})"]):
            os.execv(path, [path, str(Path(__file__).resolve()), *sys.argv[1:]])  # noqa: S606 - no shell is the point
    raise Refused(
        f"Python {platform.python_version()} is too old: {LEAST[0]}.{LEAST[1]} or newer is needed.\n"
        f"Debian 12 and Ubuntu 24.04 have it: {SUDO}apt-get install -y python3 python3-venv"
    )


def make_venv() -> None:
    python = VENV / "bin" / "python"
    if python.exists() and same_place():
        return
    try:
        import venv  # noqa: F401 - a stripped Python has none
    except ImportError as error:
        raise Refused(f"this Python has no venv module. It comes with: {VENV_MENDS_IT}") from error
    for name in ("bin", "lib", "lib64", "include", "pyvenv.cfg"):
        path = VENV / name
        if path.is_symlink() or path.is_file():
            path.unlink()
        else:
            shutil.rmtree(str(path), ignore_errors=True)
    run([sys.executable, "-m", "venv", "--without-pip", str(VENV)])


def same_place() -> bool:
    """False where ``.venv`` was made by another Python or for another folder."""
    try:
        config = (VENV / "pyvenv.cfg").read_text()
        script = (VENV / "bin" / "activate").read_text()
    except OSError:
        return False
    version = f"{sys.version_info[0]}.{sys.version_info[1]}."
    return f"version = {version}" in config and str(VENV) in script


def install(profile: str) -> None:
    """The locked packages, each checked against its hash; wheels only: no compiler is needed."""
    if stamp_file().exists():
        stamp_file().unlink()  # an interrupted install must not look like a finished one
    command = [
        *pip(),
        "install",
        "--require-hashes",
        "--only-binary=:all:",
        "--no-cache-dir",
        "--disable-pip-version-check",
        "--no-input",
        "--no-warn-script-location",
        "--retries=5",
        "--timeout=30",
        "-r",
        str(LOCKS[profile]),
    ]
    environment = {**os.environ, "PIP_ROOT_USER_ACTION": "ignore", "PYTHONNOUSERSITE": "1"}
    environment.pop("PIP_REQUIRE_VIRTUALENV", None)
    total = len(re.findall(r"^[a-z]", LOCKS[profile].read_text(), re.MULTILINE))
    seen = 0
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, universal_newlines=True
    ) as child:
        assert child.stdout is not None
        for line in child.stdout:
            text = line.strip()
            if text.startswith(("Collecting", "Requirement already")):
                seen += 1
                name = re.sub(r"^(Collecting|Requirement already satisfied:) ", "", text).split(" ")[0]
                say(f"  {min(seen, total):3d}/{total} {name}")
            elif text.startswith("Installing"):
                say("  unpacking ...")
            elif text.startswith("ERROR"):
                say(text)
    if child.returncode:
        raise Refused(
            "The packages could not be installed (see above). With a network: run make again.\n"
            "Without one: point PIP_FIND_LINKS at a folder that holds the wheels of " + LOCKS[profile].name
        )


def pip() -> List[str]:
    """A command that installs into ``.venv``: the first pip that there is."""
    python = str(VENV / "bin" / "python")
    if list(VENV.glob("lib/python*/site-packages/pip/__main__.py")):
        return [python, "-m", "pip"]
    bundled = Path(sysconfig.get_paths()["stdlib"]) / "ensurepip" / "_bundled"
    for folder in (bundled, Path("/usr/share/python-wheels")):
        wheels = sorted(folder.glob("pip-*.whl"))
        if wheels:
            return [python, str(wheels[-1] / "pip")]
    borrowed = [sys.executable, "-m", "pip", "--python", python]
    if succeeds([*borrowed, "--version"]):
        return borrowed
    return [python, str(fetch_pip() / "pip")]


def fetch_pip() -> Path:
    """The pinned pip as a wheel, from where pip itself would be told to look."""
    target = VENV / PIP_WHEEL
    for url in pip_urls():
        try:
            say(f"  fetching {PIP_WHEEL}")
            with urllib.request.urlopen(url, timeout=TIMEOUT_S) as answer:  # noqa: S310 - the person's own index
                data = answer.read()
        except (OSError, ValueError):
            continue
        if hashlib.sha256(data).hexdigest() == PIP_SHA256:
            target.write_bytes(data)
            return target
    raise Refused(
        "This Python has neither ensurepip nor pip, and no index is configured that offers "
        f"{PIP_WHEEL}.\nOne command mends it: {VENV_MENDS_IT}\n"
        "(or set PIP_INDEX_URL to your package index)"
    )


def pip_urls() -> Iterator[str]:
    """Places of the pip wheel: find-links folders, then the pages of the indexes (PEP 503)."""
    settings = pip_settings()
    for place in settings["find-links"].split():
        if "://" not in place:
            place = Path(place).expanduser().resolve().as_uri()  # noqa: PLW2901
        yield place.rstrip("/") + "/" + PIP_WHEEL
    for index in settings["index-url"].split() + settings["extra-index-url"].split():
        page = index.rstrip("/") + "/pip/"
        if page.startswith("file://") and Path(urllib.request.url2pathname(page[7:])).is_dir():
            listing = page + "index.html"
        else:
            listing = page
        try:
            with urllib.request.urlopen(listing, timeout=TIMEOUT_S) as answer:  # noqa: S310
                text = answer.read().decode("utf-8", "replace")
        except (OSError, ValueError):
            text = ""
        for link in re.findall(r'href="([^"]+)"', text):
            clean = html.unescape(link).split("#")[0]
            if clean.rsplit("/", 1)[-1] == PIP_WHEEL:
                yield urllib.parse.urljoin(page, clean)
        yield page + PIP_WHEEL


def pip_settings() -> Dict[str, str]:
    """index-url, extra-index-url and find-links as pip reads them: files, then PIP_* variables."""
    found = {"index-url": "", "extra-index-url": "", "find-links": ""}
    for name in pip_files():
        parser = configparser.RawConfigParser()
        try:
            parser.read(str(name))
        except configparser.Error:
            continue
        for section in ("global", "install"):
            for key, value in found.items():
                found[key] = parser.get(section, key, fallback=value)
    for key, value in found.items():
        found[key] = os.environ.get("PIP_" + key.upper().replace("-", "_"), value)
    return found


def pip_files() -> List[Path]:
    home = Path(os.environ.get("HOME", "/nonexistent"))
    config_home = Path(os.environ.get("XDG_CONFIG_HOME", str(home / ".config")))
    files = [Path("/etc/pip.conf"), home / ".pip/pip.conf", config_home / "pip/pip.conf"]
    if os.environ.get("PIP_CONFIG_FILE"):
        files.append(Path(os.environ["PIP_CONFIG_FILE"]))
    return files


def add_checkout() -> None:
    """Make ``import appliance`` and ``.venv/bin/appliance`` mean this checkout.

    What ``pip install -e .`` would do, without fetching a build backend for it.
    """
    for packages in VENV.glob("lib/python*/site-packages"):
        (packages / "aries_edge_checkout.pth").write_text(f"{ROOT}\n")
    script = VENV / "bin" / "appliance"
    script.write_text(
        f"#!{VENV}/bin/python\nimport sys\n\nfrom appliance.cli import main\n\nsys.exit(main())\n"
    )
    script.chmod(0o755)


def stamp_file() -> Path:
    return VENV / ".stamp"


def stamp(profile: str) -> str:
    """What ``.venv`` was made from: lock, Python, place."""
    digest = hashlib.sha256(LOCKS[profile].read_bytes()).hexdigest()
    return f"{profile} {digest} {sys.version_info[0]}.{sys.version_info[1]} {platform.machine()} {ROOT}"


def stamped(profile: str) -> bool:
    try:
        return stamp(profile) in stamp_file().read_text().splitlines() and (VENV / "bin/python").exists()
    except OSError:
        return False


def install_tools() -> None:
    """Install what tests need with apt where that asks nobody; else say what is missing."""
    missing = [name for name in TOOLS if not has_tool(name)]
    if not missing:
        return
    packages = [package for name in missing for package in TOOLS[name]]
    prefix = unasked_root()
    if prefix is not None and shutil.which("apt-get"):
        say(f"installing for the tests: {' '.join(missing)}")
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        apt = [*prefix, "apt-get", "-y", "-q"]
        for command in ([*apt, "update"], [*apt, "install", "--no-install-recommends", *packages]):
            subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, check=False)
        missing = [name for name in missing if not has_tool(name)]
    if missing:
        packages = [package for name in missing for package in TOOLS[name]]
        say(f"missing: {', '.join(missing)}. Tests that need them are skipped and say so. To have them:")
        say(f"  {SUDO}apt-get install -y --no-install-recommends {' '.join(packages)}")
        if "chromium" in missing and "ubuntu" in Path("/etc/os-release").read_text().lower():
            say("  (Ubuntu's chromium is a stub for a snap: set CHROMIUM=/path/to/a/browser instead)")


def unasked_root() -> Optional[List[str]]:
    """The prefix that makes a command root's without a question; None where there is none."""
    if os.geteuid() == 0:
        return []
    return ["sudo", "-n"] if succeeds(["sudo", "-n", "true"]) else None


def has_tool(name: str) -> bool:
    if name == "chromium":
        # asked for its version, since a snap's stub is in PATH and does nothing
        return succeeds([os.environ.get("CHROMIUM", "chromium"), "--version"])
    if name == "gst-rtsp-server":
        probe = "import gi; gi.require_version('GstRtspServer', '1.0')"
        return succeeds(["/usr/bin/python3", "-c", probe])  # Debian's gi belongs to Debian's Python
    if name == "postgres":  # Debian keeps each version's programs apart, and none in PATH
        return any(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    return shutil.which(name) is not None


def succeeds(command: List[str]) -> bool:
    quiet = subprocess.DEVNULL
    try:
        answer = subprocess.run(
            command, stdin=quiet, stdout=quiet, stderr=quiet, timeout=TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return answer.returncode == 0


def run(command: List[str]) -> None:
    if subprocess.run(command, stdin=subprocess.DEVNULL, check=False).returncode:
        raise Refused(f"`{' '.join(command)}` failed. On Debian and Ubuntu this mends it: {VENV_MENDS_IT}")


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
