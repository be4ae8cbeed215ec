import asyncio
import ipaddress
import ssl
import stat

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtensionOID

from appliance.base.clock import SECOND_NS
from appliance.base.config import TlsFiles
from appliance.base.errors import ApplianceError
from appliance.system import tls

DAY_S = 86_400


def certificate(secrets_dir):
    return x509.load_pem_x509_certificate((secrets_dir / tls.CERT_NAME).read_bytes())


def test_the_box_s_own_certificate(tmp_path, clock):
    secrets_dir = tmp_path / "secrets"
    made = tls.own(secrets_dir, clock)
    found = certificate(secrets_dir)
    key = found.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name == "secp256r1"
    names = found.extensions.get_extension_for_oid(ExtensionOID.SUBJECT_ALTERNATIVE_NAME).value
    assert "localhost" in names.get_values_for_type(x509.DNSName)
    assert ipaddress.ip_address("127.0.0.1") in names.get_values_for_type(x509.IPAddress)
    left_days = (found.not_valid_after_utc.timestamp() - clock.now_ns() / SECOND_NS) / DAY_S
    assert 365 < left_days < 825
    assert not found.extensions.get_extension_for_oid(ExtensionOID.BASIC_CONSTRAINTS).value.ca
    assert made.fingerprint.count(":") == 31
    assert stat.S_IMODE(secrets_dir.stat().st_mode) == 0o700
    for path in secrets_dir.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_it_is_made_once_and_renewed_before_it_expires(tmp_path, clock):
    first = tls.own(tmp_path, clock).fingerprint
    assert tls.own(tmp_path, clock).fingerprint == first
    clock.tick((tls.VALID_DAYS - tls.BACKDATE_DAYS - tls.RENEW_DAYS - 1) * DAY_S)
    assert tls.own(tmp_path, clock).fingerprint == first
    clock.tick(2 * DAY_S)
    assert tls.own(tmp_path, clock).fingerprint != first


@pytest.mark.parametrize("name", [tls.CERT_NAME, tls.KEY_NAME])
@pytest.mark.parametrize("damage", [b"", b"-----BEGIN CERTIFICATE-----\n", None])
def test_damaged_files_are_made_again(tmp_path, clock, name, damage):
    first = tls.own(tmp_path, clock).fingerprint
    if damage is None:
        (tmp_path / name).unlink()
    else:
        (tmp_path / name).write_bytes(damage)
    assert tls.own(tmp_path, clock).fingerprint != first


def test_a_key_of_another_certificate_is_noticed(tmp_path, clock):
    tls.own(tmp_path / "a", clock)
    first = tls.own(tmp_path / "b", clock).fingerprint
    (tmp_path / "b" / tls.KEY_NAME).write_bytes((tmp_path / "a" / tls.KEY_NAME).read_bytes())
    assert tls.own(tmp_path / "b", clock).fingerprint != first


async def shake(server: ssl.SSLContext, client: ssl.SSLContext) -> tuple[str, bytes]:
    """(version, the certificate that was shown) of one real handshake."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    listener = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=server)
    try:
        port = listener.sockets[0].getsockname()[1]
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client, server_hostname="127.0.0.1")
        channel = writer.get_extra_info("ssl_object")
        result = channel.version(), channel.getpeercert(binary_form=True)
        writer.close()
        await writer.wait_closed()
        return result
    finally:
        listener.close()
        await listener.wait_closed()


async def test_a_client_that_pins_it_connects_and_sees_the_printed_fingerprint(tmp_path):
    from appliance.base.clock import BoxClock

    made = tls.own(tmp_path, BoxClock())
    client = ssl.create_default_context(cafile=str(made.cert))
    version, shown = await shake(made.context, client)
    assert version in ("TLSv1.2", "TLSv1.3")
    import hashlib

    assert hashlib.sha256(shown).hexdigest().upper() == made.fingerprint.replace(":", "")


def test_old_protocols_are_refused(tmp_path, clock):
    context = tls.own(tmp_path, clock).context
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert all(
        "ECDHE" in cipher["name"] or cipher["name"].startswith("TLS_") for cipher in context.get_ciphers()
    )


def test_files_that_do_not_belong_together_are_refused(tmp_path, clock):
    one, two = tls.own(tmp_path / "a", clock), tls.own(tmp_path / "b", clock)
    with pytest.raises(ApplianceError) as refused:
        tls.from_files(TlsFiles(one.cert, two.key))
    assert (refused.value.kind, refused.value.field) == ("invalid", "tls")
