// The walk test, by ear: one tone for a camera that saw somebody (each camera has its own), two for a zone.

import { complain } from "../toasts.js";
import { element } from "../nodes.js";
import { pause } from "./calls.js";

const POLL_MS = 700;
const LOWEST_HZ = 440;
const NOTES = [0, 2, 4, 7, 9, 12, 14, 16, 19, 21, 24]; // a pentatonic scale: any two sound well together
const TONE_S = 0.16;
const $ = (selector) => document.querySelector(selector);

/** Browsers let a page sound only after a tap: it is made in the tap that starts the test. */
function voice() {
  const sound = new AudioContext();
  const tone = (hertz, at) => {
    const [source, loud] = [sound.createOscillator(), sound.createGain()];
    source.frequency.value = hertz;
    loud.gain.setValueAtTime(0, at);
    loud.gain.linearRampToValueAtTime(0.5, at + 0.01);
    loud.gain.exponentialRampToValueAtTime(0.001, at + TONE_S);
    source.connect(loud).connect(sound.destination);
    source.start(at);
    source.stop(at + TONE_S);
  };
  return {
    beep(camera, times) {
      const hertz = LOWEST_HZ * 2 ** (NOTES[camera % NOTES.length] / 12);
      for (let i = 0; i < times; i += 1) tone(hertz, sound.currentTime + i * (TONE_S + 0.06));
      document.body.dataset.beeps = Number(document.body.dataset.beeps ?? 0) + times;
    },
    stop: () => sound.close(),
  };
}

export function walkTest(step, onEnd) {
  const button = $("#walk");
  const note = $("#walk-note");
  let walking = false;

  const show = (walked, known, sound) => {
    const names = Object.keys(walked.cameras);
    const rows = names.map((id) => {
      const mine = walked.seen.filter((one) => one.camera_id === id);
      const zones = [...new Set(mine.map((one) => one.zone).filter(Boolean))];
      const text = mine.length ? (zones.length ? `seen; fired: ${zones.join(", ")}` : "seen") : "not yet";
      const row = element("li", "", element("strong", "", walked.cameras[id]), element("span", "", text));
      if (mine.length) row.dataset.seen = "1";
      if (mine.some((one) => !known.has(one.id))) row.dataset.now = "1";
      return row;
    });
    $("#seen").replaceChildren(...rows);
    for (const one of walked.seen.filter((sighting) => !known.has(sighting.id))) {
      known.add(one.id);
      sound.beep(names.indexOf(one.camera_id), one.zone ? 2 : 1);
      $("#heard").textContent = one.zone ? `${one.camera}: ${one.zone} fired` : `${one.camera} saw ${one.class_name === "person" ? "a person" : "something move"}`;
    }
  };

  async function walk(sound) {
    const known = new Set();
    while (walking) {
      try { show(await step.ask("walk"), known, sound); } catch (error) { if (error.status !== 0) throw error; }
      await pause(POLL_MS);
    }
  }

  async function toggle() {
    if (walking) { walking = false; return; }
    const sound = voice();
    button.disabled = true;
    try {
      const begun = await step.ask("walk_begin");
      note.hidden = !begun.anything;
      note.textContent = begun.anything ? "This box has no model that knows a person: whatever moves counts." : "";
      walking = true;
      button.textContent = "End the walk test";
      button.disabled = false;
      await walk(sound);
      button.disabled = true;
      await onEnd(await step.ask("walk_end"));
    } catch (error) { complain(error); }
    walking = false;
    sound.stop();
    button.textContent = "Start the walk test";
    button.disabled = false;
  }

  button.addEventListener("click", toggle);
}
