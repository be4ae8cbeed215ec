"""Keys for images that nobody sells: made once, kept beside the image. A product's key lies elsewhere
(``--keyring`` of ``firmware.image``, ``--key`` of ``firmware.bundle``), on a token where there is one."""

from pathlib import Path

from firmware.build import must, say


def keys(folder: Path, name: str = "update") -> tuple[Path, Path]:
    """(key, certificate) of this bench only."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    key, certificate = folder / f"{name}.key", folder / f"{name}.pem"
    if not key.exists():
        must("openssl", "req", "-x509", "-newkey", "rsa:3072", "-nodes", "-keyout", key, "-out", certificate,
             "-subj", f"/O=Aries Edge bench/CN={name}", "-days", "3650")  # fmt: skip
    return key, certificate


def of_the_bench(out: Path) -> tuple[Path, Path]:
    """The same, said aloud: what takes bundles of a key that lies on a desk is no product."""
    key, certificate = keys(out / "keys")
    say(f"for tests only: it goes with the key in {key}; for a product give its own")
    return key, certificate
