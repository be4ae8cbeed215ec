// The claim page. A scanned code comes behind the # of the address: it is taken out of the address at once
// and used without a tap.

import { onSend } from "../forms.js";
import { post } from "./calls.js";

const form = document.querySelector("#claim");
const button = form.querySelector("button");

async function claim(code) {
  const { current } = await post("/api/claim", { code });
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
  form.requestSubmit();
}

addEventListener("hashchange", use);
use();
