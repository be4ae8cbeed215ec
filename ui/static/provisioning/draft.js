// What was typed in a step and not sent yet outlives a reload of its page: a phone that sleeps loads it anew.
// Kept in this tab alone, until the step is done; never a password or another secret.

const SECRET = /passw|passphrase|secret|pin|code|url|address/i; // an address may carry a login or a token

const isKept = (field) => field.name && field.type !== "password" && field.type !== "file" && !SECRET.test(field.name)
  && field.autocomplete !== "new-password" && field.autocomplete !== "current-password";

const isTicked = (field) => field.type === "checkbox" || field.type === "radio";

const fields = (form) => [...form.elements].filter((field) => field.matches("input, select, textarea") && isKept(field));

const keyOf = (step) => `draft:${step}`;

/** Puts back what was typed into `form`, and keeps what is typed from now on. */
export function keepDraft(form, step) {
  const key = keyOf(step);
  const kept = read(key);
  for (const field of fields(form)) {
    const before = kept[id(field)];
    if (before === undefined || before === value(field)) continue;
    if (isTicked(field)) field.checked = before;
    else field.value = before;
    for (const type of ["input", "change"]) field.dispatchEvent(new Event(type, { bubbles: true }));
  }
  const keep = ({ target }) => {
    if (!isKept(target)) return;
    if (target.type === "radio") for (const one of fields(form)) if (one.name === target.name) delete kept[id(one)];
    kept[id(target)] = value(target);
    sessionStorage.setItem(key, JSON.stringify(kept));
  };
  form.addEventListener("input", keep);
  form.addEventListener("change", keep);
}

/** The step is done. */
export const dropDraft = (step) => sessionStorage.removeItem(keyOf(step));

const id = (field) => (isTicked(field) ? `${field.name}=${field.value}` : field.name);
const value = (field) => (isTicked(field) ? field.checked : field.value);

function read(key) {
  try {
    return JSON.parse(sessionStorage.getItem(key)) ?? {};
  } catch {
    return {};
  }
}
