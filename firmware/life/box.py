"""The guest's screen, spoken to as a browser would: HTTPS on the forwarded port, a cookie, a CSRF token."""

import http.client
import json
import ssl
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from appliance.base.clock import SECOND_NS, BoxClock, rfc3339
from appliance.base.errors import ApplianceError

PASSWORD = "a long word for the bench"  # noqa: S105 - of a guest that lives for an hour
POLL_S = 2.0
ANSWER_S = 120.0


class Screen:
    """Of the guest at ``port``. Each call is a connection of its own: the guest comes and goes."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._token = ""

    def call(
        self, method: str, path: str, body: Any = None, *, file: Path | None = None, seconds: float = ANSWER_S
    ) -> Any:
        """The answer; raises ``ApplianceError`` with the box's own words, ``unavailable`` for silence."""
        unchecked = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        unchecked.check_hostname, unchecked.verify_mode = False, ssl.CERT_NONE
        link = http.client.HTTPSConnection("127.0.0.1", self._port, timeout=seconds, context=unchecked)
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        try:
            if file is None:
                text = None if body is None else json.dumps(body)
                link.request(method, path, text, headers | {"Content-Type": "application/json"})
            else:
                headers |= {"Content-Length": str(file.stat().st_size)}
                with file.open("rb") as content:
                    link.request(method, path, content, headers)
            response = link.getresponse()
            answer = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise ApplianceError("unavailable", f"{method} {path}: {error!r}") from error
        finally:
            link.close()
        found = json.loads(answer) if answer[:1] in (b"{", b"[") else answer.decode(errors="replace")
        if response.status >= 400:
            said = found["error"] if isinstance(found, dict) and "error" in found else {}
            kind = said.get("kind", "unavailable")
            raise ApplianceError(kind, said.get("message", f"status {response.status}"), said.get("hint", ""))
        return found

    def sign_in(self) -> bool:
        said = self.call("POST", "/api/v1/auth/login", {"username": "admin", "password": PASSWORD})
        self._token = said["access_token"]
        return True

    def update(self) -> dict[str, Any]:
        found: dict[str, Any] = self.call("GET", "/api/v1/system/update")["update"]
        return found

    def records(self, cameras: Sequence[str], since_s: float, seconds: float) -> None:
        """Until each of ``cameras`` has footage from after ``since_s`` (of the guest's clock)."""
        for camera in cameras:
            self.until(f"{camera} records", partial(self._recorded, camera, since_s), seconds)

    def _recorded(self, camera: str, since_s: float) -> bool:
        return any(span["state"] == "recorded" for span in self.spans(camera, since_s, now_s() + 60))

    def spans(self, camera: str, since_s: float, until_s: float) -> list[dict[str, Any]]:
        """What was recorded, and the gaps with their causes."""
        words = f"start_time={at(since_s)}&end_time={at(until_s)}"
        answer = self.call("GET", f"/api/v1/cameras/{camera}/recordings?{words}")
        found: list[dict[str, Any]] = answer["spans"]
        return found

    def until(self, about: str, found: Callable[[], Any], seconds: float) -> Any:
        """What ``found`` answers, once it is true. Whatever is refused or silent meanwhile is asked again."""
        until_s = time.perf_counter() + seconds
        last: object = None
        while time.perf_counter() < until_s:
            try:
                last = found()
                if last:
                    return last
            except ApplianceError as error:
                last = error
                if error.kind == "denied":
                    self._again()
            time.sleep(POLL_S)
        raise ApplianceError("unavailable", f"{about}: not within {seconds:.0f} s; last: {last}")

    def _again(self) -> None:
        self._token = ""
        try:
            self.sign_in()
        except ApplianceError:
            return


def now_s() -> float:
    """This machine's clock, which is the guest's."""
    return BoxClock().now_ns() / SECOND_NS


def at(seconds: float) -> str:
    return rfc3339(round(seconds * SECOND_NS))
