// Times. The box's clock counts, not the browser's; people read the site's zone, not the browser's.

const root = document.documentElement;
export const timeZone = root.dataset.timeZone || "Etc/UTC";

// performance.now() does not jump when somebody sets the browser's clock.
let offset = Number(root.dataset.now || Date.now()) - performance.now();

/** Milliseconds UTC on the box's clock. */
export function boxNow() {
  return performance.now() + offset;
}

/** Asks the box for its time and keeps the answer with the shortest round trip (RFC 5905, section 8). */
export async function syncClock(tries = 4) {
  let best = Infinity;
  for (let i = 0; i < tries; i += 1) {
    const asked = performance.now();
    const answer = await fetch("/clock", { cache: "no-store", credentials: "same-origin" });
    if (!answer.ok) return;
    const { now_ms: now } = await answer.json();
    const answered = performance.now();
    if (answered - asked < best) {
      best = answered - asked;
      offset = now - (asked + answered) / 2;
    }
  }
}

const options = { timeZone, hourCycle: "h23" };
const clockFormat = new Intl.DateTimeFormat("en-GB", { ...options, hour: "2-digit", minute: "2-digit", second: "2-digit" });
const dayFormat = new Intl.DateTimeFormat("en-GB", { ...options, weekday: "short", day: "numeric", month: "short" });
const isoDayFormat = new Intl.DateTimeFormat("en-CA", { ...options, year: "numeric", month: "2-digit", day: "2-digit" });

/** 14:30:05 */
export const clock = (ms) => clockFormat.format(ms);
/** Tue 20 Jan */
export const day = (ms) => dayFormat.format(ms).replace(",", "");
/** 2026-01-20, of the site's day */
export const isoDay = (ms) => isoDayFormat.format(ms);

/** 14:30:05 today, Tue 20 Jan 14:30:05 on other days. */
export function moment(ms) {
  return isoDay(ms) === isoDay(boxNow()) ? clock(ms) : `${day(ms)} ${clock(ms)}`;
}

/** "12 s", "4 min", "3 h", "2 d": how long ago, or how long. */
export function span(ms) {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86_400)} d`;
}

/**
 * UTC milliseconds of a wall time in the site's zone; days have 23 or 25 hours where clocks change.
 * @param {string} local  2026-01-20T14:30[:05]
 * @param {string} zone  IANA name
 */
export function fromSite(local, zone = timeZone) {
  const [date, hours = "00:00"] = local.split("T");
  const [y, mo, d] = date.split("-").map(Number);
  const [h, mi, s = 0] = hours.split(":").map(Number);
  const wanted = Date.UTC(y, mo - 1, d, h, mi, s);
  let guess = wanted;
  for (let i = 0; i < 3; i += 1) guess += wanted - asIfUtc(guess, zone); // converges in two steps but at a change
  return guess;
}

/** The other way: 2026-01-20T14:30:05 */
export function toSite(ms, zone = timeZone) {
  return new Date(asIfUtc(ms, zone)).toISOString().slice(0, 19);
}

const formats = new Map(); // making one costs more than using it a thousand times
function partsFormat(zone) {
  if (!formats.has(zone)) {
    formats.set(zone, new Intl.DateTimeFormat("en-GB", {
      ...options, timeZone: zone, year: "numeric", month: "numeric", day: "numeric", hour: "numeric", minute: "numeric", second: "numeric",
    }));
  }
  return formats.get(zone);
}

function asIfUtc(ms, zone) {
  const part = Object.fromEntries(partsFormat(zone).formatToParts(ms).map(({ type, value }) => [type, Number(value)]));
  return Date.UTC(part.year, part.month - 1, part.day, part.hour, part.minute, part.second);
}

/** Fills every <time data-as> below `node` with the site's time. */
export function fillTimes(node = document) {
  for (const time of node.querySelectorAll("time[data-as]")) {
    const ms = Date.parse(time.dateTime);
    if (Number.isNaN(ms)) continue;
    time.textContent = time.dataset.as === "clock" ? clock(ms) : time.dataset.as === "day" ? day(ms) : moment(ms);
  }
}
