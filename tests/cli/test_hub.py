"""``appliance hub``: its first start, its codes, what makes no sense."""

import json
import signal
import ssl
import subprocess
import sys
import urllib.request

import pytest

from appliance.cli import main


@pytest.fixture
def hub(tmp_path):
    """Start it on a free port; the facts it prints."""
    processes = []

    def start(*options: str, listen: str = "127.0.0.1:0") -> dict:
        command = [sys.executable, "-m", "appliance", "hub", "--data", str(tmp_path / "hub"), "--json"]
        process = subprocess.Popen([*command, "--listen", listen, *options], stdout=subprocess.PIPE)
        processes.append(process)
        return json.loads(process.stdout.readline())

    yield start
    for process in processes:
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 0
        process.stdout.close()


def login(url: str, password: str, tls: ssl.SSLContext | None = None) -> dict:
    body = json.dumps({"username": "admin", "password": password}).encode()
    request = urllib.request.Request(f"{url}/api/v1/auth/login", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10, context=tls) as response:
        return json.loads(response.read())


def test_the_first_start_prints_a_claim_code_that_signs_in_once(hub, tmp_path):
    facts = hub()
    assert (facts["store"], facts["files"]) == ("sqlite", "folder")
    assert login(facts["url"], facts["claim_code"])["must_change_password"] is True
    assert "claim_code" not in hub()  # a second instance on the same folder
    assert (tmp_path / "hub").stat().st_mode & 0o077 == 0


def test_it_speaks_tls_as_the_box_does(hub):
    facts = hub(listen="0.0.0.0:0")
    assert facts["url"].startswith("https://") and facts["fingerprint"]
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    assert login(facts["url"], facts["claim_code"], context)["role"] == "admin"


def test_a_code_is_printed_and_is_not_in_the_database(hub, tmp_path, capsys):
    hub()
    assert main(["hub", "code", "--data", str(tmp_path / "hub"), "--name", "Gate"]) == 0
    code = capsys.readouterr().out.strip()
    assert len(code) == 23 and code.count("-") == 3
    assert code.encode() not in (tmp_path / "hub" / "hub.db").read_bytes()
    assert main(["hub", "peers", "--data", str(tmp_path / "hub")]) == 0
    assert capsys.readouterr().out == ""


def test_a_box_is_enrolled_in_the_steps_of_the_readme(hub, appliance, box_dir, tmp_path):
    facts = hub(listen="0.0.0.0:0")
    url = facts["url"].replace("localhost", "127.0.0.1")
    code = appliance("hub", "code", "--data", tmp_path / "hub").out.strip()
    said = appliance("enrol", url, code, "--data", box_dir)
    assert (
        said.status == 1 and "nobody that this box knows vouches for the certificate of the hub" in said.err
    )
    assert "compare the fingerprint that it printed at its start and give it (--sha256" in said.err
    said = appliance("enrol", url, code, "--sha256", facts["fingerprint"], "--data", box_dir)
    assert said.status == 0 and f"this box belongs to {url.removeprefix('https://')} now" in said.out
    invited = appliance("hub", "code", "--data", tmp_path / "hub", "--url", url).out.strip()
    said = appliance("enrol", invited, "--data", box_dir, "--again")
    assert said.status == 0 and "the hub shows the same" in said.out


@pytest.mark.parametrize(
    "options",
    [
        ["code", "--hours", "0"],
        ["--database", "mysql://x/y"],
        ["--database", "postgresql://u:secret@x/y"],
        ["--files", "ftp://x"],
        ["--listen", "nowhere"],
    ],
)
def test_what_makes_no_sense_is_refused_without_repeating_secrets(tmp_path, capsys, options):
    assert main(["hub", *options, "--data", str(tmp_path / "hub")]) == 2
    assert "secret" not in capsys.readouterr().err
