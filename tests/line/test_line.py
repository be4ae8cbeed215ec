"""From the simulated camera to the HTTPS target and back: nothing is lost, nothing comes twice."""

import hashlib
import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

TOKEN = "the-token-of-the-cloud"
PEM, PKCS8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8


def certificates(folder: Path) -> tuple[Path, str]:
    """(a server's chain and key, the PEM of the authority that signed it)."""
    now = datetime.now(UTC)
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
    names = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]) for name in ("our CA", "cloud")]
    made = []
    for number, is_ca in enumerate((True, False)):
        builder = (
            x509.CertificateBuilder()
            .subject_name(names[number])
            .issuer_name(names[0])
            .public_key(keys[number].public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        )
        if not is_ca:
            address = x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))])
            builder = builder.add_extension(address, critical=False)
        made.append(builder.sign(keys[0], hashes.SHA256()).public_bytes(PEM))
    secret = keys[1].private_bytes(PEM, PKCS8, serialization.NoEncryption())
    path = folder / "cloud.pem"
    path.write_bytes(made[1] + secret)
    return path, made[0].decode()


class Cloud:
    """An HTTPS target. While ``is_sick`` it takes nothing; else each id counts once."""

    def __init__(self) -> None:
        self.is_sick = True
        self.refused = 0
        self.rows: dict[str, dict] = {}
        self.arrivals: list[str] = []
        self.url = self.ca = ""

    async def take(self, request: web.Request) -> web.Response:
        assert request.headers["Authorization"] == f"Bearer {TOKEN}"
        body = await request.json()
        ids = [row["id"] for row in body["batch"]]
        assert 1 <= len(ids) <= 100
        key = request.headers["Idempotency-Key"]
        assert key == hashlib.sha256("\n".join(ids).encode()).hexdigest()
        if self.is_sick:
            self.refused += 1
            return web.Response(status=503)
        self.arrivals += ids
        for row in body["batch"]:
            self.rows.setdefault(row["id"], row)
        return web.json_response({"acknowledged": ids})

    def of(self, kind: str) -> list[dict]:
        return [row["body"] for row in self.rows.values() if row["kind"] == kind]


@pytest.fixture
async def cloud(tmp_path):
    made = Cloud()
    pem, made.ca = certificates(tmp_path)
    app = web.Application()
    app.router.add_post("/in", made.take)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pem)
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    made.url = f"https://127.0.0.1:{runner.addresses[0][1]}/in"
    yield made
    await runner.cleanup()


async def test_from_the_camera_to_the_target_and_back(box, scene, cloud, tools):
    url = await scene("gate?size=640x360&fps=10&gop=10")
    await box.start("--detector", "motion")
    put = await box.call("PUT", "/targets/cloud", {"kind": "https", "url": cloud.url, "ca": cloud.ca,
                                                   "token": TOKEN, "enabled": True})  # fmt: skip
    assert put.status == 200 and TOKEN.encode() not in put.body, put
    camera_id = await box.add_camera("Gate", url, detect={"enabled": True, "fps": 5})
    points = [[0.5, 0.05], [0.5, 1.0]]
    zone = {"camera_id": camera_id, "name": "Middle", "kind": "line", "points": points}
    zone_id = (await box.make("/zones", zone))["id"]
    rule = {"name": "Crossing", "kind": "line_cross", "camera_ids": [camera_id], "zone_ids": [zone_id]}
    await box.make("/rules", rule | {"severity": "critical", "cooldown_s": 0})

    first = await box.events(since=0)
    _, told = await first.wait(lambda m: m["type"] == "alert", 25)
    _, happened = await first.wait(lambda m: m["type"] == "event", 1)
    alert, event = told["data"], happened["data"]
    assert (alert["status"], alert["severity"], alert["event_id"]) == ("new", "critical", event["id"])
    await tools.until(lambda: cloud.refused, 10, "the target was not asked")
    await box.kill()
    heard_before = [message for _, message in first.heard]
    assert not cloud.rows
    cloud.is_sick = False

    await box.start("--detector", "motion")
    second = await box.events(since=heard_before[-1]["id"])
    await tools.until(lambda: {event["id"], alert["id"]} <= cloud.rows.keys(), 15, "owed, and not delivered")
    assert cloud.rows[event["id"]]["kind"] == "event" and cloud.rows[alert["id"]]["kind"] == "alert"
    sent = cloud.rows[event["id"]]["body"]
    same = ("id", "type", "camera_id", "rule_id", "zone_id", "start_time", "bbox", "direction", "track_id")
    assert {key: sent[key] for key in same} == {key: event[key] for key in same}
    assert cloud.rows[alert["id"]]["body"]["status"] == "new"

    done = await box.call("POST", f"/alerts/{alert['id']}/ack", {"note": "on my way"})
    assert done.status == 200 and done.json["alert"]["acknowledged_by"] == "admin"
    assert (await box.call("POST", f"/alerts/{alert['id']}/ack", {})).status == 409
    is_ack = lambda m: m["type"] == "alert" and m["data"]["status"] == "acknowledged"  # noqa: E731
    _, message = await second.wait(is_ack, 3)
    assert message["data"]["id"] == alert["id"] and message["data"]["notes"]
    await tools.until(lambda: cloud.of("alert_update"), 10, "the decision was not delivered")
    assert (cloud.of("alert_update")[0]["id"], cloud.of("alert_update")[0]["status"]) == (
        alert["id"],
        "acknowledged",
    )
    await everything_adds_up(box, cloud, tools)
    await nothing_is_missed(box, heard_before, second)
    assert (await box.stop())[0] == 0
    assert box.check().returncode == 0
    assert TOKEN not in box.log.read_text()


async def everything_adds_up(box, cloud, tools) -> None:
    """D6, and each row had its effect once."""

    async def settled():
        figures = (await box.get("/targets/cloud"))["target"]
        return figures if figures["owed"] == figures["acknowledged"] else None

    figures = await tools.until(settled, 10)
    assert figures["waiting"] == figures["in_flight"] == figures["parked"] == figures["tombstoned"] == 0
    assert figures["acknowledged"] == len(cloud.rows) == len(cloud.arrivals)
    events = (await box.get("/events"))["events"]
    assert {event["id"] for event in events} == {body["id"] for body in cloud.of("event")}


async def nothing_is_missed(box, before, second) -> None:
    """Two sockets with a ``kill -9`` between them tell what one that begins at 0 tells."""
    newest = second.heard[-1][1]["id"]
    whole = await box.events(since=0)
    await whole.wait(lambda message: message["id"] >= newest, 5)
    ids = [message["id"] for _, message in whole.heard if message["id"] <= newest]
    assert ids == sorted(set(ids))
    assert ids == [m["id"] for m in before] + [m["id"] for _, m in second.heard if m["id"] <= newest]
    assert [m for _, m in whole.heard][: len(before)] == before
