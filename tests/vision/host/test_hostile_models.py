"""Models that hang, eat memory or do not fit, in a real worker: a refusal or a restart, with a reason."""

import asyncio
import os
import signal
import time
from pathlib import Path

import pytest

from appliance.vision.host import choice, session
from appliance.vision.host import host as vision_host

MB = 1 << 20
REFUSED = {
    "wrong-hash": "model.onnx is not what wrong-hash names (get the model pack again, and install it",
    "truncated": "model.onnx is not a whole model (install truncated again)",
    "unknown-operator": "uses an operator that onnxruntime does not know: com.vendor.magic:CrystalBall",
    "wrong-labels": "knows 80 classes, model.toml has 3 labels (list exactly the classes",
    "nonsense-shapes": "does not answer as family yolox does: output [1, 7, 8]",
    "scalar-answer": "does not answer as family yolox does: output []",
    "many-at-once": "takes 1000000 pictures at a time (export it again",
    "eats-100-gb": "needs more memory than analysis may take here (choose a smaller model pack",
}


def rss(pid: int | str = "self") -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Watched:
    """One camera that the model ``good`` looks at, and what changes do to that."""

    def __init__(self, host, heard) -> None:
        self.host, self.heard = host, heard

    @property
    def phases(self) -> list[str]:
        found = [activation.phase for activation in self.heard.activations]
        return [phase for n, phase in enumerate(found) if n == 0 or found[n - 1] != phase]

    async def use(self, name: str, until: str, timeout_s: float, shadow_s: float = 0.0) -> float:
        """Seconds until that phase."""
        self.heard.activations.clear()
        self.began = len(self.heard.beats)
        await self.host.use(name, "onnxruntime", shadow_s)
        return await self.heard.until(lambda: self.phases[-1:] == [until], timeout_s)

    @property
    def longest_unlooked(self) -> int:
        """Beats of half a second in a row, since the last change was asked for, that brought no look."""
        longest = run = 0
        for beat in self.heard.beats[self.began :]:
            run = 0 if beat.inference_ms else run + 1
            longest = max(longest, run)
        return longest

    async def looks_again(self, timeout_s: float = 10.0) -> float:
        beats = len(self.heard.beats)
        return await self.heard.until(
            lambda: any(b.inference_ms for b in self.heard.beats[beats:]), timeout_s
        )

    async def beats(self, count: int) -> None:
        wanted = len(self.heard.beats) + count
        await self.heard.until(lambda: len(self.heard.beats) >= wanted, 10 + count)


@pytest.fixture
def watching(running, play, scene, put_pack, tmp_path):
    """``async with watching("good", ...) as watched``: packs of these kinds, the first one looks."""
    from contextlib import asynccontextmanager

    @asynccontextmanager
    async def watch(*kinds: str, **options):
        for kind in kinds:
            put_pack(tmp_path / "models", kind)
        async with running("yard", choice=kinds[0], fps=10.0, backend="onnxruntime", **options) as (
            host,
            heard,
        ):
            play(scene(), host.tap("yard"))
            await heard.until(
                lambda: any(beat.inference_ms for beat in heard.beats) or host.state().restarts, 20
            )
            yield Watched(host, heard)

    return watch


async def test_packs_that_do_not_fit_are_refused_while_the_one_before_looks_on(watching):
    async with watching("good", *REFUSED) as watched:
        host, pid, ours = watched.host, watched.host.worker_pid, rss()
        theirs = rss(pid)
        for kind, reason in REFUSED.items():
            took_s = await watched.use(kind, "refused", 10)
            assert reason in host.activation().reason
            print(f"{kind}: refused after {took_s:.2f} s: {host.activation().reason}")
        await watched.looks_again()
        assert watched.longest_unlooked <= 1
        assert (host.worker_pid, host.state().restarts, host.state().detector) == (pid, 0, "good")
        grown, theirs_grown = rss() - ours, rss(pid) - theirs
        print(f"grown: daemon {grown / MB:.1f} of {ours / MB:.1f} MB, worker {theirs_grown / MB:.1f} MB")
        assert grown < 10 * MB and theirs_grown < 150 * MB


@pytest.mark.parametrize("kind", ["truncated", "many-at-once", "eats-100-gb"])
async def test_a_box_that_starts_with_one_says_so_and_sees_what_moves(watching, kind):
    async with watching(kind) as watched:
        await watched.heard.until(lambda: watched.host.state().state == "running", 10)
        state = watched.host.state()
        assert (state.detector, state.restarts) == ("motion", 0) and REFUSED[kind] in state.reason


async def ended(watched, workers: int, timeout_s: float) -> None:
    """So many workers have come to their end."""
    await watched.heard.until(lambda: watched.host.state().restarts >= workers, timeout_s)


async def steps_down(watched, timeout_s: float) -> tuple[float, str]:
    """(seconds, reason): until ``motion`` looks in the place of what was chosen."""
    state = watched.host.state
    took_s = await watched.heard.until(
        lambda: state().state == "running" and state().detector == "motion", timeout_s
    )
    return took_s, state().reason


@pytest.mark.parametrize(
    ("times", "limit_s"),
    [(2, 0.7), pytest.param(3, 10.0, marks=pytest.mark.long)],
)
async def test_one_that_hangs_on_every_picture_is_not_started_for_ever(watching, monkeypatch, times, limit_s):
    monkeypatch.setattr(choice, "FAILURES", times)
    monkeypatch.setattr(session, "DETECT_TIMEOUT_S", limit_s)
    # Each of these processes lives longer than that: being alive is not looking.
    monkeypatch.setattr(vision_host, "HEALTHY_AFTER_S", min(limit_s / 2, vision_host.HEALTHY_AFTER_S))
    began_s, ours = time.monotonic(), rss()
    async with watching("hangs-on-pictures") as watched:
        await ended(watched, times, 60)
        monkeypatch.setattr(session, "DETECT_TIMEOUT_S", 10.0)  # a busy machine may keep a good one so long
        _, reason = await steps_down(watched, 30)
        assert (
            f"hangs-on-pictures on onnxruntime brought analysis down {times} times in a row: the detector"
            in reason
        )
        assert "has been at one picture for" in reason and choice.MEND in reason
        assert watched.host.state().restarts == times
        await watched.looks_again()
        print(f"{times} hangs, motion after {time.monotonic() - began_s:.1f} s: {reason}")
        print(f"daemon {ours / MB:.1f} -> {rss() / MB:.1f} MB")
        assert rss() - ours < 20 * MB


async def test_one_that_hangs_while_it_is_loaded_is_given_up_at_once(watching, monkeypatch):
    monkeypatch.setattr(session, "LOAD_TIMEOUT_S", 0.7)
    async with watching("hangs-on-loading") as watched:
        await ended(watched, 1, 20)
        monkeypatch.setattr(session, "LOAD_TIMEOUT_S", 60.0)
        _, reason = await steps_down(watched, 20)
        assert watched.host.state().restarts == 1
        assert (
            "hangs-on-loading on onnxruntime brought analysis down: hangs-on-loading on onnxruntime was"
            in reason
        )
        assert "not loaded within" in reason


async def test_one_that_hangs_on_trial_gives_way_to_the_one_before(watching, monkeypatch):
    async with watching("good", "hangs-on-pictures") as watched:
        monkeypatch.setattr(session, "DETECT_TIMEOUT_S", 1.0)
        took_s = await watched.use("hangs-on-pictures", "rolled_back", 10)
        monkeypatch.setattr(session, "DETECT_TIMEOUT_S", 10.0)
        back_s = await watched.looks_again()
        print(f"rolled back after {took_s:.2f} s, looks again {back_s:.2f} s later")
        assert "at one picture for" in watched.host.activation().reason
        assert (watched.host.state().detector, watched.host.state().restarts) == ("good", 1)


@pytest.mark.long
async def test_a_quick_detector_that_hangs_is_noticed_in_4_s(watching):
    async with watching("good", "hangs-on-pictures") as watched:
        await watched.beats(10)
        took_s = await watched.use("hangs-on-pictures", "rolled_back", 10)
        back_s = await watched.looks_again()
        print(f"rolled back after {took_s:.2f} s, looks again {back_s:.2f} s later")
        assert took_s < 6 and took_s + back_s < 10


@pytest.mark.long
async def test_one_that_hangs_in_the_shadow_costs_a_restart_and_no_more(watching):
    async with watching("good", "hangs-on-pictures") as watched:
        pid = watched.host.worker_pid
        took_s = await watched.use("hangs-on-pictures", "refused", 20, shadow_s=60.0)
        unlooked = watched.longest_unlooked
        assert "at one picture for 10 s" in watched.host.activation().reason and took_s < 13
        assert unlooked <= 1, "the one that serves looks on meanwhile"
        await watched.heard.until(lambda: watched.host.worker_pid not in (None, pid), 5)
        back_s = await watched.looks_again()
        print(
            f"refused after {took_s:.2f} s, {unlooked} beats without a look; looks again after {back_s:.2f} s"
        )
        assert watched.host.state().restarts == 1 and watched.host.state().detector == "good"


@pytest.mark.long
@pytest.mark.timeout(240)
async def test_one_that_hangs_while_it_is_loaded_beside_another(watching):
    async with watching("good", "hangs-on-loading") as watched:
        pid = watched.host.worker_pid
        took_s = await watched.use("hangs-on-loading", "refused", 150, shadow_s=1.0)
        assert watched.longest_unlooked <= 1 and "not loaded within" in watched.host.activation().reason
        await watched.heard.until(lambda: watched.host.worker_pid not in (None, pid), 5)
        back_s = await watched.looks_again()
        print(f"refused after {took_s:.1f} s; a new worker looks {back_s:.2f} s later")


async def test_one_that_asks_for_too_much_at_a_picture_is_told_from_others(watching, monkeypatch):
    monkeypatch.setattr(choice, "FAILURES", 1)
    async with watching("eats-3-gb-of-pictures", worker_bytes=700 * MB) as watched:
        _, reason = await steps_down(watched, 30)
        assert "needs more memory than analysis may take here" in reason and "failed 3 times" in reason


async def test_a_worker_that_takes_more_than_its_share_is_ended(running, put_pack):
    async with running("yard", worker_bytes=20 * MB) as (host, heard):
        await heard.until(lambda: host.state().restarts, 10)
        assert "GB of memory, and may take 0.0: choose a smaller model" in host.state().reason


@pytest.mark.parametrize(
    ("number", "said"), [(signal.SIGKILL, "killed from outside"), (signal.SIGSEGV, "SIGSEGV")]
)
async def test_how_a_worker_ended_is_said(running, number, said):
    async with running("yard") as (host, heard):
        await heard.until(lambda: host.state().state == "running", 10)
        os.kill(host.worker_pid, number)
        await heard.until(lambda: host.state().restarts, 5)
        assert said in next(state.reason for state in heard.states if state.state == "down")
        await asyncio.sleep(0)
