// A clip that is still arriving: plays as far as it is here, and offers the rest once it has come.

import { live } from "./live.js";

const video = document.querySelector("#clip");
const note = document.querySelector("#clip-note");
const again = document.querySelector("#reload-clip");

if (video) {
  const plain = video.getAttribute("src");
  let begun = video.dataset.received; // how much there was when the player last began
  let there = begun;

  video.addEventListener("error", () => {
    note.textContent = video.dataset.state === "complete"
      ? "This browser cannot play the clip. Save it and try another player."
      : "Too little has arrived to play it yet, or this browser cannot play its codec.";
  });
  live.addEventListener("change", () => {
    const progress = document.querySelector("#clip-state progress");
    there = progress ? String(progress.value) : "complete";
    if (there === begun) return;
    if (video.error) play(); else again.hidden = false;
  });
  again.addEventListener("click", play);

  function play() {
    const at = video.currentTime;
    begun = there;
    again.hidden = true;
    note.textContent = "";
    video.src = `${plain}?have=${encodeURIComponent(there)}`; // another address: the player keeps no old length
    video.addEventListener("loadedmetadata", () => { video.currentTime = Math.min(at, video.duration || at); }, { once: true });
  }
} else {
  live.addEventListener("change", () => { if (document.querySelector("#clip-state progress")?.value > 0) location.reload(); });
}
