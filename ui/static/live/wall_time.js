// Media time -> box time. A run's media time is the camera's own, and camera crystals drift seconds a
// day, while a guard's page stays open for twelve hours: so the anchor follows the arrival of
// fragments, slowly enough that a real delay still shows as age.

const WINDOW_MS = 20_000; // the fastest fragment of a window is taken as undelayed
const SLEW = 0.0003; // at most 0.3 ms per second: several times what a bad crystal drifts

export class WallTime {
  restart(startMs) {
    this.anchor = startMs; // box ms at media time 0
    this.usual = null; // ms between the picture and its arrival, in the first window
    this.least = Infinity;
    this.windowFrom = null;
  }

  /** A fragment with media time `pts` (s) came in at box time `now` (ms). */
  arrived(pts, now) {
    this.windowFrom ??= now;
    this.least = Math.min(this.least, now - this.at(pts));
    const length = now - this.windowFrom;
    if (length < WINDOW_MS) return;
    if (this.usual === null) {
      this.usual = this.least;
    } else {
      const most = length * SLEW;
      this.anchor += Math.max(-most, Math.min(most, this.least - this.usual));
    }
    this.windowFrom = now;
    this.least = Infinity;
  }

  /** Box time in ms of the picture with media time `pts` (s). */
  at(pts) {
    return this.anchor + pts * 1000;
  }
}
