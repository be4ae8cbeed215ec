// Media Source Extensions: for pages without a secure context, and browsers without WebCodecs.
// The element wants a buffer; we keep it as short as frames arrive evenly, and follow the live edge
// with small changes of speed, which show every frame, instead of jumps, which do not.

import { readFragment, readInit } from "./boxes.js";

const SLACK_S = 0.17; // a new frame waits this long for its turn: a LAN's jitter, and busy cores
const MOST_SLACK_S = 0.25; // grown to, while the browser drops frames
const OFF_S = 0.04; // how far off the wanted distance may be before the speed changes,
const ON_S = 0.008; // and how close it is brought: each change of speed may cost a frame, so few of them
const SETTLE_MS = 4000; // after a start nobody counts frames yet: come close quickly
const JUMP_AT_S = 2.0; // further behind than this, seek; counted as skipped
const KEEP_S = 8; // behind the play head, in the source buffer
const MOST_WAITING = 300; // fragments not yet appended

export class MsePlayer {
  constructor(handlers) {
    this.handlers = handlers;
    this.element = document.createElement("video");
    this.element.muted = true;
    this.element.playsInline = true;
    this.element.disableRemotePlayback = true; // ManagedMediaSource insists on it
    this.element.disablePictureInPicture = true;
    this.init = null;
    this.source = null;
    this.buffer = null;
    this.waiting = [];
    this.skipped = 0;
    this.started = false;
    this.slack = SLACK_S;
    this.dropped = 0;
    this.duration = 1 / 15; // of a frame, s
    this.lag = 0; // s between the play head and the end of the buffer, after an append, smoothed
    this.timer = 0;
    this.url = "";
    this.#watchFrames();
  }

  static get sourceType() {
    return window.ManagedMediaSource ?? window.MediaSource ?? null;
  }

  static async supports(codec) {
    return MsePlayer.sourceType?.isTypeSupported(`video/mp4; codecs="${codec}"`) ?? false;
  }

  start(codec, initBuffer) {
    this.#closeSource();
    this.init = readInit(initBuffer);
    this.waiting = [new Uint8Array(initBuffer)];
    this.started = false;
    this.waitForKey = true;
    const source = new MsePlayer.sourceType();
    this.source = source;
    source.addEventListener("sourceopen", () => {
      if (source !== this.source || this.buffer) return;
      this.buffer = source.addSourceBuffer(`video/mp4; codecs="${codec}"`);
      this.buffer.mode = "segments";
      this.buffer.addEventListener("updateend", () => this.#appended());
      this.buffer.addEventListener("error", () => this.#fail(new Error("the browser refused the video")));
      this.#feed();
    });
    this.url = URL.createObjectURL(source);
    this.element.src = this.url;
    this.timer = setInterval(() => this.#follow(), 200);
  }

  push(buffer) {
    const sample = readFragment(buffer, this.init);
    if (this.waiting.length > MOST_WAITING) {
      this.waiting = this.waiting.filter((part) => part === this.waiting[0]);
      this.waitForKey = true;
    }
    if (this.waitForKey && !sample.isKey) { this.skipped += 1; return null; }
    this.waitForKey = false;
    if (sample.duration > 0) this.duration = Math.min(1, sample.duration / this.init.timescale);
    this.waiting.push(new Uint8Array(buffer));
    this.#feed();
    return (sample.decodeTime + sample.offset) / this.init.timescale;
  }

  close() {
    this.#closeSource();
    this.element.removeAttribute("src");
    this.element.load();
  }

  #feed() {
    const { buffer } = this;
    if (!buffer || buffer.updating || this.waiting.length === 0 || this.source.readyState !== "open") return;
    const parts = this.waiting;
    this.waiting = [];
    try {
      buffer.appendBuffer(parts.length === 1 ? parts[0] : joined(parts));
    } catch (error) {
      if (error.name !== "QuotaExceededError") { this.#fail(error); return; }
      this.waiting = parts;
      this.#trim(1);
    }
  }

  #appended() {
    const { element, buffer } = this;
    if (!buffer || !this.source || this.source.readyState !== "open") return;
    const ranges = buffer.buffered;
    if (!this.started && ranges.length > 0) {
      this.started = true;
      this.startedAt = performance.now();
      this.#jump();
      element.play().catch(() => undefined); // muted video may always play; a closed tab may not
    }
    if (ranges.length > 0) {
      const lag = ranges.end(ranges.length - 1) - element.currentTime;
      this.lag += (lag - this.lag) * 0.15; // always looked at just after an append: the saw's top
    }
    if (this.waiting.length > 0) this.#feed();
    else if (ranges.length > 0 && element.currentTime - ranges.start(0) > 3 * KEEP_S) this.#trim(KEEP_S);
  }

  #trim(keep) {
    const { buffer, element } = this;
    const end = element.currentTime - keep;
    if (!buffer.updating && buffer.buffered.length > 0 && end > buffer.buffered.start(0)) {
      buffer.remove(buffer.buffered.start(0), end);
    }
  }

  /** Seeks to the live edge; also over a hole, where the element would wait for ever. */
  #jump() {
    const ranges = this.buffer.buffered;
    const last = ranges.length - 1;
    this.lag = this.slack + this.duration;
    this.element.currentTime = Math.max(ranges.start(last), ranges.end(last) - this.lag);
  }

  #follow() {
    const { element, buffer } = this;
    if (!this.started || !buffer || buffer.buffered.length === 0) return;
    const ranges = buffer.buffered;
    const last = ranges.length - 1;
    if (ranges.end(last) - element.currentTime > JUMP_AT_S || element.currentTime < ranges.start(last)) {
      this.skipped += 1;
      this.#jump();
      return;
    }
    this.#learnSlack();
    const off = this.lag - this.slack - this.duration;
    const away = Math.abs(off);
    const settling = performance.now() - this.startedAt < SETTLE_MS;
    let rate = element.playbackRate;
    if (away < ON_S || (rate > 1 && off < 0) || (rate < 1 && off > 0)) rate = 1;
    else if (off > 0.5) rate = 1.4;
    else if (settling) rate = off > 0 ? 1.1 : 0.9;
    else if (away > OFF_S && rate === 1) rate = off > 0 ? 1.05 : 0.95;
    if (element.playbackRate !== rate) element.playbackRate = rate;
    if (element.paused && document.visibilityState === "visible") element.play().catch(() => undefined);
  }

  /** Every frame is to be shown: where the browser drops some, wait longer for the late ones. */
  #learnSlack() {
    if (document.visibilityState !== "visible") return;
    const dropped = this.element.getVideoPlaybackQuality?.().droppedVideoFrames ?? 0;
    const settled = performance.now() - this.startedAt > SETTLE_MS; // the first seek drops what lies before it
    if (dropped > this.dropped && settled) this.slack = Math.min(MOST_SLACK_S, this.slack + 0.02);
    else this.slack = Math.max(SLACK_S, this.slack - 0.0004); // 2 ms a second
    this.dropped = dropped;
  }

  #watchFrames() {
    const { element } = this;
    if ("requestVideoFrameCallback" in element) {
      const shown = (_now, { mediaTime }) => {
        this.handlers.onShown(mediaTime);
        element.requestVideoFrameCallback(shown);
      };
      element.requestVideoFrameCallback(shown);
    } else {
      element.addEventListener("timeupdate", () => this.handlers.onShown(element.currentTime));
    }
    element.addEventListener("error", () => { if (element.error) this.#fail(new Error(element.error.message)); });
  }

  #fail(error) {
    if (this.source) this.handlers.onFailed(error);
  }

  #closeSource() {
    clearInterval(this.timer);
    this.source = null;
    this.buffer = null;
    this.waiting = [];
    if (this.url) URL.revokeObjectURL(this.url);
    this.url = "";
  }
}

function joined(parts) {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.byteLength, 0));
  let at = 0;
  for (const part of parts) { whole.set(part, at); at += part.byteLength; }
  return whole;
}
