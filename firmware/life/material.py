"""What a life needs beside the image: keys, and bundles good and bad, made once and kept beside the image."""

import shutil
from pathlib import Path

from firmware import bundle, root
from firmware.build import must, say
from firmware.keys import keys
from firmware.recipe import Recipe

PANIC = """[Unit]
DefaultDependencies=no
[Service]
Type=oneshot
ExecStart=/bin/sh -c "echo c > /proc/sysrq-trigger"
"""
WANTED = "[Unit]\nWants=bench-panic.service\n"
NO_RECORDING = "[Service]\nReadOnlyPaths=-/var/lib/aries/recordings\n"
UNITS = Path("usr/lib/systemd/system")
# version -> files that make it what it is
VERSIONS: dict[str, dict[Path, str]] = {
    "9.1": {},
    "9.2": {UNITS / "appliance.service.d/silent.conf": NO_RECORDING},
    "9.3": {UNITS / "bench-panic.service": PANIC, UNITS / "sysinit.target.d/bench.conf": WANTED},
    "9.4": {},
}
GOOD, SILENT, PANICS, LATER = VERSIONS


class Bundles:
    """Under ``out``/bundles; made when first asked for."""

    def __init__(self, recipe: Recipe, out: Path) -> None:
        self._recipe, self._out = recipe, out
        self._folder = out / "bundles"
        self._folder.mkdir(exist_ok=True)
        self._key, self._certificate = keys(out / "keys")

    def version(self, name: str) -> Path:
        """A whole image of that version; what is wrong with it is in ``VERSIONS``."""
        target = self._folder / f"{name}.raucb"
        if not target.exists():
            tree, rootfs = (self._out / "root").resolve(), self._folder / f"{name}.squashfs"
            with _changed(tree, self._recipe, name):
                root.squash(self._recipe, tree, rootfs)
            self._make(rootfs, target, name, self._recipe.compatible)
            rootfs.unlink()
        return target

    def older(self) -> Path:
        return self._small("0.0.1", self._recipe.compatible)

    def other_hardware(self) -> Path:
        return self._small("9.9", "aries-edge-other")

    def wrong_key(self) -> Path:
        return self._small("9.9", self._recipe.compatible, keys(self._out / "keys", "stranger"))

    def tampered(self) -> Path:
        """One byte of a good one's content; newer than what runs, whatever chapter was before."""
        good, target = self.version(LATER), self._folder / "tampered.raucb"
        if not target.exists():
            shutil.copyfile(good, target)
            with target.open("r+b") as file:
                file.seek(good.stat().st_size // 2)
                byte = file.read(1)
                file.seek(-1, 1)
                file.write(bytes([byte[0] ^ 0xFF]))
        return target

    def stick(self, bundle: Path) -> Path:
        """A USB stick (FAT) with ``bundle`` on it."""
        target = bundle.with_suffix(".stick")
        if not target.exists() or target.stat().st_mtime < bundle.stat().st_mtime:
            with target.open("wb") as file:
                file.truncate(bundle.stat().st_size + (64 << 20))
            must("mkfs.vfat", "-F", "32", "-n", "STICK", target)
            must("mcopy", "-i", target, bundle, "::/")
        return target

    def _small(self, version: str, compatible: str, pair: tuple[Path, Path] | None = None) -> Path:
        """Refused for what it says, so that its content does not matter."""
        target = self._folder / f"small-{compatible}-{version}-{pair is not None}.raucb"
        if not target.exists():
            image = self._folder / "small.img"
            image.write_bytes(bytes(range(256)) * 4096)
            self._make(image, target, version, compatible, pair)
            image.unlink()
        return target

    def _make(
        self, rootfs: Path, target: Path, version: str, compatible: str, pair: tuple[Path, Path] | None = None
    ) -> None:
        key, certificate = pair or (self._key, self._certificate)
        bundle.make(rootfs, target, version=version, compatible=compatible, key=str(key),
                    certificate=certificate)  # fmt: skip
        say(f"{target.name}: {target.stat().st_size >> 20} MiB")


class _changed:
    """``tree`` as that version's, for as long as it takes to squash it."""

    def __init__(self, tree: Path, recipe: Recipe, version: str) -> None:
        self._release = tree / "usr/lib/aries/release.json"
        self._before = self._release.read_text()
        self._added = {tree / path: text for path, text in VERSIONS[version].items()}
        self._text = f'{{"version": "{version}", "compatible": "{recipe.compatible}"}}\n'

    def __enter__(self) -> None:
        self._release.write_text(self._text)
        for path, text in self._added.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def __exit__(self, *_: object) -> None:
        self._release.write_text(self._before)
        for path in self._added:
            path.unlink()
            if not any(path.parent.iterdir()):
                path.parent.rmdir()
