"""The scripts' own arithmetic, run where it runs: in the page."""

import pytest

from appliance.web.pages import words

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_words_are_the_same_on_both_sides(page, sign_in):
    await sign_in(page, then="/events")
    there = await page.evaluate("import('/static/words.js').then(m => [m.STATES, m.CAUSES])")
    assert there == [words.STATES, words.CAUSES]
    zones = {"z-yard": "doorway"}
    for type_ in ("zone_enter", "zone_exit", "line_cross", "crowd", "abandoned_object"):
        for class_name in ("person", "traffic_light", "motion", ""):
            for zone_id in ("z-yard", "z-gone", None):
                event = {"type": type_, "class_name": class_name, "zone_id": zone_id}
                told = await page.evaluate(
                    "e => import('/static/words.js').then(m => m.eventTitle(e))", event
                )
                assert told == words.event_title(event, zones)


SITE_TIMES = {
    "2026-01-20T14:30": "2026-01-20T13:30:00.000Z",
    "2026-07-20T14:30:15": "2026-07-20T12:30:15.000Z",
    "2026-03-29": "2026-03-28T23:00:00.000Z",  # the day with 23 hours
    "2026-03-30": "2026-03-29T22:00:00.000Z",
    "2026-10-25": "2026-10-24T22:00:00.000Z",  # the day with 25
    "2026-10-26": "2026-10-25T23:00:00.000Z",
}


async def test_times_are_the_sites_and_not_the_browsers(page, sign_in):
    await sign_in(page, then="/events")  # the site is in Europe/Berlin
    for local, utc in SITE_TIMES.items():
        told = await page.evaluate(
            "l => import('/static/time.js').then(m => new Date(m.fromSite(l)).toISOString())", local
        )
        assert told == utc


async def test_the_age_follows_a_drifting_crystal_but_not_a_delay(page, sign_in):
    await sign_in(page, then="/events")
    drift, delay = await page.evaluate(
        """async () => {
            const { WallTime } = await import('/static/live/wall_time.js');
            const run = (arrival) => {
                const time = new WallTime();
                time.restart(1_000_000);
                for (let s = 0; s < 12 * 3600; s += 0.5) time.arrived(s, 1_000_000 + arrival(s));
                return time;
            };
            // 50 ppm fast camera: after 12 h its clock is 2160 ms off; arrival 30 ms late throughout.
            const drifting = run((s) => s * 1000 * (1 - 50e-6) + 30);
            // A link that is 5 s late in the last half minute.
            const late = run((s) => s * 1000 + (s > 12 * 3600 - 30 ? 5000 : 30));
            const end = 12 * 3600;
            const truth = 1_000_000 + end * 1000;
            return [drifting.at(end) - (truth - end * 50e-3), late.at(end) - truth];
        }"""
    )
    assert abs(drift) < 50
    assert abs(delay) < 50  # the anchor hardly moved: the five seconds show as age


async def test_boxes_are_read_and_torn_ones_refused(page, sign_in):
    await sign_in(page, then="/events")
    told = await page.evaluate(
        """async () => {
            const { readFragment, readInit } = await import('/static/live/boxes.js');
            const socket = new WebSocket(`ws://${location.host}/ws/live/yard?stream=main`);
            socket.binaryType = 'arraybuffer';
            const parts = [];
            await new Promise((done) => {
                socket.onmessage = ({data}) => { if (parts.push(data) > 4) done(); };
            });
            socket.close();
            const init = readInit(parts[1]);
            const fragments = parts.slice(2).map((part) => readFragment(part, init));
            const refuses = (f) => { try { f(); return false; } catch { return true; } };
            return {
                header: JSON.parse(parts[0]).type,
                width: init.width, height: init.height, timescale: init.timescale,
                version: init.config[0], keys: fragments.map((f) => f.isKey),
                steps: fragments.slice(1).map((f, i) => f.decodeTime - fragments[i].decodeTime),
                torn: refuses(() => readFragment(parts[2].slice(0, 90), init))
                    && refuses(() => readInit(parts[1].slice(0, 200))),
            };
        }"""
    )
    assert told["header"] == "init"
    assert (told["width"], told["height"], told["timescale"], told["version"]) == (640, 360, 90_000, 1)
    assert told["keys"][0] is True and told["keys"][1] is False
    assert told["steps"] == pytest.approx([6000, 6000], abs=1)
    assert told["torn"] is True
