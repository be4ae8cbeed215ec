// Where the way to the box carries no video: a still now and then, of one tile after the other, so that
// alerts get through. Video is tried again from time to time.

const BETWEEN_MS = 3_000;
const PATIENCE_MS = 30_000;
const SLOW_AFTER_MS = 8_000; // of a picture that stands while the box says that it records
const AGAIN_MS = 60_000;

const turns = []; // those that show stills, the next one first
let running = false;

async function run() {
  running = true;
  while (turns.length) {
    const next = turns.shift();
    turns.push(next);
    await next.fetch();
    await new Promise((wake) => { setTimeout(wake, BETWEEN_MS); });
  }
  running = false;
}

export class Stills {
  /** `picture`: its LivePicture, whose feed rests meanwhile. */
  constructor(picture) {
    this.picture = picture;
    this.element = null; // the <img> that is shown
    this.at = 0; // performance.now() of the still on the screen
    this.dueAt = 0;
    this.stoodSince = 0;
    this.on = false;
  }

  /** Milliseconds since the still on the screen was asked for; null before the first. */
  get ageMs() {
    return this.element ? performance.now() - this.at : null;
  }

  /** Looks whether stills are wanted; `kept`: the box has the camera's video, and answers. */
  tick(stands, kept) {
    const now = performance.now();
    if (!stands || (this.on && !kept)) { // video is back; or it is the camera, or the box, and no matter of speed
      this.stoodSince = 0;
      this.#end();
    } else if (this.on) {
      if (now >= this.dueAt) this.#tryVideo(now);
    } else if (!kept) { // the box or the camera is away: that says nothing of the link
      this.stoodSince = 0;
    } else {
      this.stoodSince ||= now;
      if (now - this.stoodSince >= SLOW_AFTER_MS) this.#begin(now);
    }
  }

  #begin(now) {
    this.on = true;
    this.dueAt = now + AGAIN_MS;
    this.picture.feed.close();
    turns.push(this);
    if (!running) run();
  }

  #tryVideo(now) {
    this.on = false;
    this.stoodSince = now;
    this.#leave();
    this.picture.feed.open();
  }

  #end() {
    this.#leave();
    if (this.on) this.picture.feed.open();
    this.on = false;
    if (!this.element) return;
    URL.revokeObjectURL(this.element.src);
    this.element.remove();
    this.element = null;
  }

  #leave() {
    const place = turns.indexOf(this);
    if (place >= 0) turns.splice(place, 1);
  }

  async fetch() {
    const { picture } = this;
    const asked = performance.now();
    try {
      const answer = await fetch(`/api/v1/cameras/${encodeURIComponent(picture.cameraId)}/snapshot.jpg`, {
        credentials: "same-origin", cache: "no-store", signal: AbortSignal.timeout(PATIENCE_MS),
      });
      if (!answer.ok || !this.on) return;
      const source = URL.createObjectURL(await answer.blob());
      if (!this.element) {
        this.element = Object.assign(document.createElement("img"), { className: "slow-still", alt: "" });
        picture.host.querySelector(".over").before(this.element); // over the grey canvas, under the words
      }
      if (this.element.src) URL.revokeObjectURL(this.element.src);
      this.element.src = source;
      this.at = asked;
    } catch { /* the next turn comes */ }
  }
}
