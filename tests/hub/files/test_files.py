"""The contract of a store of files, over both: a folder and a bucket."""

import asyncio
import errno
import hashlib
import os
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance.base.errors import ApplianceError
from appliance.hub.files.folder import Folder
from appliance.hub.files.s3 import open_bucket


@pytest.fixture(params=["folder", "s3"])
def files(request: pytest.FixtureRequest, tmp_path: Path):
    if request.param == "folder":
        return Folder(tmp_path / "files")
    return open_bucket(request.getfixturevalue("bucket"))


async def read(files, name: str, offset: int = 0, length: int = 1 << 40) -> bytes:
    return b"".join([piece async for piece in files.read(name, offset, length)])


async def test_what_was_put_is_read_all_of_it_or_a_span(files):
    data = os.urandom(700_000)
    await files.put("chunks/a/one", data)
    assert await read(files, "chunks/a/one") == data
    assert await read(files, "chunks/a/one", 300_000, 5) == data[300_000:300_005]
    assert await read(files, "chunks/a/one", 699_999, 50) == data[-1:]
    assert await read(files, "chunks/a/one", 5, 0) == b""
    await files.put("chunks/a/one", data)  # again, the same
    assert await read(files, "chunks/a/one") == data


async def test_what_is_not_there_is_said_so(files):
    with pytest.raises(ApplianceError) as caught:
        await read(files, "chunks/a/none")
    assert caught.value.kind == "not_found"
    with pytest.raises(ApplianceError) as caught:
        await files.join(["chunks/a/none"], "files/a/whole")
    assert caught.value.kind == "not_found"
    with pytest.raises(ApplianceError):
        await read(files, "files/a/whole")  # nothing half-done


async def test_a_join_is_the_parts_in_order_and_its_hash(files):
    parts = [os.urandom(size) for size in (1, 300_000, 5_300_000, 7)]
    names = [f"chunks/a/u/{number}" for number in range(len(parts))]
    for name, part in zip(names, parts, strict=True):
        await files.put(name, part)
    whole = b"".join(parts)
    assert await files.join(names, "files/a/u") == hashlib.sha256(whole).hexdigest()
    assert await read(files, "files/a/u") == whole
    hashes = await asyncio.gather(*(files.join(names, "files/a/u") for _ in range(3)))  # three instances
    assert set(hashes) == {hashlib.sha256(whole).hexdigest()}
    assert await read(files, "files/a/u", 300_000, 3) == whole[300_000:300_003]


async def test_deleting_a_prefix_leaves_its_neighbours(files):
    for name in ("chunks/a/u/1", "chunks/a/u/2", "chunks/a/u2/1", "files/a/u"):
        await files.put(name, b"x")
    await files.delete("chunks/a/u/")
    await files.delete("chunks/a/u/")  # none is no error
    await files.delete("files/a/none")
    for name, there in (("chunks/a/u/1", False), ("chunks/a/u2/1", True), ("files/a/u", True)):
        if there:
            assert await read(files, name) == b"x"
        else:
            with pytest.raises(ApplianceError):
                await read(files, name)
    await files.delete("files/a/u")
    with pytest.raises(ApplianceError):
        await read(files, "files/a/u")


@pytest.mark.parametrize(
    "name", ["", "/etc/passwd", "a/../b", "../x/y", "a/b.c", "a//b", "a/b\n", "a", "é/b"]
)
async def test_a_name_that_is_none_is_a_fault_of_ours(files, name):
    for work in (files.put(name, b"x"), read(files, name), files.delete(name), files.join([], name)):
        with pytest.raises(ApplianceError) as caught:
            await work
        assert caught.value.kind == "internal"


async def test_a_probe_leaves_nothing_behind(files, tmp_path):
    await files.probe()
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


async def test_a_full_disk_is_said_so_and_nothing_half_done_stays(tmp_path, monkeypatch):
    files = Folder(tmp_path / "files")

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ApplianceError) as caught:
        await files.put("chunks/a/one", b"x" * 1000)
    assert caught.value.kind == "exhausted"
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


async def test_bytes_are_synced_before_the_name_and_the_name_before_we_return(tmp_path, monkeypatch):
    done: list[str] = []
    real_fsync, real_replace = os.fsync, Path.replace

    def fsync(descriptor):
        done.append("sync " + Path(os.readlink(f"/proc/self/fd/{descriptor}")).name.strip(".")[:3])
        real_fsync(descriptor)

    def replace(self, target):
        done.append("rename")
        return real_replace(self, target)

    files = Folder(tmp_path / "files")
    await files.put("chunks/a/one", b"x")
    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "replace", replace)
    await files.put("chunks/a/two", b"y")
    assert done == ["sync two", "rename", "sync a"]


async def test_a_service_that_is_away_is_unavailable(monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    for key in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"):
        monkeypatch.setenv(key, "secret-word")
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    files = open_bucket("s3://nowhere/x", retries=0)
    with pytest.raises(ApplianceError) as caught:
        await files.put("chunks/a/one", b"x")
    assert caught.value.kind == "unavailable"
    assert "secret-word" not in str(caught.value)


@pytest.mark.parametrize("url", ["s3://", "s3://key:secret@bucket/x", "http://bucket", "s3://b/x?secret=1"])
def test_an_address_with_a_secret_or_without_a_bucket_is_refused(url):
    with pytest.raises(ApplianceError) as caught:
        open_bucket(url)
    assert caught.value.kind == "invalid" and "secret" not in caught.value.message


async def test_a_join_holds_little_in_memory(files):
    part = bytes(8 << 20)
    names = [f"chunks/a/u/{number}" for number in range(6)]
    for name in names:
        await files.put(name, part)
    tracemalloc.start()
    try:
        await files.join(names, "files/a/u")
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 24 << 20  # of 48


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    parts=st.lists(st.binary(max_size=300), max_size=8),
    span=st.tuples(st.integers(0, 999), st.integers(0, 999)),
)
def test_a_folder_joins_and_reads_like_bytes(tmp_path, parts, span):
    async def play():
        files = Folder(tmp_path / "law")
        names = [f"chunks/a/{number}" for number in range(len(parts))]
        for name, part in zip(names, parts, strict=True):
            await files.put(name, part)
        assert await files.join(names, "files/a/u") == hashlib.sha256(b"".join(parts)).hexdigest()
        offset, length = span
        assert await read(files, "files/a/u", offset, length) == b"".join(parts)[offset : offset + length]

    asyncio.run(play())
