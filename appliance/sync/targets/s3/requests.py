"""Signed requests to a bucket, and what its errors mean."""

import re
import ssl
import xml.etree.ElementTree as ET
from collections.abc import AsyncIterator, Mapping
from urllib.parse import quote

import aiohttp
from yarl import URL

from appliance.base.clock import Clock
from appliance.base.errors import ApplianceError
from appliance.sync.targets.s3.bucket import Bucket
from appliance.sync.targets.s3.signing import query_of, signed_headers

LONGEST_ANSWER_BYTES = 2_000_000
_DENIED = ("AccessDenied", "SignatureDoesNotMatch", "InvalidAccessKeyId", "AuthorizationHeaderMalformed")
HINT = "check access_key_id, the token, the region and the bucket's policy"


class Answer:
    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.status, self.headers, self._body = status, headers, body

    def xml(self) -> ET.Element:
        """Without namespaces. Raises ``unavailable`` where it is none (a proxy's page)."""
        try:
            # expat bounds the expansion of entities, and the body is bounded, too
            root = ET.fromstring(re.sub(rb'\sxmlns="[^"]*"', b"", self._body, count=1))  # noqa: S314
        except ET.ParseError:
            raise ApplianceError("unavailable", "the store's answer is no XML", "is it S3?") from None
        return root

    def code(self) -> str:
        try:
            return self.xml().findtext("Code") or ""
        except ApplianceError:
            return ""


class Requests:
    """``ask`` raises ``denied``, ``not_found`` (no such bucket), ``unavailable``; a 404 of a key is an
    answer like any other."""

    def __init__(self, bucket: Bucket, tls: ssl.SSLContext, clock: Clock, timeout_s: float) -> None:
        self._bucket, self._tls, self._clock = bucket, tls, clock
        self._timeout = aiohttp.ClientTimeout(total=None, sock_connect=timeout_s, sock_read=timeout_s)
        self._session: aiohttp.ClientSession | None = None

    async def ask(
        self,
        method: str,
        key: str = "",
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        pieces: AsyncIterator[bytes] | None = None,
    ) -> Answer:
        """``pieces``: ``body`` again, at its own pace."""
        url = f"{self._bucket.url}/{quote(key, safe='/-_.~')}"
        if params:
            url += "?" + query_of(params)
        signed = signed_headers(self._bucket, method, url, headers or {}, body, self._clock.now_ns())
        if body:
            signed["content-length"] = str(len(body))
        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=self._timeout, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False
            )
        async with self._session.request(
            method,
            URL(url, encoded=True),  # what was signed is what must be sent: nothing is quoted anew
            data=pieces if pieces is not None else body,
            headers=signed,
            ssl=self._tls,
            allow_redirects=False,
        ) as response:
            answer = Answer(response.status, response.headers, await _read(response))
        _judge(answer)
        return answer

    async def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()


def _judge(answer: Answer) -> None:
    if answer.status < 300:
        return
    code = answer.code()
    if answer.status in (401, 403) or code in _DENIED:
        raise ApplianceError("denied", f"the store does not let us in ({code or answer.status})", HINT)
    if code == "NoSuchBucket":
        raise ApplianceError("not_found", "there is no such bucket", "make it, or mend the address")
    if answer.status == 404:
        return
    if 300 <= answer.status < 400 or code == "PermanentRedirect":
        raise ApplianceError("invalid", "the bucket is elsewhere", "set the options region or endpoint")
    raise ApplianceError("unavailable", f"HTTP {answer.status} {code}".strip(), "it is asked again")


async def _read(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_chunked(65_536):
        body += chunk
        if len(body) > LONGEST_ANSWER_BYTES:
            raise ApplianceError("unavailable", "the store's answer is too long", "is it S3?")
    return bytes(body)
