// What a target gets and how much may be sent: the form's part that becomes its policy.

const BYTES_PER_KBIT = 125;
const form = document.querySelector("#target-form");
const list = document.querySelector("#windows");
const template = document.querySelector("#window");

/** The form's policy over `before`; what has no field there stays as it is. */
export function readPolicy(before) {
  const policy = { ...before, budget: { ...before.budget }, kinds: { ...before.kinds } };
  for (const line of form.querySelectorAll("[data-kinds]")) readLine(line, policy.kinds);
  for (const input of form.querySelectorAll("[data-unit]")) readAmount(input, policy);
  policy.budget.metered = form.elements.namedItem("policy.budget.metered").checked;
  policy.budget.windows = [...list.children].map(readWindow);
  return policy;
}

function readLine(line, kinds) {
  const on = line.querySelector("[data-on]").checked;
  const least = line.querySelector("[data-least]")?.value ?? null;
  for (const kind of JSON.parse(line.dataset.kinds)) {
    const known = kinds[kind] ?? {};
    // As it was read it is as it is: an update of an event may have a lot of its own.
    if (!isTouched(line)) continue;
    kinds[kind] = { ...known, on, least_severity: least === line.dataset.usual ? null : least };
  }
}

const isTouched = (line) => [...line.querySelectorAll("input, option")].some((one) => one.checked !== one.defaultChecked || one.selected !== one.defaultSelected);

function readAmount(input, policy) {
  if (input.value === input.defaultValue) return; // to the byte as it was
  const [last, ...way] = input.name.split(".").slice(1).reverse();
  const home = way.reverse().reduce((at, step) => at[step], policy);
  if (input.value !== "") home[last] = Math.round(Number(input.value) * Number(input.dataset.unit));
  else if (last === "quota_bytes") delete home[last]; // as shipped: there is always one
  else home[last] = null;
}

function readWindow(row) {
  const part = (name) => row.querySelector(`[data-part="${name}"]`).value;
  return {
    days: [...row.querySelectorAll("[data-day]")].filter((day) => day.checked).map((day) => day.dataset.day),
    from: part("from"),
    to: part("to"),
    bytes_per_s: Math.round(Number(part("rate")) * BYTES_PER_KBIT),
  };
}

// The box names what is wrong by its place in the list: fields are named so.
function number() {
  for (const [n, row] of [...list.children].entries()) {
    for (const [part, field] of [["from", "from"], ["to", "to"], ["rate", "bytes_per_s"]]) {
      row.querySelector(`[data-part="${part}"]`).name = `policy.budget.windows[${n}].${field}`;
    }
    for (const day of row.querySelectorAll("[data-day]")) day.name = `policy.budget.windows[${n}].days`;
  }
}

function startWindows() {
  const add = document.querySelector("#add-window");
  if (!add) return;
  add.disabled = false;
  add.addEventListener("click", () => {
    list.append(template.content.firstElementChild.cloneNode(true));
    for (const day of list.lastElementChild.querySelectorAll("[data-day]")) day.checked = true;
    number();
    list.lastElementChild.querySelector('[data-part="from"]').focus();
  });
  list.addEventListener("click", ({ target }) => {
    const drop = target.closest("[data-drop]");
    if (!drop) return;
    drop.closest("li").remove();
    number();
    add.focus();
  });
  number();
}

startWindows();
