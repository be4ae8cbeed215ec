"""What who helps has to know of a box, and nothing that opens it: versions, health, disks, cameras, logs.

Two nets hold the secrets back. What is put in is chosen, piece by piece; and every line of it goes through
``redact``, which was told of each secret that this box can open, in each form that text may show it.
"""

import hashlib
import importlib.metadata
import io
import json
import platform
import ssl
import tarfile
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from appliance import __version__
from appliance.base.clock import SECOND_NS, Clock, boot_id, rfc3339
from appliance.base.config import FILE_NAME, Config
from appliance.base.errors import ApplianceError
from appliance.base.redaction import forbid, redact
from appliance.daemon.stores import Stores
from appliance.media.ring.volume import read_identity
from appliance.store import cameras, gaps, secrets_known, settings, targets, volumes
from appliance.system import disk, instance, tls
from appliance.system.programs import Programs

DAYS = 7
UNITS = ("appliance", "aries-provision", "aries-tunnel", "aries-update", "aries-mark-good", "aries-firewall")
LOG_LINES = 20_000
LARGEST_TEXT = 8_000_000  # characters of one file, from its end: the newest lines say most
HEALTH_S = 5.0
MOST_FILES = 200  # of the secrets folder

Part = tuple[str, Callable[[], str]]


def write(
    config: Config,
    stores: Stores,
    clock: Clock,
    programs: Programs,
    target: io.BufferedIOBase,
    tell: Callable[[str, int, int], None] = lambda part, done, all_parts: None,
) -> int:
    """A tar.gz of small files; how many. A part that cannot be had says why in its place. ``tell``: which
    part is asked for, how many are done, of how many."""
    learn_secrets(config, stores)
    texts: dict[str, str] = {}
    parts = _parts(config, stores, clock, programs)
    for number, (name, make) in enumerate(parts):
        tell(name, number, len(parts))
        try:
            text = make()
        except (ApplianceError, OSError, ValueError) as error:
            text = f"not to be had: {error}\n"
        texts[name] = redact(text[-LARGEST_TEXT:])
    digests = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in texts.items()}
    about = {"made_at": rfc3339(clock.now_ns()), "version": __version__, "files": digests}
    with tarfile.open(fileobj=target, mode="w:gz") as tar:
        for name, text in {"manifest.json": _json(about), **texts}.items():
            data = text.encode()
            entry = tarfile.TarInfo(f"support/{name}")
            entry.size, entry.mode, entry.mtime = len(data), 0o600, clock.now_ns() // SECOND_NS
            tar.addfile(entry, io.BytesIO(data))
    return len(texts)


def learn_secrets(config: Config, stores: Stores) -> None:
    """Tell ``redact`` of everything that this box keeps secret."""
    db = stores.appliance
    plain = db.read_now(lambda conn: list(secrets_known.sealed_secrets(conn, stores.sealer)))
    words: set[str] = set(db.read_now(lambda conn: list(secrets_known.hashes(conn))))
    for secret in plain:
        words.update(secrets_known.forms(secret))
        words.update(_strings_in(secret))
    for path in sorted(config.secrets_dir.iterdir())[:MOST_FILES]:
        if path.is_file():
            words.update(_of_file(path.read_bytes()))
    forbid(*sorted(words))


def _strings_in(secret: bytes) -> Iterator[str]:
    """A camera's are user and password in MessagePack, a tunnel's keys are JSON."""
    for decode in (msgspec.msgpack.decode, msgspec.json.decode):
        try:
            found = decode(secret)
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue
        values = found.values() if isinstance(found, dict) else found if isinstance(found, list) else ()
        yield from (value for value in values if isinstance(value, str))


def _of_file(data: bytes) -> Iterator[str]:
    """A key's raw bytes, or the lines of its PEM."""
    yield from secrets_known.forms(data)
    lines = data.decode(errors="replace").splitlines()
    yield from (line for line in lines if len(line) > 15 and not line.startswith("-----"))


def _parts(config: Config, stores: Stores, clock: Clock, programs: Programs) -> list[Part]:
    def program(*words: str) -> Callable[[], str]:
        return lambda: _said(programs, *words)

    units = [word for unit in UNITS for word in ("-u", unit)]
    journal = ("journalctl", "--no-pager", "-o", "short-iso", "-n")
    return [
        ("versions.json", _versions),
        ("health.json", lambda: _health(config)),
        ("settings.json", lambda: _json(msgspec.to_builtins(stores.appliance.read_now(settings.load)))),
        ("cameras.json", lambda: _json(stores.appliance.read_now(cameras_of))),
        ("gaps.json", lambda: _gaps(stores, clock)),
        ("volumes.json", lambda: _volumes(config, stores)),
        ("appliance.toml", lambda: (config.data_dir / FILE_NAME).read_text(errors="replace")),
        ("files.txt", lambda: _files(config.data_dir)),
        ("disks.txt", program("lsblk", "-o", "NAME,SIZE,TYPE,MODEL,FSTYPE,FSUSE%,MOUNTPOINTS")),
        ("mounts.txt", lambda: Path("/proc/self/mountinfo").read_text()),
        ("memory.txt", lambda: Path("/proc/meminfo").read_text()),
        ("pressure.txt", _pressure),
        ("addresses.txt", program("ip", "-brief", "address")),
        ("units.txt", program("systemctl", "--no-pager", "--failed")),
        ("slots.txt", program("rauc", "status", "--detailed")),
        ("journal.txt", program(*journal, str(LOG_LINES), *units)),
        ("kernel.txt", program(*journal, "2000", "-k")),
        ("last-crash.txt", lambda: _last_crash(programs)),
    ]  # fmt: skip


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, default=str) + "\n"


def _said(programs: Programs, *words: str) -> str:
    done = programs.ask(*words)
    return done.text if done.status == 0 else f"{words[0]}: status {done.status}: {done.error}\n{done.text}"


def _versions() -> str:
    packages = {str(found.metadata["Name"]): found.version for found in importlib.metadata.distributions()}
    release = Path("/etc/os-release")
    return _json(
        {
            "appliance": __version__,
            "python": platform.python_version(),
            "kernel": platform.release(),
            "machine": platform.machine(),
            "system": release.read_text() if release.is_file() else "",
            "boot": boot_id(),
            "packages": dict(sorted(packages.items())),
        }
    )


def _health(config: Config) -> str:
    """Of the daemon that runs, over loopback, believed by the box's own certificate."""
    if not instance.running(config.data_dir):
        return _json({"status": "not running"})
    scheme = "http" if config.plain_http else "https"
    cert = config.secrets_dir / tls.CERT_NAME
    context = ssl.create_default_context(cafile=str(cert)) if cert.is_file() else None
    url = f"{scheme}://localhost:{config.listen.port}/health/ready"
    try:
        with urllib.request.urlopen(url, timeout=HEALTH_S, context=context) as answer:  # noqa: S310 - our own address
            return str(answer.read().decode())
    except urllib.error.HTTPError as error:
        return str(error.read().decode(errors="replace"))  # 503 says what fails


def cameras_of(conn: Any) -> list[dict[str, Any]]:
    """Without names of users; addresses through ``redact`` like all else."""
    found = [msgspec.to_builtins(camera) for camera in cameras.list_cameras(conn, archived=True)]
    for camera in found:
        camera.pop("username", None)
    kinds = [
        {"id": target.id, "kind": target.kind, "enabled": target.enabled}
        for target in targets.list_targets(conn)
    ]
    return [*found, {"targets": kinds}]


def _gaps(stores: Stores, clock: Clock) -> str:
    """Seconds without video by stream and cause, of the last days."""
    now_ns = clock.now_ns()
    since_ns = now_ns - DAYS * 86_400 * SECOND_NS

    def look(conn: Any) -> dict[str, dict[str, float]]:
        found: dict[str, dict[str, float]] = {}
        for camera in cameras.list_cameras(conn, archived=True):
            for stream in ("main", "sub"):
                causes: Counter[str] = Counter()
                for gap in gaps.overlapping(conn, camera.id, stream, since_ns, now_ns):
                    end_ns = min(gap.end_ns or now_ns, now_ns)
                    causes[gap.cause] += (end_ns - max(gap.start_ns, since_ns)) // SECOND_NS
                if causes:
                    found[f"{camera.id}/{stream}"] = dict(causes)
        return found

    return _json({"days": DAYS, "seconds": stores.appliance.read_now(look)})


def _volumes(config: Config, stores: Stores) -> str:
    known = {row.path: row.id for row in stores.appliance.read_now(volumes.list_volumes)}
    found = []
    for path in dict.fromkeys([config.data_dir, *config.volumes, *map(Path, known)]):
        entry: dict[str, Any] = {"path": str(path), "known_as": known.get(str(path))}
        try:
            usage, mount, identity = disk.usage(path), disk.mount_of(path), read_identity(path)
        except (OSError, ApplianceError) as error:
            entry["fault"] = str(error)
        else:
            entry |= {"total_bytes": usage.total_bytes, "free_bytes": usage.free_bytes}
            entry |= {"mount": msgspec.to_builtins(mount), "identity": msgspec.to_builtins(identity)}
        found.append(entry)
    return _json(found)


def _files(data_dir: Path) -> str:
    """Names, sizes and modes of the box's own folder, two levels deep; no contents."""
    lines = []
    for path in sorted([*data_dir.glob("*"), *data_dir.glob("*/*")]):
        try:
            found = path.lstat()
        except OSError:
            continue
        lines.append(f"{found.st_mode:o} {found.st_size:14d} {path.relative_to(data_dir)}")
    return "\n".join(lines) + "\n"


def _pressure() -> str:
    folder = Path("/proc/pressure")
    return "\n".join(f"{path.name}: {path.read_text().strip()}" for path in sorted(folder.glob("*"))) + "\n"


def _last_crash(programs: Programs) -> str:
    """What the journal kept of the boot before, from warnings on; and which programs dumped core."""
    before = _said(
        programs, "journalctl", "--no-pager", "-o", "short-iso", "-b", "-1", "-p", "warning", "-n", "1000"
    )
    if not programs.has("coredumpctl"):
        return before
    return f"{before}\n{_said(programs, 'coredumpctl', '--no-pager', 'list')}"
