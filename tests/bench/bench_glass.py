"""Glass to glass: the wall-clock stamp in a simulated camera's picture, read from the canvas in Chromium.

Nine tiles of 640x360 at 15 fps, camera -> RTSP -> box -> WebSocket -> decoder -> canvas, once with
WebCodecs and once with MSE. A frame's latency is the moment it is shown minus the moment it was
drawn, both on this machine's clock; frames that were sent and never shown are counted.
"""

import asyncio
import itertools
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from playwright.async_api import Page, async_playwright

ROOT = Path(__file__).resolve().parents[2]
TILES = int(os.environ.get("BENCH_TILES", "9"))
WINDOW_S = float(os.environ.get("BENCH_WINDOW_S", "20"))
SETTLE_S = 8.0
GOALS_MS = {"webcodecs": 150.0, "mse": 300.0}
CHROMIUM = "/usr/bin/chromium"
FLAGS = [
    "--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--no-first-run", "--autoplay-policy=no-user-gesture-required",
]  # fmt: skip

# Reads each tile's stamp when the player says that a frame is shown. One small canvas is reused: the
# reading itself must not slow down what it measures, so only the stamp's rows are copied.
WATCH = """
(stampSource) => {
  const readStamp = new Function(stampSource.replace('export function', 'return function'))();
  const small = document.createElement('canvas');
  const context = small.getContext('2d', {willReadFrequently: true});
  window.measured = [];
  document.addEventListener('frameshown', (event) => {
    const now = performance.timeOrigin + performance.now();
    const glass = event.target;
    const width = glass.videoWidth || glass.width, height = Math.ceil(width / 20);
    small.width = width; small.height = height;
    context.drawImage(glass, 0, 0, width, height, 0, 0, width, height);
    const stamp = readStamp(context, width, height);
    window.measured.push([event.detail.camera, stamp && stamp.timeMs, stamp && stamp.counter, now]);
  }, true);
}
"""


async def main() -> int:
    if not Path(CHROMIUM).exists():
        print("chromium is missing", file=sys.stderr)
        return 77
    wanted = os.environ.get("BENCH_PLAYER")
    for player, goal_ms in GOALS_MS.items():
        if wanted not in (None, player):
            continue
        await measure(player, goal_ms)
    return 0


async def measure(player: str, goal_ms: float) -> None:
    folder = tempfile.mkdtemp()
    box = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "appliance", "demo", "--json", "--port", "0", "--data", f"{folder}/box",
        "--cameras", str(TILES), "--detector", "motion",
        cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
        env=os.environ | {"APPLIANCE_ASSETS_PATH": folder},
    )  # fmt: skip
    try:
        assert box.stdout is not None
        ready = json.loads(await box.stdout.readline())
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            page = await browser.new_page(viewport={"width": 1920, "height": 1080})
            report(player, goal_ms, await watch(page, ready, player))
            await browser.close()
    finally:
        box.terminate()
        await box.wait()
        shutil.rmtree(folder, ignore_errors=True)


async def watch(page: Page, ready: dict[str, Any], player: str) -> list[list[Any]]:
    await page.goto(ready["url"])
    await page.fill("input[name=username]", ready["username"])
    await page.fill("input[name=password]", ready["password"])
    await page.keyboard.press("Enter")
    await page.wait_for_url(f"{ready['url']}/")
    await blind(page)
    await page.goto(f"{ready['url']}/?player={player}")
    await page.evaluate(WATCH, (ROOT / "appliance/simulator/stamp.js").read_text())
    await page.wait_for_timeout(SETTLE_S * 1000)
    await page.evaluate("window.measured = []")
    await page.wait_for_timeout(WINDOW_S * 1000)
    return list(await page.evaluate("window.measured"))


async def blind(page: Page) -> None:
    """Switch analysis off: this is about the way of the picture alone."""
    await page.evaluate(
        """async () => {
          const csrf = document.cookie.match(/csrf=([^;]+)/)[1];
          const {cameras} = await (await fetch('/api/v1/cameras')).json();
          for (const camera of cameras) {
            const {status, ...body} = camera;
            body.detect.enabled = false;
            await fetch(`/api/v1/cameras/${camera.id}`, {method: 'PUT', body: JSON.stringify(body),
              headers: {'Content-Type': 'application/json', 'X-CSRF-Token': csrf}});
          }
        }"""
    )


def report(player: str, goal_ms: float, seen: list[list[Any]]) -> None:
    late = sorted(shown - stamped for _, stamped, _, shown in seen if stamped)
    missed = 0
    for camera in {row[0] for row in seen}:
        counters = [row[2] for row in seen if row[0] == camera and row[2] is not None]
        steps = [(b - a) % 65536 for a, b in itertools.pairwise(counters)]
        missed += sum(step - 1 for step in steps if step)  # 0: the same frame, told twice
    unread = sum(1 for row in seen if row[1] is None)
    name = f"glass to glass, {TILES} x 640x360@15, {player}"
    say(f"{name}: p50", late[len(late) // 2], "ms", goal_ms)
    say(f"{name}: p95", late[int(len(late) * 0.95)], "ms", goal_ms)
    say(f"{name}: frames not shown of {len(seen) + missed} ({unread} unreadable)", missed, "frames", 0)


def say(name: str, value: float, unit: str, goal: float) -> None:
    line = {"name": name, "value": round(value, 1), "unit": unit, "peer": "goal", "peer_value": goal}
    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
