// A camera's day as a strip: what is recorded, what is not and why, and its events. A day is the
// site's, and has 23 or 25 hours where clocks change: positions are shares of its real length.

import { get } from "./api.js";
import { boxNow, clock, fromSite, isoDay, span } from "./time.js";
import { CAUSES } from "./words.js";

const CALM = new Set(["disabled", "schedule", "expired"]); // nobody wanted or expects footage there
const AGAIN_MS = 15_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const LABEL_PX = 44;
// How much of the day is seen at once: minutes between labels (wide, narrow), seconds of a key's step, words.
const VIEWS = {
  86400: { every: [120, 360], step: 60, this: "this day", in: "on this day", one: "day" },
  3600: { every: [5, 15], step: 5, this: "this hour", in: "in this hour", one: "hour" },
  600: { every: [1, 2], step: 1, this: "these ten minutes", in: "in these ten minutes", one: "ten minutes" },
};
const long = (ms) => (ms < 1000 ? "less than 1 s" : span(ms));

export class Timeline {
  constructor(cameraId, { onPick }) {
    this.cameraId = cameraId;
    this.onPick = onPick;
    this.strip = document.querySelector("#strip");
    this.input = document.querySelector("#day");
    this.under = document.querySelector("#under");
    this.zoom = document.querySelector("#zoom");
    this.length = null; // ms that are seen at once; null: not yet chosen
    this.end = null; // where they end; null: with what is newest
    this.spans = [];
    this.recordedEnd = boxNow();
    this.cursorAt = 0; // ms, where the keyboard stands
    this.chosenAt = null; // ms, what was asked for last
    this.request = 0;
  }

  async start() {
    this.input.addEventListener("change", () => this.#wholeDay());
    this.zoom.addEventListener("change", () => this.#look(Number(this.zoom.value) * 1000));
    document.querySelector("#day-back").addEventListener("click", () => this.#turn(-1));
    document.querySelector("#day-on").addEventListener("click", () => this.#turn(1));
    this.strip.addEventListener("click", ({ clientX }) => this.#pick(this.#timeAt(clientX)));
    this.strip.addEventListener("pointermove", ({ clientX }) => this.#point(this.#timeAt(clientX)));
    this.strip.addEventListener("pointerleave", () => { this.#cursor(null); this.#summarise(); });
    this.strip.addEventListener("keydown", (press) => this.#key(press));
    this.strip.addEventListener("focus", () => this.#point(this.cursorAt || this.recordedEnd));
    new ResizeObserver(() => { if (this.from) this.#drawHours(); }).observe(this.strip); // a phone is turned
    setInterval(() => { if (this.isToday) this.load(); }, AGAIN_MS);
    await this.load();
  }

  get isToday() {
    return this.input.value === isoDay(boxNow());
  }

  async goTo(ms) {
    if (this.from <= ms && ms < this.to) return;
    this.input.value = isoDay(ms);
    await this.#wholeDay();
  }

  async load() {
    if (!this.input.value) return;
    const mine = (this.request += 1);
    this.day = fromSite(this.input.value);
    this.to = fromSite(isoDay(this.day + 1.25 * DAY_MS));
    this.from = this.day;
    if (this.isClose) {
      this.to = Math.min(this.to, boxNow(), this.end ?? Infinity);
      this.from = this.to - this.length;
    }
    this.input.max = isoDay(boxNow()); // midnight passes while guards watch
    this.strip.setAttribute("aria-valuemax", Math.round((this.to - this.from) / 1000));
    this.zoom.value = this.isClose ? this.length / 1000 : 86_400;
    document.querySelector("#day-back").setAttribute("aria-label", `The ${this.view.one} before`);
    document.querySelector("#day-on").setAttribute("aria-label", `The ${this.view.one} after`);
    const interval = `start_time=${new Date(this.from).toISOString()}&end_time=${new Date(this.to).toISOString()}`;
    this.#drawHours();
    try {
      const [recordings, { events }] = await Promise.all([
        get(`/cameras/${this.cameraId}/recordings?${interval}`),
        get(`/events?camera_id=${this.cameraId}&${interval}&limit=500`),
      ]);
      if (mine !== this.request) return;
      this.spans = recordings.spans.map((one) => ({ ...one, from: Date.parse(one.start), to: Date.parse(one.end) }));
      this.recordedEnd = Math.min(boxNow(), this.to, Date.parse(recordings.end) || this.to);
      if (this.length === null) {
        // A camera that was added just now has nothing that could be seen on a whole day.
        const first = this.spans.find((one) => one.state === "recorded");
        this.length = first && this.isToday && first.from > boxNow() - HOUR_MS ? HOUR_MS : DAY_MS;
        if (this.isClose) { await this.load(); return; }
      }
      this.#draw(events);
      this.#summarise();
    } catch (error) {
      if (mine === this.request) this.say(`Recordings cannot be read: ${error.message}`);
    }
  }

  say(text) {
    this.under.textContent = text;
  }

  playhead(ms) {
    const mark = document.querySelector("#playhead");
    this.playing = ms;
    mark.hidden = ms === null || ms < this.from || ms > this.to;
    if (!mark.hidden) mark.style.left = this.#share(ms);
  }

  get isClose() {
    return (this.length ?? DAY_MS) < DAY_MS;
  }

  get view() {
    return VIEWS[this.isClose ? this.length / 1000 : 86_400];
  }

  #wholeDay() {
    [this.length, this.end] = [DAY_MS, null];
    return this.load();
  }

  /** Closer or wider, around what plays or was asked for last. */
  #look(length) {
    const [from, to] = [this.from, Math.min(this.to, boxNow())];
    const around = [this.playing, this.chosenAt].find((ms) => ms && from <= ms && ms < to);
    this.length = length;
    this.end = around ? around + length / 2 : this.end;
    if (length === DAY_MS) this.end = null;
    this.load();
  }

  #turn(steps) {
    if (this.isClose) {
      const end = this.to + steps * this.length;
      this.end = end < boxNow() ? end : null;
      this.input.value = isoDay((this.end ?? boxNow()) - 1);
      this.load();
      return;
    }
    const noon = this.day + DAY_MS / 2;
    const wanted = isoDay(noon + steps * DAY_MS);
    if (wanted > this.input.max && this.input.max && wanted > isoDay(boxNow())) return;
    this.input.value = wanted;
    this.#wholeDay();
  }

  #share(ms) {
    return `${(100 * (ms - this.from)) / (this.to - this.from)}%`;
  }

  #timeAt(clientX) {
    const { left, width } = this.strip.getBoundingClientRect();
    return this.from + ((clientX - left) / width) * (this.to - this.from);
  }

  #drawHours() {
    const hours = document.querySelector("#hours");
    const wide = this.strip.clientWidth;
    const [often, seldom] = this.view.every;
    const every = wide < 560 ? seldom : !this.isClose && wide < 900 ? 180 : often; // minutes
    const marks = [];
    const step = this.isClose ? 60_000 : HOUR_MS / 4; // some zones are off by quarters of an hour
    for (let ms = Math.ceil(this.from / step) * step; ms < this.to; ms += step) {
      const label = clock(ms).slice(0, 5);
      if ((Number(label.slice(0, 2)) * 60 + Number(label.slice(3))) % every) continue;
      const mark = document.createElement("span");
      mark.textContent = label;
      mark.style.left = this.#share(ms);
      if ((wide * (this.to - ms)) / (this.to - this.from) < LABEL_PX) mark.className = "last"; // it would be cut
      marks.push(mark);
    }
    hours.replaceChildren(...marks);
  }

  #draw(events) {
    const parts = [];
    for (const one of this.spans) {
      const part = document.createElement("i");
      part.dataset.state = one.state;
      if (one.locked) part.dataset.locked = "";
      if (CALM.has(one.cause)) part.dataset.calm = "";
      part.style.left = this.#share(one.from);
      part.style.width = `${(100 * (one.to - one.from)) / (this.to - this.from)}%`;
      parts.push(part);
    }
    for (const event of events) {
      const mark = document.createElement("b");
      mark.dataset.severity = event.severity;
      mark.style.left = this.#share(Date.parse(event.start_time));
      parts.push(mark);
    }
    document.querySelector("#spans").replaceChildren(...parts);
    const gaps = this.spans.filter((one) => one.state === "gap" && !CALM.has(one.cause));
    const list = document.querySelector("#gaps");
    list.hidden = gaps.length === 0;
    list.querySelector("summary").textContent = `${gaps.length} ${gaps.length === 1 ? "gap" : "gaps"} ${this.view.this}`;
    document.querySelector("#gap-list").replaceChildren(...gaps.slice(-200).map((one) => {
      const line = document.createElement("li");
      const why = Object.assign(document.createElement("span"), { textContent: `${CAUSES[one.cause] ?? one.cause}, ${long(one.to - one.from)}` });
      line.append(`${clock(one.from)} – ${clock(one.to)}  `, why);
      return line;
    }));
  }

  #summarise() {
    const sum = (wanted) => this.spans.filter(wanted).reduce((total, one) => total + one.to - one.from, 0);
    const recorded = sum((one) => one.state === "recorded");
    const missing = sum((one) => one.state === "gap" && !CALM.has(one.cause));
    if (!recorded) { this.say(`Nothing is recorded ${this.view.in}.`); return; }
    this.say(`${span(recorded)} recorded${missing ? `, ${long(missing)} missing` : ", no gap"}. Click the strip to play from there.`);
  }

  #point(ms) {
    const at = Math.max(this.from, Math.min(ms, this.to - 1));
    this.#cursor(at);
    const here = this.spans.find((one) => one.from <= at && at < one.to);
    const what = !here ? "not yet" : here.state === "recorded" ? `recorded${here.locked ? ", locked" : ""}${here.time_unsure ? ", clock not sure" : ""}` : `no recording: ${CAUSES[here.cause] ?? here.cause}`;
    this.say(`${clock(at)} · ${what}`);
    this.strip.setAttribute("aria-valuenow", Math.round((at - this.from) / 1000));
    this.strip.setAttribute("aria-valuetext", `${clock(at)}, ${what}`);
  }

  #cursor(ms) {
    const mark = document.querySelector("#cursor");
    mark.hidden = ms === null;
    if (ms === null) return;
    mark.style.left = this.#share(ms);
    this.cursorAt = ms;
  }

  #pick(ms) {
    const here = this.spans.find((one) => one.from <= ms && ms < one.to);
    if (!here) return;
    const next = here.state === "recorded" ? here : this.spans.find((one) => one.from >= here.to && one.state === "recorded");
    if (next) { // a click into a gap means: what came after it
      const at = (this.chosenAt = Math.max(ms, next.from));
      this.#point(at); // a finger has not pointed there before
      this.onPick(at);
      if (next !== here) this.say(`Nothing is recorded at ${clock(ms)}. What plays is the next recording, from ${clock(at)}.`);
    } else this.say(`${clock(ms)} · no recording: ${CAUSES[here.cause] ?? here.cause}`);
  }

  #key(press) {
    const small = this.view.step * 1000;
    const kept = this.spans.filter((one) => one.state === "recorded");
    const edge = { Home: kept[0]?.from, End: kept.at(-1)?.to - 1 }[press.key];
    const steps = { ArrowLeft: -small, ArrowRight: small, PageUp: 3_600_000, PageDown: -3_600_000 };
    const step = steps[press.key] * (press.shiftKey ? 10 : 1);
    if (edge) this.#point(edge);
    else if (step) this.#point((this.cursorAt || this.recordedEnd) + step);
    else if (press.key === "Enter" || press.key === " ") this.#pick(this.cursorAt);
    else return;
    press.preventDefault();
  }
}
