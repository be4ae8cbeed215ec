// A camera's live picture in an element: feed, player and the age of what is shown.
//
// Events (they bubble):
//   frameshown    on the canvas or video, detail {camera, stream, time_ms, shown_at_ms}: a frame with
//                 the box time `time_ms` was put on the screen at box time `shown_at_ms`.
//   picturestate  on the host, detail {state: "waiting"|"live"|"stale"|"unplayable", since_ms, reason}.

import { boxNow } from "../time.js";
import { CodecsPlayer } from "./codecs_player.js";
import { Feed } from "./feed.js";
import { MsePlayer } from "./mse_player.js";
import { WallTime } from "./wall_time.js";

export const STALE_AFTER_MS = 3000;
const HIDDEN_CLOSE_MS = 30_000;

const MOST_FAILURES = 3; // of a decoder that said it could, before the other path is tried

/** The ways to play, best first. ?player=mse or ?player=webcodecs leaves one, for tests and comparing. */
function players() {
  const forced = new URLSearchParams(location.search).get("player");
  const all = { webcodecs: CodecsPlayer, mse: MsePlayer };
  return forced in all ? [all[forced]] : [CodecsPlayer, MsePlayer];
}

export class LivePicture {
  /**
   * @param {HTMLElement} host  the player's element is put first into it
   * @param {string} cameraId
   * @param {"main"|"sub"} stream
   */
  constructor(host, cameraId, stream) {
    this.host = host;
    this.cameraId = cameraId;
    this.wanted = stream;
    this.stream = stream;
    this.player = null;
    this.wallTime = new WallTime();
    this.lastShownAt = 0; // box ms when a frame was last put on the screen
    this.lastFrameTime = 0; // box ms of that frame
    this.openedAt = boxNow();
    this.frames = 0;
    this.state = "";
    this.reason = "";
    this.codec = "";
    this.refused = new Set();
    this.failures = new Map(); // player class -> how often it failed in a row
    this.backlog = null;
    this.feed = new Feed(cameraId, stream, {
      onInit: (header, init) => this.#begin(header, init),
      onFragment: (fragment) => this.#push(fragment),
    });
    this.hiddenTimer = 0;
    this.onVisibility = () => this.#visibility();
    document.addEventListener("visibilitychange", this.onVisibility);
  }

  open() {
    this.openedAt = boxNow();
    this.feed.open();
    this.ticker = setInterval(() => this.tick(), 250);
    this.tick();
  }

  close() {
    clearInterval(this.ticker);
    clearTimeout(this.hiddenTimer);
    document.removeEventListener("visibilitychange", this.onVisibility);
    this.feed.close();
    this.player?.close();
  }

  /** Milliseconds since the picture on the screen was taken, or null before the first. */
  get ageMs() {
    return this.frames === 0 ? null : Math.max(0, boxNow() - this.lastFrameTime);
  }

  get skipped() {
    return this.player?.skipped ?? 0;
  }

  tick() {
    const quiet = boxNow() - (this.frames ? this.lastShownAt : this.openedAt);
    if (this.reason) this.#set("unplayable");
    else if (this.frames && quiet < STALE_AFTER_MS) this.#set("live");
    else this.#set(quiet < STALE_AFTER_MS ? "waiting" : "stale");
  }

  async #begin(header, init) {
    const codec = /codecs="([^"]+)"/.exec(header.mime)?.[1] ?? "";
    this.backlog = []; // fragments that come while support is asked for
    const backlog = this.backlog;
    const Player = await this.#able(codec);
    if (backlog !== this.backlog) return; // a newer init overtook this one
    if (!Player) {
      this.backlog = null;
      this.#refuse(header.stream, codec);
      return;
    }
    this.reason = "";
    this.codec = codec;
    this.stream = header.stream;
    this.wallTime.restart(Date.parse(header.start_time));
    if (!(this.player instanceof Player)) {
      this.player?.close();
      this.player?.element.remove();
      this.player = new Player({
        onShown: (pts) => this.#shown(pts),
        onFailed: (error) => this.#failed(error),
      });
      this.host.prepend(this.player.element);
    }
    try {
      this.player.start(codec, init);
    } catch (error) {
      this.#failed(error);
      return;
    }
    this.backlog = null;
    for (const fragment of backlog) this.#push(fragment);
  }

  async #able(codec) {
    for (const Player of players()) {
      if ((this.failures.get(Player) ?? 0) < MOST_FAILURES && (await Player.supports(codec))) return Player;
    }
    return null;
  }

  #push(fragment) {
    if (this.backlog) {
      this.backlog.push(fragment);
      return;
    }
    if (!this.player || this.reason) return;
    try {
      const pts = this.player.push(fragment);
      if (pts !== null) this.wallTime.arrived(pts, boxNow());
    } catch (error) {
      this.#failed(error);
    }
  }

  #shown(pts) {
    const now = boxNow();
    const time = this.wallTime.at(pts);
    this.lastShownAt = now;
    this.lastFrameTime = time;
    this.frames += 1;
    if (this.failures.size && this.frames % 100 === 0) this.failures.clear();
    this.player.element.dispatchEvent(new CustomEvent("frameshown", {
      bubbles: true,
      detail: { camera: this.cameraId, stream: this.stream, time_ms: time, shown_at_ms: now },
    }));
    if (this.state !== "live") this.tick();
  }

  #failed(error) {
    console.warn(`${this.cameraId}: ${error.message}`);
    if (this.player) this.failures.set(this.player.constructor, (this.failures.get(this.player.constructor) ?? 0) + 1);
    this.player?.close();
    this.player?.element.remove();
    this.player = null;
    clearTimeout(this.retry);
    this.retry = setTimeout(() => { if (!this.feed.closed) this.feed.restart(); }, 1000);
  }

  #refuse(stream, codec) {
    // The other stream may be one this browser can decode; after that there is nothing left to try.
    this.refused.add(stream);
    const other = stream === "main" ? "sub" : "main";
    if (!this.refused.has(other) && this.wanted !== other) {
      this.wanted = other;
      this.feed.restart(other);
      return;
    }
    this.reason = /^(hvc1|hev1)/.test(codec)
      ? "This camera sends H.265, which this browser cannot show. Set its second stream to H.264."
      : `This browser cannot show this camera's video (${codec || "unknown format"}). Load the page again, or use another browser.`;
    this.feed.close();
    this.tick();
  }

  #visibility() {
    clearTimeout(this.hiddenTimer);
    if (document.visibilityState === "hidden") {
      this.hiddenTimer = setTimeout(() => this.feed.close(), HIDDEN_CLOSE_MS);
    } else if (this.feed.closed && !this.reason) {
      this.openedAt = boxNow();
      this.feed.open();
    }
  }

  #set(state) {
    if (state === this.state) return;
    this.state = state;
    this.host.dataset.picture = state;
    this.host.dispatchEvent(new CustomEvent("picturestate", {
      bubbles: true,
      detail: { state, since_ms: this.frames ? this.lastFrameTime : null, reason: this.reason },
    }));
  }
}
