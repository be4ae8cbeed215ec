"""Fetching a model: from a real TLS server that cuts, lies, forgets and sends away."""

import hashlib
import http.server
import os
import threading
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance.base.clock import BoxClock
from appliance.base.errors import ApplianceError
from appliance.daemon.models import download
from appliance.daemon.models.download import fetch
from appliance.system.tls import own

BODY = bytes(range(256)) * 2_000
SHA = hashlib.sha256(BODY).hexdigest()


@dataclass
class Shop:
    """What the server does next; what it was asked."""

    body: bytes = BODY
    etag: str = '"one"'
    ranges: bool = True
    cut_at: int | None = None  # bytes of an answer, then the connection ends
    cuts: int = 1  # how many answers are cut
    status: int = 200
    location: str = ""
    length: bool = True
    url: str = ""
    port: int = 0
    asked: list[dict[str, str]] = field(default_factory=list)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    shop: Shop

    def do_GET(self):
        shop = self.shop
        shop.asked.append(dict(self.headers))
        if shop.location and self.path != "/behind":
            self.send_response(302)
            self.send_header("Location", shop.location)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        start, status = 0, shop.status
        wanted = self.headers.get("Range")
        if status == 200 and shop.ranges and wanted and self.headers.get("If-Range", shop.etag) == shop.etag:
            start, status = int(wanted.removeprefix("bytes=").removesuffix("-")), 206
            if start >= len(shop.body):
                status = 416
        body = shop.body[start:] if status in (200, 206) else b""
        self.send_response(status)
        if status == 206:
            self.send_header("Content-Range", f"bytes {start}-{len(shop.body) - 1}/{len(shop.body)}")
        if shop.etag:
            self.send_header("ETag", shop.etag)
        if shop.length:
            self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        if shop.cut_at is not None and shop.cuts > 0:
            shop.cuts -= 1
            body = body[: shop.cut_at]
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    return own(folder, BoxClock())


@pytest.fixture
def shop(certificate, monkeypatch):
    found = Shop()
    handler = type("ShopHandler", (Handler,), {"shop": found})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.handle_error = lambda *_: None  # who is refused hangs up; that is no news
    server.socket = certificate.context.wrap_socket(server.socket, server_side=True)
    found.port = server.server_address[1]
    found.url = f"https://localhost:{found.port}/door.onnx"
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.cert))
    monkeypatch.setenv("no_proxy", "*")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield found
    server.shutdown()
    server.server_close()
    thread.join(5)


@pytest.fixture
def get(shop, tmp_path):
    seen = []

    def run(url=None, sha=SHA, bytes_=None):
        return fetch(url or shop.url, sha, tmp_path / "parts", lambda *at: seen.append(at), bytes_)

    run.seen = seen
    run.folder = tmp_path / "parts"
    return run


def refused(get, *args, **named) -> ApplianceError:
    with pytest.raises(ApplianceError) as caught:
        get(*args, **named)
    assert caught.value.message
    assert not (get.folder / SHA).exists()
    return caught.value


def test_a_file_arrives_whole(get):
    assert get().read_bytes() == BODY
    assert get.seen[-1][:2] == (len(BODY), len(BODY))
    assert [path.name for path in get.folder.iterdir()] == [SHA]


def test_one_cut_is_mended_in_the_same_call(get, shop):
    shop.cut_at = 100_000
    assert get().read_bytes() == BODY
    assert shop.asked[1]["Range"] == "bytes=100000-"
    assert shop.asked[1]["If-Range"] == '"one"'


def test_what_has_arrived_is_kept_for_the_next_call(get, shop):
    shop.cut_at, shop.cuts = 50_000, 99
    error = refused(get)
    assert error.kind == "unavailable" and "again" in error.hint
    had = (get.folder / f"{SHA}.part").stat().st_size
    assert had == 4 * 50_000
    shop.cut_at = None
    assert get().read_bytes() == BODY
    assert shop.asked[-1]["Range"] == f"bytes={had}-"


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.integers(0, len(BODY)), etag=st.sampled_from(['"one"', "", 'W/"w"']), ranges=st.booleans())
def test_wherever_it_was_cut_the_file_is_the_same(get, shop, cut, etag, ranges):
    get.folder.mkdir(exist_ok=True)
    (get.folder / f"{SHA}.part").write_bytes(BODY[:cut])
    (get.folder / f"{SHA}.tag").write_text(etag)
    shop.etag, shop.ranges = etag, ranges
    assert get().read_bytes() == BODY


def test_a_server_that_ignores_range_begins_again(get, shop):
    shop.ranges, shop.cut_at = False, 100_000
    assert get().read_bytes() == BODY
    assert len(shop.asked) == 2  # not spliced, found wrong and fetched a third time


def test_a_file_that_changed_meanwhile_is_not_spliced(get, shop):
    shop.cut_at, shop.cuts, shop.body = 50_000, 99, bytes(len(BODY))
    refused(get)
    shop.cut_at, shop.body, shop.etag = None, BODY, '"two"'
    assert get().read_bytes() == BODY


def test_a_part_of_another_file_costs_one_more_try(get, shop):
    get.folder.mkdir()
    (get.folder / f"{SHA}.part").write_bytes(b"another" * 1000)
    shop.etag = ""
    assert get().read_bytes() == BODY


def test_a_lie_leaves_nothing(get, shop):
    shop.body = b"not the model"
    assert refused(get).kind == "data_loss"
    assert list(get.folder.iterdir()) == []


@pytest.mark.parametrize(("given_bytes", "length"), [(1000, True), (1000, False)])
def test_more_than_it_may_have_is_stopped(get, shop, given_bytes, length):
    shop.length = length
    assert refused(get, bytes_=given_bytes).kind == "exhausted"
    part = get.folder / f"{SHA}.part"
    assert not part.exists() or part.stat().st_size <= given_bytes


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (404, "not_found"),
        (410, "not_found"),
        (401, "denied"),
        (403, "denied"),
        (500, "unavailable"),
        (429, "unavailable"),
    ],
)
def test_answers_are_told_apart(get, shop, status, kind):
    shop.status = status
    error = refused(get)
    assert error.kind == kind and str(status) in error.message and error.hint


def test_a_redirect_on_https_is_followed_and_http_is_not(get, shop):
    shop.location = f"https://localhost:{shop.port}/behind"
    assert get().read_bytes() == BODY
    shop.location = f"http://localhost:{shop.port}/behind"
    (get.folder / SHA).unlink()
    assert refused(get).kind == "denied"


def test_credentials_are_sent_to_their_host_alone_and_never_shown(get, shop):
    url = shop.url.replace("https://", "https://bob:s3cret-word@") + "?token=hidden-one"
    shop.location = f"https://127.0.0.1:{shop.port}/behind"
    assert get(url).read_bytes() == BODY
    assert shop.asked[0]["Authorization"].startswith("Basic ")
    assert "Authorization" not in shop.asked[1]
    (get.folder / SHA).unlink()
    shop.location, shop.status = "", 404
    error = refused(get, url)
    assert not [word for word in ("s3cret", "bob", "hidden", "token") if word in str(error)]


def test_an_unknown_certificate_is_not_trusted(get, monkeypatch):
    monkeypatch.delenv("SSL_CERT_FILE")
    error = refused(get)
    assert error.kind == "unavailable" and "certificate" in error.message and "date" in error.hint


def test_nobody_there(get):
    error = refused(get, "https://localhost:1/x.onnx")
    assert error.kind == "unavailable" and "stick" in error.hint


@pytest.mark.parametrize(
    "url",
    ["http://localhost/x", "ftp://x/y", "https://", "https://[", "https://h:port/x", "file:///etc/passwd"],
)
def test_only_https(get, url):
    assert refused(get, url).kind == "invalid"


def test_a_full_disk_is_seen_before_and_while(get, shop, monkeypatch):
    real = download.shutil.disk_usage
    monkeypatch.setattr(download.shutil, "disk_usage", lambda path: real(path)._replace(free=1))
    assert refused(get).kind == "exhausted"
    monkeypatch.undo()


def test_a_disk_that_fills_up_keeps_what_it_has(shop, certificate, monkeypatch):
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full here")
    with open("/dev/full", "wb", buffering=0) as full, pytest.raises(OSError) as caught:
        full.write(b"x")
    error = download._said(caught.value, "x")
    assert error.kind == "exhausted" and "again" in error.hint
