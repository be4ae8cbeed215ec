import asyncio

from appliance.alerts.bell import JournalBell


async def test_a_waiter_wakes_with_the_newest_position():
    bell = JournalBell(3)
    waiting = asyncio.create_task(bell.wait(3, 30))
    await asyncio.sleep(0)
    bell.ring(5)
    assert await waiting == 5
    assert await bell.wait(4, 30) == 5, "it is there already"


async def test_nothing_new_ends_with_the_timeout():
    assert await JournalBell(3).wait(3, 0.001) == 3


async def test_a_listener_hears_until_it_stops():
    bell, heard = JournalBell(), []
    stop = bell.listen(lambda: heard.append(bell.newest))
    bell.ring(1)
    stop()
    stop()
    bell.ring(2)
    assert heard == [1]
