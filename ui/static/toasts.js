// Short words in the corner: what was done, and what was refused.

import { Refusal } from "./api.js";
import { sentence } from "./forms.js";

export function toast(text, kind = "info", hint = "") {
  const box = document.createElement("div");
  box.className = "toast";
  box.dataset.kind = kind;
  const strong = document.createElement("strong");
  strong.textContent = text;
  box.append(strong);
  if (hint) box.append(Object.assign(document.createElement("span"), { textContent: hint }));
  document.querySelector("#toasts").append(box);
  setTimeout(() => box.remove(), kind === "error" ? 9000 : 4500);
}

/** Shows a refusal where the person looks; returns nothing. */
export function complain(error) {
  if (error instanceof Refusal) toast(sentence(error.message), "error", sentence(error.hint));
  else { console.error(error); toast("This did not work.", "error", String(error.message ?? error)); }
}
