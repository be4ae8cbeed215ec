// The sound of a new critical alert: two tones, again every eight seconds until somebody acknowledges.
// Browsers allow sound only after a gesture: until then the page says so, visibly.

const AGAIN_MS = 8000;
const KEY = "aries.sound";
const RINGING_KEY = "aries.ringing"; // of this tab: going to another page does not silence an alarm

let context = null;
const ringing = new Set();
let timer = 0;
const changed = new EventTarget();

export const sound = {
  get wanted() { return localStorage.getItem(KEY) !== "off"; },
  get allowed() { return context?.state === "running"; },
  get ringing() { return ringing.size > 0; },
  toggle() {
    localStorage.setItem(KEY, this.wanted ? "off" : "on");
    unlock();
    say();
  },
  onChange(listener) { changed.addEventListener("change", listener); },
};

/** Rings for this alert until `quiet(id)`. */
export function ring(id) {
  ringing.add(id);
  remember();
  if (!timer) {
    chime();
    timer = setInterval(chime, AGAIN_MS);
  }
  say();
}

export function quiet(id) {
  if (!ringing.delete(id)) return;
  remember();
  if (ringing.size === 0) {
    clearInterval(timer);
    timer = 0;
  }
  say();
}

/** What rang on the page before, and is still in `open`, rings on. */
export function ringOn(open) {
  for (const id of JSON.parse(sessionStorage.getItem(RINGING_KEY) ?? "[]")) if (open.has(id)) ring(id);
  remember();
}

function remember() {
  sessionStorage.setItem(RINGING_KEY, JSON.stringify([...ringing]));
}

function say() {
  changed.dispatchEvent(new Event("change"));
}

/** Some browsers allow sound at once on a site that was used before: found out by trying. */
export function tryUnasked() {
  if (sound.wanted) unlock();
}

function unlock() {
  if (!context) {
    context = new AudioContext();
    context.addEventListener("statechange", say);
  }
  if (context.state === "suspended") context.resume().then(say, () => undefined);
}

function chime() {
  if (!sound.wanted || !sound.allowed) return;
  const start = context.currentTime + 0.02;
  [880, 659, 880, 659].forEach((pitch, i) => {
    const tone = context.createOscillator();
    const level = context.createGain();
    const at = start + i * 0.22;
    tone.type = "triangle";
    tone.frequency.value = pitch;
    level.gain.setValueAtTime(0, at);
    level.gain.linearRampToValueAtTime(0.5, at + 0.02);
    level.gain.setValueAtTime(0.5, at + 0.16);
    level.gain.linearRampToValueAtTime(0, at + 0.21);
    tone.connect(level).connect(context.destination);
    tone.start(at);
    tone.stop(at + 0.22);
  });
}

for (const gesture of ["pointerdown", "keydown"]) {
  addEventListener(gesture, () => { unlock(); }, { passive: true });
}
