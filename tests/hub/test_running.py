"""What an instance does unasked: it deletes what nobody needs any more, and lets go of old sign-ins."""

from appliance.hub import running
from appliance.hub.store import uploads
from appliance.hub.store.steps import every

DATA = bytes(range(256)) * 50


async def left(served, names: list[str]) -> int:
    count = 0
    for name in names:
        try:
            async for _ in served.hub.files.read(name, 0, 1):
                count += 1
        except Exception as error:
            assert getattr(error, "kind", "") == "not_found"
    return count


async def test_chunks_are_deleted_when_the_file_is_whole_and_nobody_watches_them(served):
    box = await served.box("box-a")
    await box.begin("c1", DATA)
    await box.chunk("c1", 0, DATA[:5000])
    upload = await served.hub.store.read(lambda: uploads.get("box-a", "c1"))
    chunks = await served.hub.store.read(lambda: uploads.chunks(upload))
    names = [chunk.name for chunk in chunks]
    await box.chunk("c1", 5000, DATA[5000:])
    served.clock.tick(300)
    await running.sweep_once(served.hub)
    assert await left(served, names) == 1  # somebody may still be watching
    served.clock.tick(301)
    await running.sweep_once(served.hub)
    assert await left(served, names) == 0
    assert await left(served, [upload.name]) == 1
    assert await served.hub.store.read(lambda: every("SELECT prefix FROM garbage")) == []


async def test_old_sign_ins_are_forgotten(served):
    await served.person("ann")
    served.clock.tick(13 * 3600)
    await running.sweep_once(served.hub)
    assert await served.hub.store.read(lambda: every("SELECT id FROM sessions")) == []
