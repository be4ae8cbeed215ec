"""What the watchdog sees and does, on a clock that is told; the line is a stand-in with the law of the real
one: nothing comes through before the endpoint is right and the link is there."""

import msgspec
import pytest

from appliance.base.clock import SECOND_NS
from appliance.base.errors import ApplianceError
from appliance.system.tunnel.state import STEPS, TunnelState
from appliance.system.tunnel.uapi import PeerFigures
from appliance.system.tunnel.watchdog import PROBE_S, STALE_S, Watchdog


class Hub:
    """The line and what is behind it."""

    def __init__(self, clock) -> None:
        self.clock = clock
        self.address = self.at = ("203.0.113.9", 51_820)  # what its name says, where it is
        self.others: tuple[tuple[str, int], ...] = ()  # addresses of the name where no hub is
        self.linked = self.answering = self.alive = True
        self.sticky = False  # userspace that sends from an address which it has no more
        self.known = None
        self.handshake_s = 0.0
        self.bytes = 0
        self.did: list[str] = []

    def through(self) -> bool:
        return self.alive and self.linked and not self.sticky and self.known == self.at

    async def figures(self) -> PeerFigures:
        if not self.alive:
            raise ApplianceError("unavailable", "wireguard-go ended (status -9)", "it is started again")
        now_s = self.clock.now_ns() / SECOND_NS
        if self.through() and now_s - self.handshake_s > 120:
            self.handshake_s = now_s
        return PeerFigures(self.handshake_s, self.bytes, 0, str(self.known), "aa")

    async def resolve(self):
        self.did.append("resolve")
        if self.address is None:
            return ()
        return (*self.others, self.address)

    async def set_endpoint(self, endpoint) -> None:
        self.did.append("set")
        self.known, self.sticky = endpoint, False

    async def poke(self) -> None:
        self.did.append("poke")

    async def restart(self) -> None:
        self.did.append("restart")
        self.alive = True

    async def probe(self) -> bool:
        self.did.append("probe")
        return self.through() and self.answering


@pytest.fixture
def hub(clock):
    return Hub(clock)


@pytest.fixture
def dog(hub, clock):
    return Watchdog(hub, hub.probe, clock)


async def let_pass(dog, clock, seconds: float) -> list[str]:
    """Looks, as often as the watchdog wants; what the state was after each."""
    until_ns = clock.monotonic_ns() + round(seconds * SECOND_NS)
    seen = []
    while clock.monotonic_ns() < until_ns:
        pause_s = await dog.look()
        seen.append(dog.state)
        clock.tick(pause_s)
    return seen


async def test_it_is_up_after_the_first_look_and_nearly_idle_then(dog, hub, clock):
    assert (await let_pass(dog, clock, 1))[0] == "up"
    hub.did.clear()
    seen = await let_pass(dog, clock, 3_600)
    assert set(seen) == {"up"}
    assert len(seen) <= 3_600 / 5 + 1
    assert hub.did.count("probe") <= 3_600 / PROBE_S + 30  # and one per handshake
    assert "set" not in hub.did and "resolve" not in hub.did


async def test_a_hub_that_is_down_behind_a_good_tunnel_is_not_a_tunnel_s_fault(dog, hub, clock):
    await let_pass(dog, clock, 60)
    hub.answering = False
    seen = await let_pass(dog, clock, 1_000)
    assert seen[-1] == "probe fails"
    assert "no handshake since" not in seen
    assert dog.told(TunnelState()).hint == STEPS["probe fails"]


async def test_a_cut_is_first_a_failing_probe_and_after_a_session_s_life_no_handshake(dog, hub, clock):
    await let_pass(dog, clock, 60)
    hub.linked = False
    seen = await let_pass(dog, clock, STALE_S + 200)
    assert seen.index("probe fails") < seen.index("no handshake since")
    assert dog.handshake_ns is not None


async def test_while_it_is_down_the_pauses_grow_to_a_minute(dog, hub, clock):
    hub.linked = False
    await let_pass(dog, clock, 600)
    hub.did.clear()
    await let_pass(dog, clock, 3_600)
    assert 3_600 / 72 - 1 <= hub.did.count("set") <= 3_600 / 48 + 1
    assert hub.did.count("probe") <= hub.did.count("set") + 1


async def test_news_of_the_network_end_the_pause(dog, hub, clock):
    hub.linked = False
    await let_pass(dog, clock, 600)
    hub.linked = True
    hub.sticky = True
    dog.stir()
    assert await let_pass(dog, clock, 1) == ["up"]


async def test_an_endpoint_that_moved_is_found_by_its_name(dog, hub, clock):
    await let_pass(dog, clock, 60)
    hub.address = hub.at = ("203.0.113.10", 51_820)
    seen = await let_pass(dog, clock, PROBE_S + 6)
    assert seen[-1] == "up"
    assert hub.known == hub.at


async def test_when_wireguard_has_given_up_one_packet_makes_it_try_again(dog, hub, clock):
    await let_pass(dog, clock, 60)
    hub.linked = False
    await let_pass(dog, clock, 600)  # our stand-in repeats nothing by itself
    hub.did.clear()
    await let_pass(dog, clock, 600)
    assert 600 / 8 <= hub.did.count("poke") <= 600 / 6 + 1
    hub.linked = True
    await let_pass(dog, clock, 70)
    hub.did.clear()
    await let_pass(dog, clock, 600)
    assert "poke" not in hub.did


async def test_a_name_with_an_address_that_leads_nowhere(dog, hub, clock):
    """IPv6 that is announced and does not work, say: the next address is tried."""
    hub.others = (("2001:db8::9", 51_820), ("203.0.113.8", 51_820))
    assert (await let_pass(dog, clock, 10))[-1] == "up"
    hub.sticky = True
    dog.stir()
    assert await let_pass(dog, clock, 1) == ["up"]  # and the one that works is kept to
    assert hub.known == hub.at


async def test_a_name_that_does_not_resolve_is_said_and_the_old_address_tried(dog, hub, clock):
    await let_pass(dog, clock, 60)
    hub.address, hub.linked = None, False
    assert (await let_pass(dog, clock, 120))[-1] == "endpoint does not resolve"
    hub.linked, hub.sticky = True, True  # back, and still no name server
    assert (await let_pass(dog, clock, 120))[-1] == "up"


async def test_a_name_that_does_not_resolve_does_not_matter_while_it_is_up(dog, hub, clock):
    await let_pass(dog, clock, 60)
    hub.address = None
    assert set(await let_pass(dog, clock, 600)) == {"up"}


async def test_a_dead_process_is_started_again_and_not_too_often(dog, hub, clock, monkeypatch):
    await let_pass(dog, clock, 60)
    hub.alive = False
    assert (await let_pass(dog, clock, 5))[-1] == "up"
    assert dog.restarts == 1

    async def in_vain() -> None:
        hub.did.append("restart")
        dog.stir()  # an interface that is made is news itself
        raise ApplianceError("unavailable", "wireguard-go does not start", "see the log")

    monkeypatch.setattr(hub, "restart", in_vain)
    hub.alive = False
    hub.did.clear()
    assert (await let_pass(dog, clock, 3_600))[-1] == "off"
    assert hub.did.count("restart") < 3_600 / 48 + 10
    assert dog.told(TunnelState()).hint == "see the log"


async def test_a_step_of_the_wall_clock_is_no_old_handshake(dog, hub, clock):
    dog = Watchdog(hub, None, clock)  # handshakes alone
    await let_pass(dog, clock, 30)
    clock.set_ns(clock.now_ns() + 86_400 * SECOND_NS)
    hub.handshake_s = hub.handshake_s  # the same one, made before the step
    figures = PeerFigures(hub.handshake_s, 0, 0, "", "aa")

    async def same() -> PeerFigures:
        return figures

    hub.figures = same
    assert set(await let_pass(dog, clock, 60)) == {"up"}


async def test_without_a_probe_handshakes_alone_count(hub, clock):
    dog = Watchdog(hub, None, clock)
    assert (await let_pass(dog, clock, 30))[-1] == "up"
    hub.linked = False
    seen = await let_pass(dog, clock, STALE_S + 60)
    assert set(seen) == {"up", "no handshake since"}
    assert seen[-1] == "no handshake since"


async def test_what_is_sent_into_silence_is_looked_after_before_the_next_probe_is_due(dog, hub, clock):
    await let_pass(dog, clock, 36)  # the last probe was just now
    hub.linked = False
    sent = 0

    async def silence() -> PeerFigures:
        nonlocal sent
        sent += 5_000
        return PeerFigures(hub.handshake_s, hub.bytes, sent, "", "aa")

    hub.figures = silence
    assert (await let_pass(dog, clock, 11))[-1] == "probe fails"


async def test_an_old_handshake_of_a_tunnel_that_was_there_before_is_no_fresh_one(hub, clock):
    """Our program was started again; the interface was up all the time, and its link was not."""
    hub.known, hub.linked = hub.at, False
    hub.handshake_s = clock.now_ns() / SECOND_NS - 1_000
    dog = Watchdog(hub, None, clock)
    assert await let_pass(dog, clock, 1) == ["no handshake since"]
    hub.handshake_s = clock.now_ns() / SECOND_NS - 100
    dog = Watchdog(hub, None, clock)
    seen = await let_pass(dog, clock, 120)
    assert (seen[0], seen[-1]) == ("up", "no handshake since")


def test_each_state_has_its_next_step():
    for word in ("no handshake since", "probe fails", "endpoint does not resolve", "off"):
        assert STEPS[word]
    assert msgspec.json.decode(msgspec.json.encode(TunnelState()), type=TunnelState) == TunnelState()
