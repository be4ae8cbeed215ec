"""The state beside the databases, and whose turn it is to run the tunnel."""

import pytest

from appliance.base.errors import ApplianceError
from appliance.system.tunnel import state
from appliance.system.tunnel.state import TunnelState, Turn


def test_it_is_read_while_somebody_runs_the_tunnel_and_not_after(tmp_path):
    assert state.read(tmp_path) is None
    turn = Turn.take(tmp_path)
    said = TunnelState(state="up", since_ns=5, endpoint="203.0.113.9:51820")
    state.write(tmp_path, said)
    assert state.read(tmp_path) == said
    assert (tmp_path / state.FILE).stat().st_mode & 0o777 == 0o600
    turn.close()
    turn.close()
    assert state.read(tmp_path) is None  # "up" of a program that is gone says nothing


def test_one_program_runs_it(tmp_path):
    turn = Turn.take(tmp_path)
    with pytest.raises(ApplianceError, match="another program") as caught:
        Turn.take(tmp_path)
    assert caught.value.kind == "conflict"
    turn.close()
    Turn.take(tmp_path).close()


def test_a_damaged_file_is_none(tmp_path):
    turn = Turn.take(tmp_path)
    (tmp_path / state.FILE).write_bytes(b'{"state": "nonsense"')
    assert state.read(tmp_path) is None
    turn.close()
