"""Each rule, with packets over IPv4 and IPv6: what comes through, what does not, and which rule it was."""

import subprocess

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
        networks.forget_neighbours()

    return put_in_force


def test_without_rules_everything_reaches_everything(networks):
    """What the other tests see blocked would come through."""
    assert set(map(frozenset, networks.all_reach("lan", "cam", "tun", "wan").values())) == {
        frozenset(EVERYTHING)
    }
    assert networks.cross(*PAIRS) == PAIRS


def test_as_it_is_set_at_first(networks, put):
    put()
    assert networks.all_reach("lan", "cam", "tun", "wan") == {
        "lan": {"tcp/8443", "ping"},
        "cam": {"udp/123"},
        "tun": {"tcp/8443", "ping"},
        "wan": set(),
    }
    for chain, about, least in (
        ("lan", "the screen", 2),
        ("lan", "the LAN reaches nothing else", 10),
        ("cameras", "cameras ask for the time", 2),
        ("cameras", "cameras reach nothing else", 12),
        ("cameras", "IPv6 needs its neighbours", 1),
        ("tunnel", "the screen, through the hub", 2),
        ("tunnel", "the tunnel reaches nothing else", 10),
        ("elsewhere", "nobody else reaches anything", 14),
    ):
        assert networks.count(chain, about) >= least, about


def test_with_everything_that_can_be_opened(networks, put):
    """Each is opened to the LAN, or to those who need it, and never to cameras or the tunnel."""
    put(ssh=True, ntp_lan=True, wireguard_port=51_820)
    assert networks.all_reach("lan", "cam", "tun", "wan") == {
        "lan": {"tcp/8443", "tcp/22", "udp/123", "udp/51820", "ping"},
        "cam": {"udp/123"},
        "tun": {"tcp/8443", "ping"},
        "wan": {"udp/51820"},
    }


def test_with_less(networks, put):
    put(ntp=False, web_port=9_999)
    assert networks.all_reach("lan", "cam") == {"lan": {"tcp/9999", "ping"}, "cam": set()}


def test_cameras_reach_no_more_at_the_box_s_other_addresses(networks, put):
    put(ssh=True, ntp_lan=True)
    for at in ("lan", "tun"):
        found = networks.reaches("cam", at=at)
        # the echo of udp/123 comes from another address than was asked, so that it may count as none
        assert found <= {"udp/123", "v4 udp/123", "v6 udp/123"}, at


def test_cameras_answer_the_box_and_the_hub_does(networks, put):
    put()
    for side in ("cam", "wan"):
        for v6 in (False, True):
            peer = networks.address(side, v6=v6)
            asked = networks.ask("box", f"tcp/{peer}/80", f"udp/{peer}/999", f"ping/{peer}/0")
            assert all(asked.values()), asked
    assert networks.count("input", "answers to what this box asked") >= 12


def test_nothing_goes_from_one_network_to_another(networks, put):
    put(ssh=True, ntp_lan=True, wireguard_port=51_820)
    assert networks.cross(*PAIRS) == []
    assert networks.count("forward", FORWARD) >= 8 * len(PAIRS)


def test_cameras_on_the_lan(networks):
    """No network of their own: the LAN's rules are theirs."""
    settings = FirewallSettings(enabled=True, lan=(networks.interfaces["lan"],), ntp_lan=True)
    nft.apply(render.ruleset(settings), networks.programs)
    found = networks.all_reach("lan", "cam", "tun")
    assert found == {"lan": {"tcp/8443", "udp/123", "ping"}, "cam": set(), "tun": set()}


def test_tables_of_others_stay_and_ours_is_there_once(networks, put):
    mine = "table inet others {\n chain input {\n type filter hook input priority 10\n accept\n }\n}\n"
    networks.programs.must("nft", "-f", "-", given=mine)
    try:
        put()
        rules = len(nft.counted(networks.programs))
        put()
        assert len(nft.counted(networks.programs)) == rules
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
        "s.sendall(b'?')\n"
        "print(repr(s.recv(1)))\n"
    )
    words = ["ip", "netns", "exec", networks.hosts["lan"], "python3", "-c", code]
    child = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdout.readline() == "open\n"
    put(ssh=False)
    out, _ = child.communicate("\n", timeout=10)
    assert out == "b'?'\n"
