// Adding, changing, trying and deleting one target. The form is made by the server, from data.

import { get, post, put, remove } from "../api.js";
import { apart, onSend, problem, sentence } from "../forms.js";
import { complain } from "../shell.js";
import { readPolicy } from "./policy.js";

const form = document.querySelector("#target-form");
const report = document.querySelector("#report");
const before = JSON.parse(form.dataset.target);
const text = (fields, name) => (fields.get(name) ?? "").trim();
const idOf = (fields) => form.dataset.id || text(fields, "id");

/** What the form says, as PUT takes it; what has no field (another program set it) stays as it is. */
function body(fields) {
  const options = { ...before.options };
  for (const name of fields.keys()) {
    if (!name.startsWith("options.")) continue;
    const key = name.slice("options.".length);
    if (text(fields, name)) options[key] = text(fields, name);
    else delete options[key]; // left empty: as shipped
  }
  const has = (name) => Boolean(form.elements.namedItem(name));
  const wanted = {
    kind: form.dataset.kind,
    url: has("url") ? text(fields, "url") : before.url,
    ca: has("ca") ? text(fields, "ca") || null : before.ca,
    enabled: fields.has("enabled"),
    options,
  };
  if (text(fields, "token")) wanted.token = text(fields, "token");
  else if (fields.has("forget")) wanted.token = null; // left out: the stored one is kept
  if (form.querySelector("#policy")) wanted.policy = readPolicy(before.policy ?? {});
  return wanted;
}

onSend(form, async (fields) => {
  const id = idOf(fields);
  if (!form.dataset.id) await mustBeFree(id);
  await put(`/targets/${encodeURIComponent(id)}`, body(fields));
  location.assign("/settings/connections");
});

/** PUT replaces: a new target must not take the place of another one. */
async function mustBeFree(id) {
  const { targets } = await get("/targets");
  if (!targets.some((target) => target.id === id)) return;
  throw Object.assign(new Error(`There is a target ${id} already. Choose another name.`), { field: "id" });
}

// A field inside what is folded away must be seen when something is wrong with it.
form.addEventListener("invalid", ({ target: field }) => { unfold(field); }, true);
new MutationObserver(() => { for (const field of form.querySelectorAll("[aria-invalid]")) unfold(field); })
  .observe(form, { subtree: true, attributeFilter: ["aria-invalid"] });

function unfold(field) {
  const details = field.closest("details");
  if (!details || details.open) return;
  details.open = true;
  field.focus();
}

const button = document.querySelector("#try");
button.disabled = false; // a click before this line would be lost
button.addEventListener("click", async () => {
  if (button.getAttribute("aria-busy") || !form.reportValidity()) return;
  const fields = new FormData(form);
  problem(form, null);
  button.setAttribute("aria-busy", "true");
  show("", "Asking it…");
  try {
    const { probe } = await post(`/targets/${encodeURIComponent(idOf(fields))}/try`, body(fields));
    show(probe.ok ? "good" : "bad", probe.ok ? `It answers: ${probe.detail}` : `It does not work. ${apart(probe.detail, probe.hint)}`);
  } catch (error) {
    report.hidden = true;
    problem(form, error);
  }
  button.removeAttribute("aria-busy");
});

function show(kind, words) {
  report.hidden = false;
  report.dataset.kind = kind;
  report.textContent = sentence(words);
}

const sure = document.querySelector("#sure");
const asking = document.querySelector("#remove");
asking?.addEventListener("click", () => sure.showModal());
if (asking) asking.disabled = false;
document.querySelector("#keep")?.addEventListener("click", () => sure.close());
document.querySelector("#remove-now")?.addEventListener("click", async () => {
  try {
    await remove(`/targets/${form.dataset.id}`);
    location.assign("/settings/connections");
  } catch (error) {
    sure.close();
    complain(error);
  }
});
