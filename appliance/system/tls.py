"""The box's own certificate (``tls = auto``): made once, so that a person can pin it.

ECDSA P-256, self-signed, as a server certificate that is no authority (RFC 5280, 4.2.1.9). Its
names are localhost, 127.0.0.1, ::1, the host name and the addresses on the LAN. It is made again
only when it is about to expire or its files are damaged: a new address alone is not worth the
warning that every browser would show.
"""

import datetime
import ipaddress
import logging
import os
import socket
import ssl
from pathlib import Path

import msgspec
import psutil
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from appliance.base.clock import SECOND_NS, Clock
from appliance.base.config import TlsFiles
from appliance.base.errors import ApplianceError

log = logging.getLogger(__name__)

CERT_NAME, KEY_NAME = "box.crt", "box-tls.key"
VALID_DAYS = 820  # browsers of some makers refuse more than 825
RENEW_DAYS = 30
BACKDATE_DAYS = 30  # a visitor's clock, or ours before its first synchronisation, may be behind


class ServerTls(msgspec.Struct, frozen=True):
    """What the web listens with. ``fingerprint`` is SHA-256 of the certificate, ``AB:CD:…``."""

    context: ssl.SSLContext
    fingerprint: str
    cert: Path
    key: Path


def own(secrets_dir: Path, clock: Clock) -> ServerTls:
    """The box's own certificate, made or renewed if that is due."""
    cert, key = secrets_dir / CERT_NAME, secrets_dir / KEY_NAME
    reason = _why_new(cert, key, clock)
    if reason is not None:
        log.info("making the box's certificate: %s", reason)
        secrets_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        _make(cert, key, clock)
    return from_files(TlsFiles(cert, key))


def from_files(files: TlsFiles) -> ServerTls:
    """A certificate of the site's own. Raises ``invalid`` where the files do not fit."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE+AESGCM:ECDHE+CHACHA20")  # forward secrecy; TLS 1.3 has its own list
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(files.cert, files.key)
        fingerprint = fingerprint_of(files.cert)
    except (OSError, ssl.SSLError, ValueError) as error:
        raise ApplianceError(
            "invalid",
            f"{files.cert} and {files.key} are not a certificate and its key",
            "give PEM files that belong together, the key without a password",
            field="tls",
        ) from error
    return ServerTls(context, fingerprint, files.cert, files.key)


def fingerprint_of(cert: Path) -> str:
    """SHA-256 over the DER form, as browsers show it."""
    digest = x509.load_pem_x509_certificate(cert.read_bytes()).fingerprint(hashes.SHA256())
    return digest.hex(":").upper()


def names() -> tuple[list[str], list[str]]:
    """(DNS names, addresses) under which this box may be called now."""
    dns = ["localhost"]
    for name in (socket.gethostname(), f"{socket.gethostname().split('.')[0]}.local"):
        if _is_dns_name(name) and name not in dns:
            dns.append(name)
    addresses = {"127.0.0.1", "::1"}
    try:
        interfaces = psutil.net_if_addrs()
    except OSError:  # a sandbox without netlink
        interfaces = {}
    for entries in interfaces.values():
        for entry in entries:
            if entry.family in (socket.AF_INET, socket.AF_INET6):
                address = ipaddress.ip_address(entry.address.split("%")[0])
                if not address.is_link_local:
                    addresses.add(str(address))
    return dns, sorted(addresses)


def _is_dns_name(name: str) -> bool:
    labels = name.split(".")
    return len(name) < 254 and all(
        0 < len(label) < 64 and label.isascii() and label.replace("-", "").isalnum() for label in labels
    )


def _why_new(cert: Path, key: Path, clock: Clock) -> str | None:
    if not cert.exists() or not key.exists():
        return "there is none yet"
    try:
        found = x509.load_pem_x509_certificate(cert.read_bytes())
        private = serialization.load_pem_private_key(key.read_bytes(), None)
    except (ValueError, TypeError, OSError):
        return "the old one is damaged"
    if not isinstance(private, ec.EllipticCurvePrivateKey) or private.public_key() != found.public_key():
        return "the old one and its key do not belong together"
    left_s = found.not_valid_after_utc.timestamp() - clock.now_ns() / SECOND_NS
    if left_s < RENEW_DAYS * 86_400:
        return "the old one expires"
    return None


def _make(cert: Path, key: Path, clock: Clock) -> None:
    private = ec.generate_private_key(ec.SECP256R1())
    now = datetime.datetime.fromtimestamp(clock.now_ns() // SECOND_NS, datetime.UTC)
    dns, addresses = names()
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Aries Edge box")])
    alternatives = [x509.DNSName(name) for name in dns]
    found = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=BACKDATE_DAYS))
        .not_valid_after(now + datetime.timedelta(days=VALID_DAYS - BACKDATE_DAYS))
        .add_extension(
            x509.SubjectAlternativeName(
                [*alternatives, *(x509.IPAddress(ipaddress.ip_address(text)) for text in addresses)]
            ),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(private, hashes.SHA256())
    )
    form = serialization.PrivateFormat.PKCS8
    pem = private.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    # the key first: a crash in between leaves a pair that does not belong together, seen at the next start
    _write_whole(key, pem)
    _write_whole(cert, found.public_bytes(serialization.Encoding.PEM))


def _write_whole(path: Path, data: bytes) -> None:
    partial = path.with_name(f"{path.name}.new")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    partial.rename(path)
