"""The key that updates must be signed with: whether it is there, and its fingerprint, to be compared."""

import hashlib
import re
import ssl

from appliance.base.clock import rfc3339
from provisioning.ground import Ground
from provisioning.report.document import Line, Result
from provisioning.step import Say
from provisioning.steps.acceptance.proofs import Asked
from provisioning.steps.acceptance.subject import Subject

NAME, TITLE = "update_key", "Updates"
KEYRINGS = ("/etc/rauc/keyring.pem", "/etc/rauc/ca.cert.pem")  # rauc: system.conf [keyring] path
LARGEST_BYTES = 1 << 20
_PEM = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


async def run(ground: Ground, subject: Subject, asked: Asked, say: Say) -> Result:
    at = rfc3339(ground.clock.now_ns())
    for name in KEYRINGS:
        path = ground.at(name)
        if path.is_file() and path.stat().st_size <= LARGEST_BYTES:
            prints = fingerprints(path.read_text(errors="replace"))
            if not prints:
                text, hint = f"{name} holds no certificate.", "Install the system image of this box again."
                return Result(NAME, TITLE, "failed", text, hint, at)
            lines = tuple(
                Line(found, f"Key {number}", "passed", found) for number, found in enumerate(prints, 1)
            )
            text = f"Updates are taken only if signed with {len(prints)} known key{'s' * (len(prints) > 1)}."
            return Result(NAME, TITLE, "passed", text, "", at, lines=lines)
    return Result(
        NAME,
        TITLE,
        "not_done",
        "This system is none of our images, and has no key that updates are checked with.",
        "Updates of this machine come from its own package manager.",
        at,
    )


def fingerprints(text: str) -> list[str]:
    """SHA-256 of each certificate's DER form, ``AB:CD:…``; what cannot be read is left out."""
    found = []
    for pem in _PEM.findall(text):
        try:
            der = ssl.PEM_cert_to_DER_cert(pem)
        except ValueError:
            continue
        found.append(hashlib.sha256(der).digest().hex(":").upper())
    return found
