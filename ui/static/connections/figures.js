// Figures of what is sent, in words and as a table.

import { element } from "../nodes.js";
import { boxNow, moment, span } from "../time.js";

export const KINDS = {
  alert: "Alerts",
  alert_update: "Changes of alerts",
  event: "Events",
  event_update: "Changes of events",
  still: "Stills",
  small_clip: "Small clips",
  clip: "Clips",
  ledger: "Ledger of gaps",
  metrics: "Figures of the box",
  command_result: "Answers to the hub",
  sample: "Samples",
};
/** The same of a single row. */
export const ONE = {
  alert: "Alert",
  alert_update: "Change of an alert",
  event: "Event",
  event_update: "Change of an event",
  still: "Still",
  small_clip: "Small clip",
  clip: "Clip",
  ledger: "Ledger of gaps",
  metrics: "Figures of the box",
  command_result: "Answer to the hub",
  sample: "Sample",
};
const COLUMNS = [
  ["owed", "Owed"], ["acknowledged", "Acknowledged"], ["tombstoned", "Tombstoned"],
  ["waiting", "Waiting"], ["in_flight", "In flight"], ["parked", "Parked"],
];

/** "1.4 GB", decimal as links and disks are sold. */
export function size(bytes) {
  for (const [unit, name] of [[1e12, "TB"], [1e9, "GB"], [1e6, "MB"], [1e3, "kB"]]) {
    if (bytes >= unit) return `${(bytes / unit).toFixed(bytes < 100 * unit ? 1 : 0)} ${name}`;
  }
  return `${bytes} B`;
}

const count = (number) => number.toLocaleString("en");
export const kindName = (kind) => KINDS[kind] ?? kind.replaceAll("_", " ");
export const age = (time) => span(boxNow() - Date.parse(time));

/** "1,204 acknowledged · 12 waiting, the oldest for 4 min" */
export function inWords({ owed, acknowledged, tombstoned, waiting, in_flight: inFlight, oldest, parked }) {
  if (!owed) return "Nothing was owed to it yet.";
  const said = [`${count(acknowledged + tombstoned)} of ${count(owed)} acknowledged`];
  if (waiting + inFlight) said.push(`${count(waiting + inFlight)} waiting${oldest && !parked ? `, the oldest for ${age(oldest)}` : ""}`);
  return said.join(" · ");
}

export function table({ kinds, ...all }) {
  const head = element("tr", "", element("th", "", "Kind"), ...COLUMNS.map(([, name]) => element("th", "", name)), element("th", "", "Oldest"));
  for (const cell of head.children) cell.scope = "col";
  const rows = kinds.map((one) => row(kindName(one.kind), one));
  if (kinds.length > 1) rows.push(row("All", all));
  return element("table", "figures-table", element("thead", "", head), element("tbody", "", ...rows));
}

function row(name, figures) {
  const title = element("th", "", name);
  title.scope = "row";
  const cells = COLUMNS.map(([key, label]) => cell(label, count(figures[key]), figures[key] === 0));
  const { oldest } = figures;
  cells.push(cell("Oldest", oldest ? moment(Date.parse(oldest)) : "–", !oldest));
  return element("tr", "", title, ...cells);
}

function cell(label, text, isNothing) {
  const made = element("td", isNothing ? "nothing" : "", text);
  made.dataset.label = label;
  return made;
}
