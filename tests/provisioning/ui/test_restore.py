"""A new box takes over from a stick: a telephone, the wizard's first step, the box that was backed up."""

import asyncio
import os
import shutil
import sqlite3
import subprocess
import sys

import pytest

pytestmark = pytest.mark.long
PASSWORD = "a walk in the harbour"
WORDS = "four dull words here"
# Mounts of its own: the machine's /media stays as it is.
PLUG_IN = """
import os, subprocess, sys
stick = "/media/usb1"
subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/media"], check=True)
os.mkdir(stick)
subprocess.run(["mount", "-t", "tmpfs", "tmpfs", stick], check=True)
subprocess.run(["cp", sys.argv[1], stick], check=True)
os.execvp(sys.argv[2], sys.argv[2:])
"""


@pytest.fixture
def backup(tmp_path, root):
    """Of a box with a camera and an administrator called maria."""
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        pytest.skip("mounts of one's own need root and unshare")
    (tmp_path / "stick").mkdir()

    def appliance(*words: str, given: str) -> None:
        command = [sys.executable, "-m", "appliance", *words, "--data", str(tmp_path / "old")]
        environment = os.environ | {"PYTHONPATH": str(root)}
        subprocess.run(
            command, input=given, text=True, check=True, env=environment, stdout=subprocess.DEVNULL
        )

    appliance("init", "--admin-name", "maria", "--admin-password-file", "/dev/stdin", given=PASSWORD)
    appliance("camera", "add", "Gate", "rtsp://10.0.0.9/x", given="")
    appliance("backup", "--to", str(tmp_path / "stick"), "--passphrase-file", "-", given=WORDS)
    (file,) = (tmp_path / "stick").iterdir()
    return file


async def test_the_first_step_takes_over_the_box_of_the_stick(wizard_on, phone, tmp_path, backup):
    prefix = ("unshare", "-m", sys.executable, "-c", PLUG_IN, str(backup))
    wizard = await wizard_on(tmp_path / "box", *prefix)
    page = phone.page
    await phone.scan(wizard.url, wizard.code)
    await phone.is_at("administrator")
    await page.wait_for_selector("#backups:not([hidden])")
    assert "the newest on its stick" in await page.inner_text("#backups")
    await phone.tap("#backups label:nth-of-type(2)")
    assert not await page.is_visible("[name=password]") and not await page.is_visible("[name=name]")
    await phone.type("[name=passphrase]", "some other dull words")
    await phone.tap("#continue")
    await phone.tap("#sheet-go")
    await page.get_by_text("passphrase is another one").first.wait_for()
    await phone.tap("#sheet-back")
    await page.fill("[name=passphrase]", WORDS)
    await phone.go()
    await phone.is_at("site")
    with sqlite3.connect(tmp_path / "box" / "appliance.db") as conn:
        assert [row[0] for row in conn.execute("SELECT username FROM users")] == ["maria"]
        assert [row[0] for row in conn.execute("SELECT id FROM cameras")] == ["gate"]
    assert not await asyncio.to_thread(lambda: list((tmp_path / "box").glob(".restoring*")))
    assert WORDS not in (tmp_path / "box" / ".provisioning" / "record.json").read_text()
