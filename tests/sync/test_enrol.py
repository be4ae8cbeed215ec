"""How a box comes to a hub: with a code and its own key, all of it or nothing."""

import base64
import hashlib
import json
import shutil
import ssl

import msgspec
import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from wireguard_tools import WireguardKey

from appliance.base.errors import ApplianceError
from appliance.store import hub_link, settings, targets
from appliance.store.cameras import KEEP
from appliance.store.database import Database
from appliance.store.policy import KindPolicy, Policy
from appliance.store.sealing import Sealer
from appliance.store.targets import Target
from appliance.sync.enrol import Applicant, leave
from appliance.sync.protocol.enrolment import Enrolment
from appliance.sync.protocol.invitation import Invitation
from appliance.system.tunnel import kept

CODE = "abcde-fghjk-mnpqr-stuvw"
TOKEN = "b1." + "t" * 40
COMMAND_KEY = base64.b64encode(bytes(range(32))).decode()
PEER = str(WireguardKey.generate().public_key())
TUNNEL = {
    "address": "10.90.0.7/32", "peer_key": PEER, "endpoint": "hub.example:51820",
    "allowed_ips": ["10.90.0.1/32"], "preshared_key": str(WireguardKey.generate()),
}  # fmt: skip


class Hub:
    """Believes a code once, and a known device only with the identity key that it came with first."""

    def __init__(self) -> None:
        self.asked: list[Enrolment] = []
        self.known: dict[str, str] = {}
        self.codes = {CODE}
        self.answer: dict = {}
        self.raw: web.Response | None = None
        self.url, self.pem = "", ""

    async def handle(self, request: web.Request) -> web.Response:
        asked = Enrolment(**json.loads(await request.read()))
        self.asked.append(asked)
        if self.raw is not None:
            return self.raw
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(asked.identity_key))
        key.verify(base64.b64decode(asked.proof), asked.signed_text())
        if self.known.get(asked.device_id, asked.identity_key) != asked.identity_key:
            error = {"kind": "denied", "message": "known with another identity key", "hint": "ask the admin"}
            return web.json_response({"error": error}, status=403)
        if asked.code not in self.codes:
            error = {"kind": "denied", "message": "this code is wrong, used, or too old", "hint": ""}
            return web.json_response({"error": error}, status=403)
        self.codes.discard(asked.code)
        self.known[asked.device_id] = asked.identity_key
        plain = {"box_id": asked.device_id, "token": TOKEN, "url": self.url, "command_key": COMMAND_KEY}
        return web.json_response(plain | self.answer)


@pytest.fixture
async def hub(tls):
    path, pem = tls
    made = Hub()
    app = web.Application()
    app.router.add_post("/api/v1/box/enrol", made.handle)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    made.url, made.pem = f"https://127.0.0.1:{runner.addresses[0][1]}", pem
    yield made
    await runner.cleanup()


class Box:
    def __init__(self, folder, clock) -> None:
        self.folder, self.clock = folder, clock
        self.db = Database.open(folder / "appliance.db", "appliance", synchronous="NORMAL")
        self.sealer = Sealer.from_dir(folder / "secrets")
        self.db.write_now(lambda conn: settings.ensure_device_id(conn, clock.now_ns()))

    async def enrol(self, hub, code=CODE, ca="", sha256="", **more):
        asked = Invitation(hub.url, code, sha256)
        ca = None if sha256 else ca or hub.pem
        return await Applicant(self.db, self.sealer, self.clock).enrol(asked, ca, **more)

    def stored(self) -> list:
        """All that an enrolment leaves, but the box's own keys."""
        tables = ("targets", "hub_link", "audit")
        rows = [
            self.db.read_now(lambda c, t=t: list(map(tuple, c.execute(f"SELECT * FROM {t}")))) for t in tables
        ]
        return [*rows, self.db.read_now(kept.wanted)]


@pytest.fixture
def box(tmp_path, clock):
    folder = tmp_path / "box"
    folder.mkdir()
    made = Box(folder, clock)
    yield made
    made.db.close()


async def test_a_box_with_a_code_is_the_hub_s_from_then_on(box, hub):
    hub.answer = {"tunnel": TUNNEL}
    link = await box.enrol(hub)
    assert link.command_key == bytes(range(32)) and box.db.read_now(hub_link.get) == link
    target = box.db.read_now(lambda conn: targets.get(conn, "hub"))
    assert (target.kind, target.url, target.ca, target.enabled) == ("hub", hub.url, hub.pem, True)
    sealed = box.db.read_now(lambda conn: targets.secret(conn, "hub"))
    assert box.sealer.open(sealed, "target/hub") == TOKEN.encode()
    config = box.db.read_now(kept.wanted).config
    assert (config.address, config.peer_key, config.endpoint) == ("10.90.0.7/32", PEER, "hub.example:51820")
    keys = box.db.read_now(lambda conn: kept.keys(conn, box.sealer))
    assert keys.preshared == TUNNEL["preshared_key"] and keys.public == hub.asked[0].tunnel_key
    assert TOKEN not in str(box.stored()) and CODE not in str(box.stored())


async def test_what_people_decided_about_the_hub_stays_when_it_is_enrolled_again(box, hub):
    await box.enrol(hub)
    first = box.db.read_now(lambda conn: targets.get(conn, "hub"))
    policy = Policy(kinds={"clip": KindPolicy(on=False)}, quota_bytes=5_000_000)
    set_by_hand = {"policy": policy, "options": {"note": "x"}, "enabled": False, "url": "https://old.example"}
    own = msgspec.structs.replace(first, **set_by_hand)
    box.db.write_now(lambda conn: targets.put(conn, own, KEEP))
    hub.codes.add(CODE)
    await box.enrol(hub, again=True)
    found = box.db.read_now(lambda conn: targets.get(conn, "hub"))
    assert (found.policy, found.options) == (policy, {"note": "x"})
    assert (found.url, found.ca, found.enabled) == (hub.url, hub.pem, True)


async def test_the_certificate_that_an_invitation_names_is_believed_alone(box, hub):
    digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(hub.pem)).hexdigest()
    with pytest.raises(ApplianceError, match="another certificate"):
        await box.enrol(hub, sha256="0" * 64)
    assert hub.asked == []
    await box.enrol(hub, sha256=digest)
    assert box.db.read_now(lambda conn: targets.get(conn, "hub")).ca.strip() == hub.pem.strip()


async def test_a_hub_that_no_authority_vouches_for_is_told_nothing(box, hub):
    with pytest.raises(ApplianceError, match=r"vouches for the certificate of the hub.*--sha256"):
        await Applicant(box.db, box.sealer, box.clock).enrol(Invitation(hub.url, CODE), None)
    assert hub.asked == []


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"command_key": "short"}, "command key"),
        ({"token": "with a space"}, "token"),
        ({"token": ""}, "token"),
        ({"url": "http://hub.example"}, "plain HTTP"),
        ({"url": "ftp://hub.example"}, "not spoken"),
        ({"box_id": ""}, "names this box"),
        ({"box_id": "a\nb"}, "names this box"),
        ({"tunnel": TUNNEL | {"allowed_ips": ["0.0.0.0/0"]}}, "not the endpoint's"),
        ({"tunnel": TUNNEL | {"allowed_ips": []}}, "0 networks"),
        ({"tunnel": TUNNEL | {"peer_key": "x"}}, "no WireGuard key"),
        ({"tunnel": TUNNEL | {"preshared_key": "x"}}, "no WireGuard key"),
        ({"token": 7}, "no hub"),
    ],
)
async def test_an_answer_that_makes_no_sense_leaves_nothing(box, hub, answer, words):
    hub.answer = answer
    before = box.stored()
    with pytest.raises(ApplianceError, match=words):
        await box.enrol(hub)
    assert box.stored() == before


@pytest.mark.parametrize(
    ("raw", "kind", "words"),
    [
        (web.Response(status=302, headers={"Location": "https://evil.example"}), "unavailable", "HTTP 302"),
        (web.Response(status=500, text="x" * 200_000), "unavailable", "HTTP 500"),
        (web.Response(text="<html>"), "unavailable", "no hub"),
        (  # another box, at the port that the hub was thought to have
            web.Response(
                status=404, text='{"error":{"kind":"not_found","message":"nothing at this address"}}'
            ),
            "not_found",
            "what answers at this address is no hub, HTTP 404",
        ),
        (web.Response(text="{" * 200_000), "unavailable", "no hub"),
        (
            web.Response(status=429, text='{"error":{"kind":"exhausted","message":"later"}}'),
            "exhausted",
            "later",
        ),
    ],
)
async def test_whatever_answers_the_box_says_what_it_heard(box, hub, raw, kind, words):
    hub.raw, before = raw, box.stored()
    with pytest.raises(ApplianceError, match=words) as refused:
        await box.enrol(hub)
    assert refused.value.kind == kind and box.stored() == before


async def test_plain_http_is_fine_inside_the_tunnel_and_nowhere_else(box, hub):
    hub.answer = {"tunnel": TUNNEL, "url": "http://10.90.0.1:8443"}
    await box.enrol(hub)
    assert box.db.read_now(kept.wanted).config.probe == "10.90.0.1:8443"
    hub.codes, hub.answer = {CODE}, {"tunnel": TUNNEL, "url": "http://10.90.0.2:8443"}
    with pytest.raises(ApplianceError, match="plain HTTP"):
        await box.enrol(hub, again=True)


async def test_a_wrong_code_is_said_in_the_hub_s_words(box, hub):
    with pytest.raises(ApplianceError, match="wrong, used, or too old") as refused:
        await box.enrol(hub, "wrong-code")
    assert refused.value.kind == "denied"


async def test_a_box_has_one_hub_until_it_leaves(box, hub):
    hub.codes |= {"another-one"}
    await box.enrol(hub)
    with pytest.raises(ApplianceError, match="belongs to a hub already"):
        await box.enrol(hub, "another-one")
    assert len(hub.asked) == 1
    await box.enrol(hub, "another-one", again=True)
    assert box.db.write_now(leave) and not box.db.write_now(leave)
    assert box.db.read_now(targets.list_targets) == [] and box.db.read_now(hub_link.get) is None
    assert not box.db.read_now(kept.wanted).on


async def test_a_target_of_that_name_that_is_none_is_left_alone(box, hub):
    box.db.write_now(lambda conn: targets.put(conn, Target("hub", "https://cloud.example"), None))
    with pytest.raises(ApplianceError, match="no hub"):
        await box.enrol(hub)
    assert hub.asked == []


async def test_a_stolen_disk_image_without_the_secret_cannot_enrol(box, hub, tmp_path, clock):
    await box.enrol(hub)
    box.db.close()
    stolen = tmp_path / "stolen"
    shutil.copytree(box.folder, stolen, ignore=shutil.ignore_patterns("secrets"))
    hub.codes = {CODE}  # the thief has a code that counts, too
    thief = Box(stolen, clock)
    with pytest.raises(ApplianceError, match="identity cannot be opened"):
        await thief.enrol(hub, again=True)
    assert len(hub.asked) == 1, "nothing was said to the hub"
    sealed = thief.db.read_now(lambda conn: targets.secret(conn, "hub"))
    with pytest.raises(ApplianceError):
        thief.sealer.open(sealed, "target/hub")
    thief.db.write_now(lambda conn: conn.execute("DELETE FROM identity"))
    with pytest.raises(ApplianceError):  # the tunnel's keys are sealed, too
        await thief.enrol(hub, again=True)
    thief.db.write_now(kept.forget)
    with pytest.raises(ApplianceError, match="another identity key"):
        await thief.enrol(hub, again=True)
    assert hub.codes == {CODE}
    thief.db.close()
    copied = Box(shutil.copytree(box.folder, tmp_path / "moved"), clock)  # with its secret it is the box
    await copied.enrol(hub, again=True)
    copied.db.close()
