"""The whole of it, with packets: namespaces, veth, wireguard-go at both ends, our runner as a program."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from appliance.system.firewall import nft, render
from appliance.system.firewall.settings import FirewallSettings
from appliance.system.tunnel import kept


def up(hosts) -> None:
    hosts.configure()
    hosts.start_runner()
    hosts.until(lambda: (state := hosts.state()) is not None and state.state == "up", 15)
    assert hosts.passes()


def userspace_only(hosts, reason: str) -> None:
    if hosts.state().backend != "wireguard-go":
        pytest.skip(reason)


def test_packets_go_through_and_the_state_says_how(hosts):
    up(hosts)
    state = hosts.state()
    assert state.backend in ("wireguard-go", "kernel")
    assert state.because
    assert state.handshake_ns is not None
    assert state.endpoint == "10.77.0.2:51820"
    routes = subprocess.run(
        ["ip", "-n", hosts.box, "route", "show", "dev", hosts.box_dev, "proto", "static"],
        capture_output=True,
        text=True,
    ).stdout
    assert routes.split("\n")[0].startswith("10.88.0.2")  # the endpoint's address and nothing else
    assert len(routes.strip().splitlines()) == 1


def test_nothing_secret_is_said(hosts):
    up(hosts)
    hosts.runner.terminate()
    hosts.runner.wait(10)
    said = hosts.said() + (hosts.data / "tunnel.json").read_text()
    assert hosts.box_keys.current not in said
    assert hosts.hub_keys.preshared not in said
    raw = b"".join(path.read_bytes() for path in hosts.data.glob("appliance.db*"))
    assert hosts.box_keys.public.encode() not in raw  # of the keys not even that: they are sealed as one
    assert hosts.box_keys.current.encode() not in raw
    assert hosts.hub_keys.preshared.encode() not in raw


def test_a_dead_wireguard_go_is_started_again(hosts):
    up(hosts)
    userspace_only(hosts, "kernel WireGuard has no process")
    os.kill(hosts.wireguard_pid(), signal.SIGKILL)
    hosts.until(lambda: not hosts.passes(0.2), 5)
    hosts.until(hosts.passes, 15)
    hosts.until(lambda: hosts.state().restarts == 1 and hosts.state().state == "up", 10)


def test_the_runner_killed_and_back_goes_on_with_the_same_process(hosts):
    up(hosts)
    userspace_only(hosts, "kernel WireGuard has no process")
    before = hosts.wireguard_pid()
    hosts.runner.kill()
    hosts.runner.wait()
    assert hosts.passes()  # the tunnel does not need us to carry packets
    hosts.start_runner()
    hosts.until(lambda: hosts.state().because == "wireguard-go made this interface before", 10)
    hosts.until(lambda: hosts.state().state == "up", 10)
    assert hosts.wireguard_pid() == before
    assert hosts.passes()


def test_down_takes_the_interface_away_and_up_brings_it_back(hosts):
    up(hosts)
    hosts.write(lambda conn: kept.switch(conn, False))
    hosts.until(lambda: hosts.state().state == "off", 5)
    assert not hosts.has_interface()
    hosts.write(lambda conn: kept.switch(conn, True))
    hosts.until(hosts.passes, 10)


def change_address(hosts, old: str, new: str) -> None:
    hosts.ip("addr", "del", f"{old}/24", "dev", hosts.box_veth)
    hosts.ip("addr", "add", f"{new}/24", "dev", hosts.box_veth)


@pytest.mark.long
def test_a_change_of_the_own_address_is_healed_by_the_watchdog_and_by_nothing_else(hosts):
    up(hosts)
    userspace_only(hosts, "kernel WireGuard needs no healing")
    hosts.runner.send_signal(signal.SIGSTOP)  # the watchdog sleeps, wireguard-go does not
    change_address(hosts, "10.77.0.1", "10.77.0.9")
    began = time.monotonic()
    assert not any(hosts.passes(0.5) for _ in range(14))  # WireGuard's own repetition comes after 5 s
    assert time.monotonic() - began > 6
    hosts.runner.send_signal(signal.SIGCONT)
    hosts.until(lambda: hosts.passes(0.3), 10)
    hosts.until(lambda: hosts.state().heals >= 1, 5)


@pytest.mark.long
def test_the_endpoint_moves_to_another_address_under_the_same_name(hosts):
    up(hosts)
    hosts.runner.send_signal(signal.SIGSTOP)
    sh_hub = ("ip", "-n", hosts.hub, "addr")
    subprocess.run([*sh_hub, "add", "10.77.0.7/24", "dev", hosts.hub_veth], check=True)
    hosts.name_is("10.77.0.7")
    subprocess.run([*sh_hub, "del", "10.77.0.2/24", "dev", hosts.hub_veth], check=True)
    subprocess.run([*sh_hub, "replace", "10.77.0.7/24", "dev", hosts.hub_veth], check=True)
    assert not any(hosts.passes(0.5) for _ in range(14))  # without the watchdog nothing asks the name again
    hosts.runner.send_signal(signal.SIGCONT)
    hosts.until(lambda: hosts.passes(0.3) and hosts.state().endpoint == "10.77.0.7:51820", 45)


@pytest.mark.long
def test_keys_are_rotated_without_a_packet_lost_for_long(hosts):
    up(hosts)
    old = hosts.box_keys.public
    new = hosts.write(lambda conn: kept.announce(conn, hosts.sealer))
    time.sleep(1.5)
    assert hosts.passes()  # announced is not used
    assert hosts.state().public_key == old
    hosts.hub_knows(new)
    hosts.write(lambda conn: kept.acknowledged(conn, hosts.sealer, new))
    hosts.until(lambda: hosts.state().public_key == new and hosts.state().rotation == "steady", 20)
    assert hosts.passes()
    after = hosts.write(lambda conn: kept.keys(conn, hosts.sealer))
    assert (after.public, after.previous, after.next) == (new, "", "")


def test_a_tunnel_that_would_cover_the_lan_is_not_made(hosts):
    hosts.configure(allowed_ips=("10.77.0.128/25", "10.88.0.2/32"))
    hosts.start_runner()
    hosts.until(lambda: hosts.state() is not None and "overlaps" in hosts.state().detail, 10)
    assert hosts.state().state == "off"
    assert not hosts.has_interface()


@pytest.mark.long
def test_a_lan_that_comes_under_a_tunnel_takes_it_down(hosts):
    up(hosts)
    hosts.ip("addr", "add", "10.88.0.77/24", "dev", hosts.box_veth)  # DHCP gave us that, say
    hosts.until(lambda: "overlaps" in hosts.state().detail, 10)
    assert not hosts.has_interface()
    hosts.ip("addr", "del", "10.88.0.77/24", "dev", hosts.box_veth)
    hosts.until(hosts.passes, 15)


@pytest.mark.long
@pytest.mark.timeout(600)
def test_after_a_cut_packets_go_through_within_ten_seconds_of_the_link(hosts, record_property):
    """Cuts shorter and longer than a session lives; keep-alive 25, nobody sends anything meanwhile."""
    up(hosts)
    took = {}
    for cut_s in (5, 40, 200):
        hosts.link("down")
        time.sleep(cut_s)
        hosts.link("up")
        took[cut_s] = hosts.until(lambda: hosts.passes(0.2), 10)
    record_property("back_after_s", took)
    print("cut for s -> back after s:", took)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_after_a_black_hole_packets_go_through_within_ten_seconds(hosts, record_property):
    """Nothing tells the box that it ends: no link changes. WireGuard gives up in it, and goes on."""
    up(hosts)
    took = {}
    for dark_s in (30, 115, 130, 190):  # of the first the session survives
        hosts.black_hole(True)
        time.sleep(dark_s)
        hosts.black_hole(False)
        took[dark_s] = hosts.until(hosts.passes if dark_s < 100 else hosts.shakes_hands, 10)
        assert hosts.passes()
        hosts.until(lambda: hosts.state().state == "up", 70)
    record_property("back_after_s", took)
    print("dark for s -> back after s:", took)


def test_a_second_runner_is_refused(hosts):
    up(hosts)
    done = hosts.run_beside()
    assert done.returncode == 1
    assert "another program runs this box's tunnel" in done.stderr
    assert hosts.passes()


def test_it_runs_with_the_one_right_that_its_unit_has(hosts):
    hosts.configure()
    hosts.start_runner(only_net_admin=True)
    hosts.until(lambda: (state := hosts.state()) is not None and state.state == "up", 15)
    assert hosts.passes()
    userspace_only(hosts, "kernel WireGuard has no process")
    status = Path(f"/proc/{hosts.wireguard_pid()}/status").read_text()
    assert "CapEff:\t0000000000001000" in status


def test_the_daemon_runs_it_where_it_may(hosts):
    hosts.configure()
    hosts.start_daemon()
    hosts.until(lambda: (state := hosts.state()) is not None and state.state == "up", 30)
    assert hosts.passes()
    assert hosts.run_beside().returncode == 1  # the unit beside it is refused
    hosts.runner.terminate()
    hosts.runner.wait(15)
    assert not hosts.has_interface()


def test_behind_the_firewall_the_tunnel_works_and_brings_the_screen_only(hosts):
    up(hosts)
    rules = FirewallSettings(
        enabled=True, lan=("eth9",), cameras=("eth8",), tunnel=hosts.box_dev, web_port=8_443
    )
    nft.apply(render.ruleset(rules), hosts.programs())
    userspace_only(hosts, "kernel WireGuard has no process")
    os.kill(hosts.wireguard_pid(), signal.SIGKILL)  # a whole new handshake, through the rules
    hosts.until(hosts.passes, 15)
    hosts.serve_in_box(8_443, 22)
    assert hosts.hub_opens(8_443)
    assert not hosts.hub_opens(22)
    nft.remove(hosts.programs())
    assert hosts.hub_opens(22)
