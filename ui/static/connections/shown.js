// What is shown again and again is changed in place, and only where it differs: a key that somebody is about
// to copy stays marked, and who listens instead of looks hears what is new alone.

import { element, icon } from "../nodes.js";

/** A sign and a word, each in its colour. */
export function mark(node, [status, sign, word]) {
  if (node.textContent === word && node.dataset.status === status) return;
  node.className = "check-mark";
  node.dataset.status = status;
  node.replaceChildren(icon(sign), word);
}

/** Hidden where there is nothing to say. */
export function words(node, text) {
  if (node.textContent !== text) node.textContent = text;
  node.hidden = !text;
}

/** @param {[string, string, string?][]} values  name, value, class; those without a value are left out */
export function facts(list, values) {
  const shown = values.filter(([, value]) => value);
  const names = [...list.querySelectorAll("dt")].map((term) => term.textContent);
  if (shown.length !== names.length || shown.some(([name], n) => name !== names[n])) {
    list.replaceChildren(...shown.flatMap(([name, , look]) => [element("dt", "", name), element("dd", look ?? "")]));
  }
  const places = list.querySelectorAll("dd");
  for (const [n, [, value]] of shown.entries()) words(places[n], value);
}

/** Children made anew only where what they are made of has changed. */
export function children(node, from, make) {
  const seen = JSON.stringify(from);
  if (node.dataset.seen === seen) return;
  node.dataset.seen = seen;
  node.replaceChildren(...make());
}
