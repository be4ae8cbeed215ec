"""The laboratory does what it says: otherwise nothing that is shown in it is shown."""

import subprocess

import pytest


def answers(lab, size=100, wait_s=1):
    return "1 received" in lab.box.run("ping", "-c1", f"-W{wait_s}", f"-s{size}", "10.99.0.1", check=False)


@pytest.mark.long
def test_the_link_can_be_hurt_and_heals(lab):
    lab.raise_tunnel()
    assert any(answers(lab) for _ in range(12)), "a lost first handshake is repeated after 5 s"
    lab.unplug()
    assert not answers(lab)
    lab.plug()
    assert any(answers(lab) for _ in range(12))
    lab.drop(100)
    assert not answers(lab)
    lab.deliver()
    assert any(answers(lab) for _ in range(12))
    lab.drop(30)
    came = sum(answers(lab) for _ in range(40))
    assert 10 < came < 40
    lab.heal()
    lab.move()
    assert not answers(lab), "wireguard-go does not survive a change of its own address"
    lab.set_endpoint()
    assert any(answers(lab) for _ in range(12))


def test_a_database_can_be_killed_and_restored(postgres, tmp_path):
    postgres.query("create table t (n int)")
    postgres.query("insert into t select generate_series(1, 1000)")
    postgres.dump(tmp_path / "half")
    postgres.query("insert into t select generate_series(1001, 2000)")
    postgres.kill()
    postgres.start()
    assert postgres.query("select count(*) from t") == ["2000"]
    postgres.restore(tmp_path / "half")
    assert postgres.query("select count(*) from t") == ["1000"]


@pytest.mark.long
def test_a_store_of_files_outlives_being_killed(objects, tools):
    obstore = pytest.importorskip("obstore")
    from obstore.store import S3Store

    port = tools.free_port()
    for life in range(2):
        process = subprocess.Popen([str(part) for part in objects.command("127.0.0.1", port)])
        tools.wait_for(lambda: tools.is_open("127.0.0.1", port), 20, "the store listens")
        store = S3Store(
            "footage",
            endpoint=f"http://127.0.0.1:{port}",
            access_key_id="S3RVER",
            secret_access_key="S3RVER",
            region="us-east-1",
            client_options={"allow_http": True},
        )
        obstore.put(store, f"life{life}", b"0123456789" * 600_000)
        process.kill()
        process.wait()
    process = subprocess.Popen([str(part) for part in objects.command("127.0.0.1", port)])
    tools.wait_for(lambda: tools.is_open("127.0.0.1", port), 20, "the store listens")
    assert bytes(obstore.get_range(store, "life0", start=8, end=12)) == b"8901"
    process.kill()
    process.wait()
