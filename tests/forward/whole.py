"""A box and its hub in the laboratory, each a process of its own, on a real database and store of files:
started, enrolled, cut apart, killed, and asked at the end what each believes."""

import contextlib
import json
import os
import re
import signal
import sqlite3
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from pathlib import Path
from typing import Any

from stores import BUCKET, KEY, Objects, Postgres, sh

PORT, S3_PORT = 8443, 9000
STEPPED = Path(__file__).parent / "stepped"
PASSWORD = "a line of five dull words"
NOTHING_OWED = "SELECT count(*) FROM outbox WHERE target_id = ?"
COUNTS = (
    "SELECT kind, sum(owed), sum(acknowledged), sum(tombstoned) FROM outbox_counts"
    " WHERE target_id = ? GROUP BY kind"
)


class Line:
    """``lab`` is the ``Lab`` of conftest; the tunnel of the box is the box's own doing."""

    def __init__(self, lab: Any, postgres: Postgres, objects: Objects, film: Path) -> None:
        self.lab, self.postgres, self.objects, self.film = lab, postgres, objects, film
        self.hub_data, self.box_data = lab.folder / "hub", lab.folder / "box"
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self.target = ""
        self._clock = lab.folder / "clock"  # seconds that the box's system clock is wrong by
        self._clock.write_text("0")
        self._passes = [(0.0, float("inf"))]  # of the box's clock, in its own time
        self._token = ""

    # -- processes --------------------------------------------------------------------------------

    def log(self, name: str) -> Path:
        return Path(self.lab.folder / f"{name}.log")

    def start_s3(self) -> None:
        words = self.objects.command("127.0.0.1", S3_PORT)
        self.running["s3"] = self.lab.hub.start(*words, log=self.log("s3"))

    def start_hub(self) -> None:
        where = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": KEY, "AWS_REGION": "us-east-1"}
        where |= {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{S3_PORT}", "AWS_ALLOW_HTTP": "true"}
        run = [
            sys.executable,
            "-m",
            "appliance",
            "hub",
            "--data",
            self.hub_data,
            "--listen",
            f"0.0.0.0:{PORT}",
        ]
        run += ["--database", self.postgres.url, "--files", f"s3://{BUCKET}/hub", "--json"]
        self.running["hub"] = self.lab.hub.start(*run, log=self.log("hub"), **where)

    def start_box(self) -> None:
        run = [sys.executable, "-m", "appliance", "run", "--data", self.box_data, "--detector", "motion"]
        run += ["--listen", f"0.0.0.0:{PORT}", "--json"]
        environment = {"APPLIANCE_ALLOW_FILE_SOURCES": "1"} | self._stepped()
        self.running["box"] = self.lab.box.start(*run, log=self.log("box"), **environment)

    def _stepped(self) -> dict[str, str]:
        path = os.pathsep.join(map(str, (STEPPED, Path(__file__).parents[2])))
        return {"PYTHONPATH": path, "STEPPED_CLOCK": str(self._clock)}

    def step_clock(self, wrong_by_s: int) -> None:
        """Of the box, as an administrator or a first NTP answer does it: running or not."""
        now_s = time.time()
        self._passes[-1] = (
            self._passes[-1][0],
            now_s + int(self._clock.read_text()) + 3,
        )  # polled each second
        self._clock.write_text(str(wrong_by_s))
        self._passes.append((now_s + wrong_by_s, float("inf")))

    def lived_once(self, start_ns: int, end_ns: int) -> bool:
        """One pass of the box's clock alone went through this time."""
        start_s, end_s = start_ns / 1e9 - 5, end_ns / 1e9 + 5
        return sum(begin_s < end_s and start_s < until_s for begin_s, until_s in self._passes) == 1

    def kill(self, name: str) -> None:
        if name == "postgres":
            self.postgres.kill()
            return
        process = self.running.pop(name)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def start(self, name: str) -> None:
        {"postgres": self.postgres.start, "s3": self.start_s3, "hub": self.start_hub,
         "box": self.start_box}[name]()  # fmt: skip

    def command(self, host: Any, *words: str | Path) -> str:
        clock = self._stepped() if host is self.lab.box else {}
        return str(host.run(sys.executable, "-m", "appliance", *words, **clock))

    def ready(self, name: str, nth: int = 1) -> dict[str, Any] | None:
        lines = [line for line in self.log(name).read_text().splitlines() if line.startswith('{"ready"')]
        return dict(json.loads(lines[nth - 1])) if len(lines) >= nth else None

    # -- HTTP, from outside -----------------------------------------------------------------------

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """The box's API, as admin, over the test's own wire."""
        if not self._token:
            self._token = str(
                self._ask("POST", "/auth/login", {"username": "admin", "password": PASSWORD})["access_token"]
            )
        try:
            return self._ask(method, path, body)
        except urllib.error.HTTPError as error:
            if error.code != 401:
                raise
        self._token = ""  # a Bearer token lives for 15 min
        return self.call(method, path, body)

    def _ask(self, method: str, path: str, body: Any) -> Any:
        trust = ssl.create_default_context()
        trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE
        request = urllib.request.Request(
            f"https://{self.lab.box.address}:{PORT}/api/v1{path}",
            None if body is None else json.dumps(body).encode(),
            {"Content-Type": "application/json"}
            | ({"Authorization": f"Bearer {self._token}"} if self._token else {}),
            method=method,
        )
        with urllib.request.urlopen(request, timeout=10, context=trust) as answer:
            return json.loads(answer.read() or b"null")

    # -- the beginning ----------------------------------------------------------------------------

    def set_up(self, wait_for: Any) -> None:
        """Hub up, box up, a camera past which something goes every 2 s, enrolled, in its tunnel."""
        hub, box = self.lab.hub, self.lab.box
        key = sh("wg", "genkey").strip()
        self.hub_data.mkdir(mode=0o700)
        (self.hub_data / "hub.toml").write_text(
            f'url = "https://10.99.0.1:{PORT}"\n[tunnel]\nnetwork = "10.99.0.0/24"\naddress = "10.99.0.1"\n'
            f'public_key = "{sh("wg", "pubkey", given=key).strip()}"\nendpoint = "10.77.0.1:51820"\n'
        )
        sh(*hub.inside("wireguard-go", hub.tunnel))
        (self.lab.folder / "hub.key").write_text(key)
        hub.run("wg", "set", hub.tunnel, "private-key", self.lab.folder / "hub.key", "listen-port", "51820")
        hub.ip("addr", "add", "10.99.0.1/24", "dev", hub.tunnel)
        hub.ip("link", "set", hub.tunnel, "up")
        self.start_s3()
        self.start_hub()
        secret = self.lab.folder / "password"
        secret.write_text(PASSWORD)
        secret.chmod(0o600)
        self.command(box, "init", "--data", self.box_data, "--admin-password-file", secret)
        self.start_box()
        seen = wait_for(lambda: self.ready("hub"), 60, "the hub is ready")
        wait_for(lambda: self.ready("box"), 60, "the box is ready")
        code = self.hub_command("code").strip().splitlines()[-1].split()[-1]
        said = self.command(box, "enrol", f"https://10.77.0.1:{PORT}", code, "--data", self.box_data,
                            "--sha256", seen["fingerprint"].replace(":", ""), "--json")  # fmt: skip
        assert json.loads(said)["box_id"]
        (self.target,) = self.box_rows("SELECT id FROM targets")[0]
        peers = self.lab.folder / "peers"
        peers.write_text(self.hub_command("peers"))
        hub.run("wg", "addconf", hub.tunnel, peers)
        self.command(box, "tunnel", "up", "--data", self.box_data)
        wait_for(
            lambda: "1 received" in box.run("ping", "-c1", "-W1", "10.99.0.1", check=False), 30, "the tunnel"
        )
        self._watch()  # what happened before the enrolment is owed to nobody

    def hub_command(self, what: str) -> str:
        return self.command(
            self.lab.hub, "hub", what, "--data", self.hub_data, "--database", self.postgres.url
        )

    def _watch(self) -> None:
        body = {
            "name": "Belt",
            "rtsp_url": f"sim://belt?file={self.film}",
            "detect": {"enabled": True, "fps": 5},
        }
        camera = self.call("POST", "/cameras", body)["camera"]["id"]
        points = [[0.5, 0.0], [0.5, 1.0]]
        zone = {"camera_id": camera, "name": "Middle", "kind": "line", "points": points}
        zone_id = self.call("POST", "/zones", zone)["zone"]["id"]
        rule = {"name": "Passing", "kind": "line_cross", "camera_ids": [camera], "zone_ids": [zone_id]}
        rule |= {"params": {"direction": "both"}, "severity": "critical", "cooldown_s": 20}
        self.call("POST", "/rules", rule)

    def stop_events(self) -> None:
        """Nothing new from now on, but all is sent that is owed."""
        for rule in self.call("GET", "/rules")["rules"]:
            self.call("DELETE", f"/rules/{rule['id']}")

    # -- what each believes -----------------------------------------------------------------------

    def box_rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        with contextlib.closing(
            sqlite3.connect(f"file:{self.box_data}/appliance.db?mode=ro", uri=True)
        ) as conn:
            return list(conn.execute(sql, values))

    def owed(self) -> int:
        return int(self.box_rows(NOTHING_OWED, self.target)[0][0])

    def at_the_box(self) -> dict[str, tuple[int, int, int]]:
        """kind -> (owed, acknowledged, tombstoned)."""
        return {kind: (owed, acked, tomb) for kind, owed, acked, tomb in self.box_rows(COUNTS, self.target)}

    def at_the_hub(self) -> Counter[str]:
        rows = self.postgres.query("SELECT kind, count(*) FROM received GROUP BY kind")
        return Counter({line.split("|")[0]: int(line.split("|")[1]) for line in rows})

    def events_of_box(self) -> set[str]:
        return {row[0] for row in self.box_rows("SELECT id FROM events")}

    def events_of_hub(self) -> Counter[str]:
        """Each id as often as there are rows of it."""
        return Counter(self.postgres.query("SELECT id FROM rows WHERE kind = 'event' AND by_hub = 0"))

    def files_of_hub(self) -> list[dict[str, str]]:
        names = (
            "id",
            "kind",
            "state",
            "size_bytes",
            "sha256",
            "camera_id",
            "stream",
            "start_ns",
            "end_ns",
            "generation",
        )
        lines = self.postgres.query(f"SELECT {','.join(names)} FROM uploads ORDER BY id")
        return [dict(zip(names, line.split("|"), strict=True)) for line in lines]

    def wait_for_tunnel(self) -> float:
        """Seconds until a packet comes back."""
        began = time.monotonic()
        while "1 received" not in self.lab.box.run("ping", "-c1", "-W1", "10.99.0.1", check=False):
            assert time.monotonic() - began < 60, "the tunnel does not come back"
        return time.monotonic() - began

    def complaints(self, name: str) -> list[str]:
        return re.findall(r"Traceback[\s\S]{0,2000}", self.log(name).read_text())
