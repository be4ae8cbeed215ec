"""Each rule, with packets: what comes through, what does not, and that it was this rule."""

import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

from appliance.base.errors import ApplianceError
from appliance.system.firewall import nft, render
from appliance.system.firewall.settings import FirewallSettings

FORWARD = "this box is no router: not to the cameras, not from them"
PAIRS = [
    *[("lan", "cam"), ("tun", "cam"), ("wan", "cam")],
    *[("cam", "lan"), ("cam", "tun"), ("cam", "wan"), ("tun", "lan")],
]
EVERYTHING = {"tcp/8443", "tcp/22", "tcp/9999", "udp/123", "udp/999", "udp/51820", "ping"}


@pytest.fixture
def put(networks):
    def put_in_force(**changes):
        names = networks.interfaces
        settings = FirewallSettings(
            enabled=True, lan=(names["lan"],), cameras=(names["cam"],), tunnel=names["tun"], **changes
        )
        nft.apply(render.ruleset(settings), networks.programs)

    return put_in_force


def test_without_rules_everything_reaches_everything(networks):
    """What the other tests see blocked would come through."""
    for side in ("lan", "cam", "tun", "wan"):
        assert networks.reaches(side) == EVERYTHING
    assert networks.reaches("lan", v6=True) == EVERYTHING
    assert networks.crosses("lan", "cam")
    assert networks.crosses("tun", "cam")
    assert networks.crosses("cam", "wan", v6=True)


@pytest.mark.parametrize("v6", [False, True])
def test_the_lan_has_the_screen_and_nothing_else(networks, put, v6):
    put()
    assert networks.reaches("lan", v6=v6) == {"tcp/8443", "ping"}
    assert networks.count("lan", "the screen") >= 1
    assert networks.count("lan", "the LAN reaches nothing else") >= 5


@pytest.mark.parametrize("v6", [False, True])
def test_cameras_have_the_time_and_nothing_else(networks, put, v6):
    put(ssh=True, ntp_lan=True, wireguard_port=51_820)
    assert networks.reaches("cam", v6=v6) == {"udp/123"}
    assert networks.count("cameras", "cameras ask for the time") >= 1
    assert networks.count("cameras", "cameras reach nothing else") >= 6


def test_cameras_reach_no_more_at_the_box_s_other_addresses(networks, put):
    put(ssh=True, ntp_lan=True)
    for at in ("lan", "tun", "wan"):
        # the echo of udp/123 comes from another address than was asked, so that it may count as none
        assert networks.reaches("cam", at=at) <= {"udp/123"}


def test_cameras_without_the_time(networks, put):
    put(ntp=False)
    assert networks.reaches("cam") == set()


def test_cameras_answer_the_box_and_nobody_asks_them_but_the_box(networks, put):
    put()
    camera = networks.address("cam")
    asked = networks.ask("box", f"tcp/{camera}/80", f"udp/{camera}/999", f"ping/{camera}/0")
    assert all(asked.values())
    assert networks.count("input", "answers to what this box asked") >= 3


@pytest.mark.parametrize("v6", [False, True])
def test_nothing_goes_from_one_network_to_another(networks, put, v6):
    put(ssh=True, ntp_lan=True, wireguard_port=51_820)
    before = networks.count("forward", FORWARD)
    with ThreadPoolExecutor(len(PAIRS)) as pool:
        through = list(pool.map(lambda pair: networks.crosses(*pair, v6=v6), PAIRS))
    assert not [pair for pair, yes in zip(PAIRS, through, strict=True) if yes]
    assert networks.count("forward", FORWARD) >= before + 4 * len(PAIRS)


@pytest.mark.parametrize("v6", [False, True])
def test_the_tunnel_has_the_screen_and_nothing_else_not_even_ssh(networks, put, v6):
    put(ssh=True, ntp_lan=True, wireguard_port=51_820)
    assert networks.reaches("tun", v6=v6) == {"tcp/8443", "ping"}
    assert networks.count("tunnel", "the screen, through the hub") >= 1


def test_an_uplink_has_nothing(networks, put):
    put(ssh=True, ntp_lan=True)
    assert networks.reaches("wan") == set()
    assert networks.count("elsewhere", "nobody else reaches anything") >= 7
    hub = networks.address("wan")
    assert all(networks.ask("box", f"tcp/{hub}/80", f"udp/{hub}/123").values())  # and the box its hub


def test_a_hub_that_calls_first_reaches_wireguard_s_port(networks, put):
    put(wireguard_port=51_820)
    assert networks.reaches("wan") == {"udp/51820"}
    assert "udp/51820" in networks.reaches("lan")
    assert "udp/51820" not in networks.reaches("cam") | networks.reaches("tun")


def test_ssh_and_the_time_on_the_lan_if_they_are_set(networks, put):
    put(ssh=True, ntp_lan=True)
    assert networks.reaches("lan") == {"tcp/8443", "tcp/22", "udp/123", "ping"}


def test_another_port_of_the_screen(networks, put):
    put(web_port=9_999)
    assert networks.reaches("lan") == {"tcp/9999", "ping"}


def test_cameras_on_the_lan(networks):
    """No network of their own: the LAN's rules are theirs."""
    settings = FirewallSettings(enabled=True, lan=(networks.interfaces["lan"],), ntp_lan=True)
    nft.apply(render.ruleset(settings), networks.programs)
    assert networks.reaches("lan") == {"tcp/8443", "udp/123", "ping"}
    assert networks.reaches("cam") == networks.reaches("tun") == set()


def test_tables_of_others_stay_and_ours_is_there_once(networks, put):
    mine = "table inet others {\n chain input {\n type filter hook input priority 10\n accept\n }\n}\n"
    networks.programs.must("nft", "-f", "-", given=mine)
    try:
        put()
        put(ssh=True)
        tables = networks.programs.must("nft", "list", "tables").split("\n")
        assert sorted(filter(None, tables)) == ["table inet aries_edge", "table inet others"]
        assert networks.reaches("wan") == set()  # their accept does not undo our drop
    finally:
        networks.programs.must("nft", "delete", "table", "inet", "others")


def test_a_ruleset_that_nft_refuses_changes_nothing(networks, put):
    put()
    before = nft.in_force(networks.programs)
    settings = FirewallSettings(enabled=True, lan=(networks.interfaces["lan"],))
    broken = render.ruleset(settings).replace("policy drop", "policy nonsense", 1)
    with pytest.raises(ApplianceError, match="nft does not take the ruleset"):
        nft.apply(broken, networks.programs)
    assert nft.in_force(networks.programs) == before


def test_a_connection_that_is_open_stays_open(networks, put):
    """Putting rules in force must not cut the hand that does it, nor a recording."""
    put(ssh=True)
    code = (
        "import socket,sys\n"
        f"s=socket.create_connection(('{networks.address('lan', of_box=True)}', 22), 2)\n"
        "print('open', flush=True)\n"
        "sys.stdin.readline()\n"
        "s.settimeout(2)\n"
        "print(repr(s.recv(1)))\n"
    )
    words = ["ip", "netns", "exec", networks.hosts["lan"], "python3", "-c", code]
    child = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdout.readline() == "open\n"
    put(ssh=False)
    out, _ = child.communicate("\n", timeout=10)
    assert out == "b''\n"  # the server's end of it came through
    assert "tcp/22" not in networks.reaches("lan")
