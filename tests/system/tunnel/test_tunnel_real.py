"""The whole of it, with packets: namespaces, veth, wireguard-go at both ends, our runner as a program."""

import os
import signal
import subprocess
import time

import pytest

TWO_MINUTES = 120


def up(hosts) -> None:
    hosts.configure()
    hosts.start_runner()
    hosts.until(lambda: (state := hosts.state()) is not None and state.state == "up", 15)
    assert hosts.passes()


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
    raw = (hosts.data / "appliance.db").read_bytes() + (hosts.data / "appliance.db-wal").read_bytes()
    assert hosts.box_keys.current.encode() not in raw
    assert hosts.hub_keys.preshared.encode() not in raw


def test_a_dead_wireguard_go_is_started_again(hosts):
    up(hosts)
    os.kill(hosts.wireguard_pid(), signal.SIGKILL)
    hosts.until(lambda: not hosts.passes(0.2), 5)
    hosts.until(hosts.passes, 15)
    hosts.until(lambda: hosts.state().restarts == 1 and hosts.state().state == "up", 10)
