// Keeps a page new: asks for it again, and changes only the parts that say so (`data-live`, each with an
// id). A hub that does not answer is said, with the age of what one still sees.

import { span } from "../time.js";

const EVERY_MS = 1000 * Number(document.body.dataset.refreshS || 10);
const SLOW_MS = 20_000;
const strip = document.querySelector("#connection");
let seenAt = performance.now(); // when what stands here was true
let asking = null;
let timer = 0;
let lost = "";

export const live = new EventTarget(); // "change" after parts were changed

/** Asks now. Answers of an earlier question that is still on its way count no more. */
export async function refresh() {
  clearTimeout(timer);
  asking?.abort();
  const mine = new AbortController();
  asking = mine;
  const patience = setTimeout(() => mine.abort(), SLOW_MS);
  const asked = performance.now();
  try {
    const answer = await fetch(location.href, { signal: mine.signal, credentials: "same-origin", cache: "no-store" });
    const path = new URL(answer.url).pathname;
    if (path === "/login" || path === "/password") { location.assign(answer.url); return; }
    if (answer.status >= 500) throw new Error(`it answers ${answer.status}`);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (asking !== mine) return;
    if (answer.status === 404 || answer.status === 403) { location.reload(); return; }
    lost = "";
    seenAt = asked;
    take(page);
  } catch (error) {
    if (asking !== mine) return;
    lost = error instanceof TypeError || error.name === "AbortError" ? "it does not answer" : error.message;
  } finally {
    clearTimeout(patience);
  }
  tell();
  timer = setTimeout(again, EVERY_MS);
}

function again() {
  if (document.hidden) timer = setTimeout(again, EVERY_MS); else refresh();
}

function take(page) {
  for (const part of document.querySelectorAll("[data-live][id]")) {
    const fresh = page.getElementById(part.id);
    if (!fresh) { if (part.dataset.live !== "gone") location.reload(); continue; }
    if (fresh.isEqualNode(part)) continue;
    const held = part.contains(document.activeElement) ? document.activeElement.id : "";
    const unfolded = [...part.querySelectorAll("details")].map((each) => each.open);
    part.replaceWith(document.adoptNode(fresh));
    const again = [...fresh.querySelectorAll("details")];
    if (again.length === unfolded.length) again.forEach((each, i) => { each.open = unfolded[i]; });
    if (held) document.getElementById(held)?.focus({ preventScroll: true });
  }
  live.dispatchEvent(new Event("change"));
}

function tell() {
  strip.hidden = !lost;
  document.body.classList.toggle("is-old", Boolean(lost));
  if (lost) strip.textContent = `No connection to the hub: ${lost}. What you see is ${span(performance.now() - seenAt)} old; trying again.`;
}

if (document.querySelector("[data-live]")) {
  timer = setTimeout(again, EVERY_MS);
  setInterval(() => { if (lost) tell(); }, 1000);
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && performance.now() - seenAt > EVERY_MS) refresh();
  });
}
