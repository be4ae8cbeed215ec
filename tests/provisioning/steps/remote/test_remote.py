"""The remote link: a real daemon is enrolled at a real hub of the test's own, once."""

import asyncio
import json
import sys

import pytest
import pytest_asyncio

from appliance.base.errors import ApplianceError
from appliance.sync.protocol import invitation
from provisioning.steps.remote import ON_A_STICK, SCHEME, Remote, RemoteGiven


@pytest_asyncio.fixture(loop_scope="session")
async def hub(tmp_path, root):
    """(its address, an invitation to it)"""
    words = [sys.executable, "-m", "appliance", "hub", "--data", str(tmp_path / "hub")]
    child = await asyncio.create_subprocess_exec(
        *words, "--listen", "127.0.0.1:0", "--json", cwd=root, stdout=asyncio.subprocess.PIPE
    )
    url = json.loads(await asyncio.wait_for(child.stdout.readline(), 30))["url"]
    code = await asyncio.create_subprocess_exec(
        *words[:4], "code", *words[4:], "--url", url, "--json", cwd=root, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await code.communicate()
    yield url, json.loads(said)["invitation"]
    child.terminate()
    await child.wait()


@pytest_asyncio.fixture(loop_scope="session")
async def leaves(box_ground):
    yield
    if (await box_ground.daemon.ask("GET", "/hub"))["hub"]["url"]:
        await box_ground.daemon.ask("DELETE", "/hub")


async def test_a_box_is_enrolled_by_what_is_on_a_stick_and_heard(box_ground, twice, hub, leaves) -> None:
    url, text = hub
    stick = box_ground.root / "media" / "usb0"
    stick.mkdir(parents=True)
    (stick / ON_A_STICK).write_text(f"{text}\n")
    step = Remote()
    assert (await step.probe(box_ground)).stick
    given = RemoteGiven(invitation=(await step.ask(box_ground, "stick", {})).invitation)
    planned, said, checks = await twice(step, given)
    host = url.partition("://")[2]
    assert planned == [f"enrol this box at {host}"] and "enrolled" in said
    assert [(check.name, check.ok) for check in checks] == [("hub", True)] and host in checks[0].text
    code = invitation.parse(text).code
    assert code not in str(planned) + str(said) + repr(given)
    with pytest.raises(ApplianceError) as caught:
        await step.plan(box_ground, RemoteGiven(url="https://other.example", code="abcd-2345"))
    assert caught.value.kind == "conflict" and "again" in caught.value.hint


async def test_without_a_hub_all_is_well(box_ground, twice) -> None:
    planned, _, checks = await twice(Remote(), RemoteGiven())
    assert not planned and all(check.ok for check in checks)


async def test_a_hub_that_does_not_answer_is_said_plainly_and_nothing_is_half_done(box_ground) -> None:
    given = RemoteGiven(url="https://127.0.0.1:9", code="abcd-2345")
    with pytest.raises(ApplianceError) as caught:
        await Remote().apply(box_ground, given, lambda text: None)
    assert caught.value.kind == "unavailable" and "refuses the connection" in caught.value.message
    assert (await box_ground.daemon.ask("GET", "/hub"))["hub"]["url"] is None


@pytest.mark.parametrize(
    ("given", "field"),
    [
        (RemoteGiven(invitation="hello"), "invitation"),
        (RemoteGiven(invitation=f"{SCHEME}url=https%3A%2F%2Fh&code=x", url="https://h"), "invitation"),
        (RemoteGiven(url="hub.example", code="abcd"), "url"),
        (RemoteGiven(code="abcd"), "url"),
        (RemoteGiven(url="https://hub.example"), "code"),
    ],
)
async def test_answers_that_cannot_be_are_refused_with_their_field(box_ground, given, field) -> None:
    with pytest.raises(ApplianceError) as caught:
        await Remote().plan(box_ground, given)
    assert caught.value.field == field and caught.value.hint


async def test_no_stick_is_said_with_the_next_step(box_ground) -> None:
    with pytest.raises(ApplianceError, match=ON_A_STICK) as caught:
        await Remote().ask(box_ground, "stick", {})
    assert caught.value.kind == "not_found" and "hub" in caught.value.hint


def test_an_invitation_is_what_a_hub_writes() -> None:
    made = invitation.render(invitation.Invitation("https://h", "abcd-2345"))
    assert made.startswith(SCHEME) and invitation.FILE_NAME == ON_A_STICK
