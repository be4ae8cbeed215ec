// The claim page. A scanned code comes behind the # of the address: it is taken out of the address at once
// and used without a tap.

import { onSend } from "../forms.js";
import { told } from "./moments.js";
import { post } from "./calls.js";

const form = document.querySelector("#claim");
const button = form.querySelector("button");
const how = form.querySelector("#how");
const ASKED = how.textContent;

async function claim(code) {
  const { current, took_over: tookOver } = await post("/api/claim", { code });
  if (tookOver) sessionStorage.setItem("took-over", "1"); // the next page says so
  location.replace(current ? `/steps/${current}` : "/finish");
}

/** The box refuses for a while, also the right code. Say for how long. */
function countDown(seconds) {
  const until = performance.now() + seconds * 1000;
  const tick = () => {
    const left = Math.ceil((until - performance.now()) / 1000);
    button.disabled = left > 0;
    button.textContent = left > 0 ? `Wait ${left} s` : "Begin";
    if (left > 0) setTimeout(tick, 500);
  };
  tick();
}

onSend(form, async (given) => {
  try {
    await claim(given.get("code"));
  } catch (error) {
    how.textContent = ASKED;
    if (error.status === 429) countDown(error.retryAfter || 30);
    throw error;
  }
});

/** Also where the page stood open already when the picture was scanned. */
function use() {
  const scanned = decodeURIComponent(location.hash.slice(1));
  if (!scanned) return;
  history.replaceState(null, "", "/");
  form.elements.namedItem("code").value = scanned;
  how.textContent = "The scanned code is being used …";
  form.requestSubmit();
}

for (const time of form.querySelectorAll("time")) time.textContent = told(time.dateTime);
addEventListener("hashchange", use);
use();
