// What forms have in common: one submit at a time, and refusals shown beside the field they are about.

import { Refusal } from "./api.js";

const homes = new WeakMap(); // where a form says what is about no field of it

/** Shows `error` in the form, at its field where it names one; null takes it away. */
export function problem(form, error) {
  const box = form.querySelector(".problem");
  for (const field of form.querySelectorAll("[aria-invalid]")) field.removeAttribute("aria-invalid");
  box.hidden = !error;
  if (!homes.has(box)) box.before(homes.set(box, document.createComment("")).get(box));
  if (!error) return;
  box.textContent = sentence(error.message);
  const hint = error instanceof Refusal && !error.hint?.includes("openapi.json") ? error.hint : ""; // that is for programs
  if (hint) box.append(Object.assign(document.createElement("span"), { textContent: sentence(hint) }));
  const field = error.field && (form.elements.namedItem(error.field) ?? form.elements.namedItem(error.field.split(".").pop()));
  const label = field instanceof HTMLElement && field.closest("label");
  (label || homes.get(box)).after(box); // on a phone the end of the form is out of sight
  if (field instanceof HTMLElement) {
    field.setAttribute("aria-invalid", "true");
    field.focus();
  }
}

/** Runs `work` when the form is sent; buttons rest meanwhile. */
export function onSend(form, work) {
  form.addEventListener("submit", async (submit) => {
    submit.preventDefault();
    if (form.dataset.busy) return;
    form.dataset.busy = "1";
    const button = [...form.elements].find((one) => one.type === "submit"); // it may stand outside
    button.setAttribute("aria-busy", "true");
    problem(form, null);
    try {
      await work(new FormData(form));
    } catch (error) {
      problem(form, error);
    }
    button.removeAttribute("aria-busy");
    delete form.dataset.busy;
  });
}

export function sentence(text) {
  return text ? text.charAt(0).toUpperCase() + text.slice(1) : "";
}

/** A sentence with its end. */
export const full = (text) => sentence(text).replace(/[^.!?…]$/, "$&.");

/** What is wrong and the next step, as two sentences; `hint` is given, or stands in brackets at the end. */
export function apart(text, hint = "") {
  const found = hint ? null : /^([^()]+) \((.+)\)$/.exec(text);
  return (found ? found.slice(1) : [text, hint]).filter(Boolean).map(full).join(" ");
}
