"""``python -m firmware.bundle``: a signed bundle (RAUC, verity): system and application together.

The key stays where it is: a file or a PKCS#11 address, given when the bundle is made; never in the
repository.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from appliance import __version__
from appliance.base.errors import ApplianceError
from firmware.build import must
from firmware.keys import of_the_bench
from firmware.recipe import HERE, ROOT, read

MANIFEST = """[update]
compatible={compatible}
version={version}

[bundle]
format={format}

[image.rootfs]
filename=rootfs.img
"""


def make(
    rootfs: Path, target: Path, *, version: str, compatible: str, key: str, certificate: Path,
    format_: str = "verity",
) -> Path:  # fmt: skip
    """``rootfs``: the squashfs of one slot. ``target`` is replaced; it is the bundle afterwards."""
    target.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        content = Path(folder, "content")
        content.mkdir()
        # A raw slot takes any .img; a link, so that half a gigabyte is not copied.
        (content / "rootfs.img").hardlink_to(rootfs)
        text = MANIFEST.format(compatible=compatible, version=version, format=format_)
        (content / "manifest.raucm").write_text(text)
        must("rauc", "--cert", certificate, "--key", key, "--keyring", certificate, "bundle",
             "--mksquashfs-args=-comp gzip -noD", content, target, about=f"bundle {version}")  # fmt: skip
    return target


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m firmware.bundle", description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "build/firmware", help="where the image was built")
    parser.add_argument("--recipe", type=Path, default=HERE / "image.toml")
    parser.add_argument("--version", default=__version__)
    parser.add_argument("--key", help="PEM file, or pkcs11:…; else the one for tests")
    parser.add_argument("--certificate", type=Path, help="PEM; goes with --key")
    args = parser.parse_args()
    if (args.key is None) != (args.certificate is None):
        parser.error("--key and --certificate belong together")
    try:
        made = read(args.recipe)
        key, certificate = (args.key, args.certificate) if args.key else of_the_bench(args.out)
        target = args.out / f"{made.name}-{args.version}.raucb"
        make(args.out / "rootfs.squashfs", target, version=args.version, compatible=made.compatible,
             key=str(key), certificate=certificate)  # fmt: skip
    except ApplianceError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    sys.stdout.write(f"{target}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
