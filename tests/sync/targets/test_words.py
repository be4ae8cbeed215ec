"""Whatever library stands below it: what a target of each kind says when nothing is there, or nobody vouches
for what is, is a sentence of ours with its next step, and no name of a class."""

import asyncio
import re
import ssl

import pytest

from appliance.base.clock import BoxClock
from appliance.store.targets import Target
from appliance.sync.address import tls_of
from appliance.sync.targets import registry
from appliance.sync.targets.given import Given

S3 = {"access_key_id": "AKIATEST"}
KINDS = {
    "https": ("", "https://{at}/in", {}),
    "hub": ("", "https://{at}", {}),
    "s3": ("obstore", "s3://bucket/x", S3 | {"endpoint": "https://{at}"}),
    "sqs": ("aiobotocore", "https://{at}/1/queue", S3 | {"region": "eu-central-1"}),
    "mqtt": ("aiomqtt", "mqtts://{at}", {}),
    "redis": ("redis", "rediss://{at}", {}),
    "kafka": ("aiokafka", "kafka+ssl://{at}", {}),
    "pulsar": ("pulsar", "pulsar+ssl://{at}", {}),
    "zmq": ("zmq", "tcp://{at}", {}),
}
PYTHON = re.compile(r"\w(Error|Exception)\b|Errno|_ssl\.c|object at 0x|\.py\b")


async def probed(kind: str, at: str, folder):
    package, url, options = KINDS[kind]
    if package:
        pytest.importorskip(package)
    options = {name: value.replace("{at}", at) for name, value in options.items()}
    target = Target("out", url.replace("{at}", at), kind, options=options)
    secret = "s3cret-word" if kind in ("https", "hub", "s3", "sqs") else None
    made = registry.make(Given(target, secret, tls_of(target), "box-1", BoxClock(), None, folder, 2.0))
    try:
        found = await made.probe()
    finally:
        await made.close()
    assert not found.ok and found.hint and not PYTHON.search(f"{found.detail} {found.hint}"), found
    assert "s3cret-word" not in f"{found.detail} {found.hint}"
    return found


@pytest.mark.parametrize("kind", KINDS)
async def test_nothing_listens(kind, tmp_path, unused_tcp_port):
    found = await probed(kind, f"127.0.0.1:{unused_tcp_port}", tmp_path)
    assert "does not answer" in found.detail if kind == "pulsar" else "nothing listens" in found.detail
    assert "check the address" in found.hint


# paho leaves a socket whose handshake failed to the garbage collector
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("pulsar", "zmq")])
async def test_nobody_vouches_for_it(kind, tmp_path, tls):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tls[0])
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=context)
    async with server:
        found = await probed(kind, f"127.0.0.1:{server.sockets[0].getsockname()[1]}", tmp_path)
    assert "vouches for the certificate" in found.detail
