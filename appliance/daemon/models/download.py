"""Fetching one file over https: resumed where it stopped, checked before anyone sees it.

What has arrived lies in a hidden folder under the SHA-256 that is wanted, so that the next call goes
on there, wherever it fetches from (RFC 9110, sections 13.1.5 If-Range and 14 Range). Only a file with
exactly that SHA-256 ever leaves the folder.
"""

import base64
import contextlib
import errno
import hashlib
import http.client
import os
import re
import shutil
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Protocol

from appliance.base.errors import ApplianceError, invalid
from appliance.base.redaction import forbid, redact

TIMEOUT_S = 15.0
CHUNK_BYTES = 1 << 16
LARGEST_BYTES = 2_000_000_000
SPARE_BYTES = 50_000_000  # of the disk, left for the recordings' databases
ATTEMPTS = 4  # of one call, as long as each brings something
MOST_REDIRECTS = 5
AGENT = "aries-edge"


class Progress(Protocol):
    def __call__(self, done: int, total: int, at_s: float) -> None:
        """``total`` 0: not known. ``at_s``: a clock that never goes back."""

    def close(self) -> None: ...


def fetch(url: str, sha256: str, folder: Path, progress: Progress, bytes_: int | None = None) -> Path:
    """The file with that SHA-256, in ``folder`` (made if need be) under that name.

    ``bytes_``: its length where it is known. Raises ``invalid`` (not https), ``not_found``, ``denied``,
    ``data_loss`` (another file), ``exhausted`` (disk full, too large), ``unavailable``.
    """
    address = _Address(url)
    folder.mkdir(parents=True, exist_ok=True)
    part, whole = folder / f"{sha256}.part", folder / sha256
    for attempt in range(ATTEMPTS):
        had = _size(part)
        try:
            _receive(address, part, progress, bytes_)
            if _digest(part) == sha256:
                part.rename(whole)
                _note(part).unlink(missing_ok=True)
                return whole
            # what was there before may have been of another file: once more, from the beginning
            _forget(part)
            if not had:
                hint = "give the SHA-256 that its maker publishes, or get the file elsewhere"
                raise ApplianceError("data_loss", f"{address.shown} is not the file that was wanted", hint)
        except (http.client.HTTPException, OSError) as error:
            failure = _said(error, address.shown)
            goes_on = failure.kind == "unavailable" and _size(part) > had and attempt + 1 < ATTEMPTS
            if not goes_on:
                raise failure from None  # its cause may hold the whole address
    raise ApplianceError("unavailable", f"{address.shown} breaks off again and again", _AGAIN)


_AGAIN = "try again: it goes on where it stopped"
_BY_HAND = "or fetch the file elsewhere and bring it on a stick"


class _Address:
    """An https address without its credentials, which go into a header of the first host alone."""

    def __init__(self, url: str) -> None:
        try:
            parts = urllib.parse.urlsplit(url)
            port = parts.port
        except ValueError:
            raise invalid("this is no address", "for example https://example.org/model.onnx") from None
        if parts.scheme != "https" or not parts.hostname:
            hint = f"download it yourself and give the file; {_BY_HAND}"
            raise invalid("models are fetched over https only", hint)
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        self.host = host if port is None else f"{host}:{port}"
        self.headers: dict[str, str] = {}
        if parts.username is not None:
            user, password = urllib.parse.unquote(parts.username), urllib.parse.unquote(parts.password or "")
            forbid(password)
            token = base64.b64encode(f"{user}:{password}".encode()).decode()
            forbid(token)
            self.headers["Authorization"] = f"Basic {token}"
        path = urllib.parse.quote(parts.path or "/", safe="/%:@!$&'()*+,;=~")
        self.shown = redact(f"https://{self.host}{path}")  # a query may hold a signature
        self.url = f"https://{self.host}{path}" + (f"?{parts.query}" if parts.query else "")


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Only to https, and the credentials stay at home."""

    max_redirections = MOST_REDIRECTS

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        if urllib.parse.urlsplit(newurl).scheme != "https":
            fp.close()
            raise ApplianceError(
                "denied",
                f"{req.host} sends on to an address that is not https",
                "use an address that stays on https; " + _BY_HAND,
            )
        onward = super().redirect_request(req, fp, code, msg, headers, newurl)
        if onward is not None and onward.host != req.host:
            onward.remove_header("Authorization")
        return onward


def _receive(address: _Address, part: Path, progress: Progress, bytes_: int | None) -> None:
    """Bring ``part`` to its end. Raises ``OSError``, ``HTTPException``, ``ApplianceError``."""
    done = _size(part)
    if bytes_ is not None and done > bytes_:
        _forget(part)
        done = 0
    if bytes_ is not None and done == bytes_:
        return
    with _open(address, part, done) as answer:
        if answer is None:
            return  # 416: it was whole already, or is of another file; the hash tells
        start, total = _place(answer, done)
        most = bytes_ if bytes_ is not None else LARGEST_BYTES
        if total > most:
            raise ApplianceError("exhausted", f"{address.shown} is larger than it may be", _BY_HAND)
        _room(part.parent, (total or bytes_ or 0) - start)
        _note(part).write_text(_validator(answer))
        with part.open("r+b" if start else "wb") as file:
            file.seek(start)
            file.truncate()
            _copy(answer, file, start, total or bytes_ or 0, most, progress)
            os.fsync(file.fileno())
    if total and _size(part) < total:  # urllib says nothing of an answer that is cut short
        raise http.client.IncompleteRead(b"", total - _size(part))


def _copy(
    answer: http.client.HTTPResponse, file: IO[bytes], start: int, total: int, most: int, progress: Progress
) -> None:
    done = start
    while chunk := answer.read(CHUNK_BYTES):
        done += len(chunk)
        if done > most:
            raise ApplianceError("exhausted", "the server sends more than the file has", _BY_HAND)
        file.write(chunk)
        progress(done, total, time.monotonic())


@contextlib.contextmanager
def _open(address: _Address, part: Path, done: int) -> Iterator[http.client.HTTPResponse | None]:
    headers = {"User-Agent": AGENT, "Accept-Encoding": "identity", **address.headers}
    if done:
        headers["Range"] = f"bytes={done}-"
        if validator := _read_note(part):
            headers["If-Range"] = validator
    request = urllib.request.Request(address.url, headers=headers)  # noqa: S310 - https, checked above
    opener = urllib.request.build_opener(
        _Redirects(), urllib.request.HTTPSHandler(context=ssl.create_default_context())
    )
    try:
        answer = opener.open(request, timeout=TIMEOUT_S)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416 and done:
            yield None
            return
        raise
    with answer:
        yield answer


def _place(answer: http.client.HTTPResponse, done: int) -> tuple[int, int]:
    """Where the body belongs, and the length of the whole file (0: not said)."""
    length = answer.headers.get("Content-Length", "")
    sent = int(length) if length.isascii() and length.isdigit() and len(length) < 16 else 0
    if answer.status != 206:
        return 0, sent  # it ignores Range, or the file has changed: from the beginning
    found = re.fullmatch(r"bytes (\d{1,15})-\d{1,15}/(\d{1,15}|\*)", answer.headers.get("Content-Range", ""))
    if found is None or int(found[1]) > done:
        raise http.client.HTTPException("it answered with another part than was asked for")
    return int(found[1]), int(found[2]) if found[2] != "*" else int(found[1]) + sent


def _validator(answer: http.client.HTTPResponse) -> str:
    """A strong ETag, else the date: a weak one may not be used with If-Range."""
    tag = answer.headers.get("ETag", "")
    return tag if tag and not tag.startswith("W/") else answer.headers.get("Last-Modified", "")


def _note(part: Path) -> Path:
    return part.with_suffix(".tag")


def _read_note(part: Path) -> str:
    try:
        text = _note(part).read_text()
    except (OSError, UnicodeDecodeError):
        return ""
    return text if text.isprintable() and len(text) < 500 else ""


def _forget(part: Path) -> None:
    part.unlink(missing_ok=True)
    _note(part).unlink(missing_ok=True)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _room(folder: Path, wanted: int) -> None:
    free = shutil.disk_usage(folder).free
    if wanted + SPARE_BYTES > free:
        raise ApplianceError(
            "exhausted",
            f"{folder} has {free / 1e6:.0f} MB free, this needs {(wanted + SPARE_BYTES) / 1e6:.0f} MB",
            "free some space, then try again",
        )


def _said(error: Exception, shown: str) -> ApplianceError:
    """What went wrong, for people; the foreign text may hold an address, so it is not repeated."""
    if isinstance(error, urllib.error.HTTPError):
        return _answered(error.code, shown)
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(reason, ssl.SSLCertVerificationError):
        hint = "check the box's date; a site's own authority is named by SSL_CERT_FILE; " + _BY_HAND
        text = f"{shown}: its certificate is not trusted ({reason.verify_message})"
        return ApplianceError("unavailable", text, hint)
    if isinstance(reason, ssl.SSLError):
        return ApplianceError("unavailable", f"{shown}: no TLS connection ({reason.reason})", _BY_HAND)
    if isinstance(reason, OSError) and reason.errno in (errno.ENOSPC, errno.EDQUOT):
        return ApplianceError("exhausted", "the disk is full", "free some space; " + _AGAIN)
    if isinstance(reason, OSError) and reason.filename is not None:
        why = reason.strerror or "it cannot be written"
        return ApplianceError(
            "denied", f"{reason.filename}: {why}", "choose a models_path that can be written"
        )
    if isinstance(reason, TimeoutError):
        return ApplianceError("unavailable", f"{shown} does not answer", _AGAIN)
    if isinstance(error, urllib.error.URLError):
        words = reason.strerror if isinstance(reason, OSError) else str(reason)
        hint = f"connect the box; {_BY_HAND}"
        return ApplianceError("unavailable", f"{shown}: no connection ({words or 'no answer'})", hint)
    return ApplianceError("unavailable", f"{shown}: the connection broke off", _AGAIN)


def _answered(code: int, shown: str) -> ApplianceError:
    if code in (404, 410):
        return ApplianceError("not_found", f"{shown} is not there ({code})", "check the address; " + _BY_HAND)
    if code in (401, 403):
        return ApplianceError(
            "denied", f"{shown} may not be fetched ({code})", "check the address; " + _BY_HAND
        )
    return ApplianceError("unavailable", f"{shown} answered {code}", "try again later; " + _BY_HAND)
