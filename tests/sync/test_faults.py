"""What people are told of a link that does not work: by real servers that are wrong in one way each."""

import asyncio
import contextlib
import socket
import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address

import aiohttp
import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from appliance.base.clock import BoxClock
from appliance.base.errors import ApplianceError
from appliance.base.redaction import forbid
from appliance.store.targets import Target
from appliance.sync import faults
from appliance.sync.address import tls_of
from appliance.sync.answer import Verdict
from appliance.sync.faults import ENROLLING, HUB, TARGET
from appliance.sync.targets import registry
from appliance.sync.targets.given import Given

TOKEN = "s3cret-token-of-the-test"
STATUSES = (302, 400, 401, 402, 403, 404, 405, 408, 410, 413, 418, 422, 429, 500, 502, 503, 507, 599)


def certificate(folder, *, days_from=-1, days_to=1, address="127.0.0.1"):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + timedelta(days=days_from))
        .not_valid_after(now + timedelta(days=days_to))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address(address))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(serialization.Encoding.PEM)
    plain = serialization.NoEncryption()
    secret = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    (folder / "server.pem").write_bytes(pem + secret)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "server.pem")
    return context, pem.decode()


@contextlib.asynccontextmanager
async def server(answer, tls=None):
    """``answer``: a status, or a text with 200. Its port."""

    async def handle(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(status=answer) if isinstance(answer, int) else web.Response(text=answer)

    app = web.Application()
    app.router.add_route("*", "/{any:.*}", handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


@contextlib.asynccontextmanager
async def talker(says: bytes | None):
    """Something that is no HTTP: says that and closes; None: says nothing and stays. Its port."""
    open_ = []

    async def handle(reader, writer) -> None:
        open_.append(writer)
        if says is not None:
            await reader.read(1)
            writer.write(says)
            writer.close()

    made = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield made.sockets[0].getsockname()[1]
    finally:
        for writer in open_:
            writer.close()
        made.close()


async def probed(tmp_path, url, ca=None, kind="https", timeout_s=5.0):
    """(its answer to a test, what a row that it did not take would carry)"""
    target = Target("cloud", url, kind, ca)
    given = Given(target, TOKEN, tls_of(target), "box-1", BoxClock(), None, tmp_path, timeout_s)
    forbid(TOKEN)
    made = registry.make(given)
    try:
        found = await made.probe()
        verdict = await made.put([]) if kind == "https" else Verdict("later")
    finally:
        await made.close()
    assert not found.ok and found.hint
    if kind == "https":
        assert verdict.error == f"{found.detail} ({found.hint})"  # one mapping: the same words
    for text in (found.detail, found.hint, verdict.error):
        assert TOKEN not in text and "Error" not in text and "object at 0x" not in text
    return found, verdict


def free_port() -> int:
    with socket.socket() as made:
        made.bind(("127.0.0.1", 0))
        return made.getsockname()[1]


async def test_nothing_listens(tmp_path):
    found, verdict = await probed(tmp_path, f"https://127.0.0.1:{free_port()}/in")
    assert found.detail == "the target refuses the connection: nothing listens at this address and port"
    assert (verdict.kind, verdict.answered) == ("later", False)
    assert "nothing listens" in (await probed(tmp_path, f"https://localhost:{free_port()}/in"))[0].detail


async def test_a_name_that_is_none(tmp_path):
    found, _ = await probed(tmp_path, "https://nobody.invalid/in")
    assert "its name has no address" in found.detail and "DNS" in found.hint


async def test_silence(tmp_path):
    async with talker(None) as port:
        found, _ = await probed(tmp_path, f"http://127.0.0.1:{port}/in", timeout_s=0.3)
    assert found.detail == "no answer in time: the target is silent"


@pytest.mark.parametrize(("says", "words"), [(b"", "ended the connection"), (b"SSH-2.0-x\r\n", "takes no")])
async def test_something_else_listens(tmp_path, says, words):
    async with talker(says) as port:
        assert words in (await probed(tmp_path, f"http://127.0.0.1:{port}/in"))[0].detail


async def test_https_to_a_port_of_plain_http(tmp_path):
    async with server("{}") as port:
        found, _ = await probed(tmp_path, f"https://127.0.0.1:{port}/in")
    assert "no TLS is spoken" in found.detail and "port" in found.hint


@pytest.mark.parametrize(
    ("made", "trusted", "detail", "hint"),
    [
        ({}, False, "nobody that this box knows vouches for the certificate", "Certificate authority"),
        ({"address": "10.1.2.3"}, True, "for another name than this address", "certificate is for"),
        ({"days_from": -9, "days_to": -1}, True, "has expired", "date and time"),
        ({"days_from": 1, "days_to": 9}, True, "not valid yet", "date and time"),
    ],
)
async def test_each_wrong_certificate(tmp_path, made, trusted, detail, hint):
    context, pem = certificate(tmp_path, **made)
    async with server("{}", context) as port:
        found, verdict = await probed(tmp_path, f"https://127.0.0.1:{port}/in", pem if trusted else None)
    assert detail in found.detail and hint in found.hint and not verdict.answered


async def test_a_hub_s_certificate_has_another_cure_and_at_the_enrolment_a_third(tmp_path):
    context, _ = certificate(tmp_path)
    async with server("{}", context) as port:
        found, _ = await probed(tmp_path, f"https://127.0.0.1:{port}", kind="hub")
        assert "enrol again with a new invitation" in found.hint
        with pytest.raises(aiohttp.ClientError) as caught:
            async with aiohttp.ClientSession() as session, session.get(f"https://127.0.0.1:{port}"):
                pass
    fault = faults.of(caught.value, ENROLLING)
    assert (
        "--sha256" in fault.hint
        and "fingerprint that it printed" in fault.hint
        and "invitation" in fault.hint
    )


async def test_a_web_page_is_no_hub_and_takes_no_batches(tmp_path):
    async with server("<!doctype html><p>Hello") as port:
        found, verdict = await probed(tmp_path, f"http://127.0.0.1:{port}/in")
        assert "takes no deliveries" in found.detail and verdict.answered
        found, _ = await probed(tmp_path, f"http://127.0.0.1:{port}", kind="hub")
        assert found.detail == "what answers at this address is no hub" and "port" in found.hint


@pytest.mark.parametrize("status", STATUSES)
async def test_each_status_has_its_sentence_and_a_next_step(tmp_path, status):
    async with server(status) as port:
        found, verdict = await probed(tmp_path, f"http://127.0.0.1:{port}/in")
    assert f"HTTP {status}" in found.detail and verdict.answered
    expected = {
        401: "token", 403: "not let", 404: "takes no", 413: "too large", 429: "busy", 503: "trouble",
        302: "moved", 507: "no room", 422: "refuses",
    }.get(status, "")  # fmt: skip
    assert expected in found.detail


def test_the_hub_s_own_reason_is_told_and_its_secrets_are_not():
    forbid(TOKEN)
    said = str(faults.of_status(403, HUB, f"this box was revoked\n{TOKEN} " + "x" * 900))
    assert "this box was revoked" in said and TOKEN not in said and len(said) < 400 and "\n" not in said


@pytest.mark.parametrize("peer", [TARGET, HUB, ENROLLING])
def test_no_sentence_is_cut_where_it_is_kept(peer):
    """``checks.words`` keeps 300 letters, the outbox 500."""
    every = [faults.of_status(status, peer) for status in STATUSES]
    every += [make(peer) for _, make in faults._TEXTS] + [
        faults.unreadable(b"", peer),
        faults.unreadable(b"{", peer),
    ]
    for fault in every:
        assert fault.hint and len(str(fault)) <= 300, str(fault)
        assert fault.message[0].islower() and not fault.message.endswith(".")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Error 111 connecting to h:6379. Connection refused.", "refuses the connection"),
        ("[Errno 111] Connect call failed ('127.0.0.1', 1)", "refuses the connection"),
        ("Error -2 connecting to h:6379. Name or service not known.", "no address"),
        ("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed certificate", "vouches"),
        ("client error (Connect): invalid peer certificate: UnknownIssuer", "vouches"),
        ("invalid peer certificate: NotValidForName", "another name"),
        ("certificate verify failed: certificate has expired (_ssl.c:1006)", "expired"),
        ("[SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1006)", "no TLS"),
        ("Operation timed out", "no answer in time"),
        ("Disconnected during message iteration", "ended the connection"),
    ],
)
def test_libraries_that_keep_only_a_text(text, words):
    class LibraryError(Exception):
        pass

    assert words in faults.of(LibraryError(text)).message


def test_what_is_behind_an_error_is_found_and_what_is_for_people_stays():
    outer = RuntimeError("wrapped")
    outer.__cause__ = ConnectionRefusedError(111, "Connection refused")
    assert "refuses the connection" in faults.of(outer).message
    outer.__cause__ = outer  # a chain without an end
    assert faults.of(outer).message == "the target cannot be used: wrapped"
    mine = ApplianceError("denied", "no", "ask")
    assert faults.of(mine) is mine

    class KafkaBrokerError(Exception):
        pass

    assert faults.of(KafkaBrokerError()).message == "the target cannot be used: kafka broker error"
