// Storage: one card for each disk, and the days of footage that the chosen ones hold.

import { sentence } from "../forms.js";

const DAY_S = 86400;
const HOURS_PER_YEAR = 8766;
const RESERVE = { share: 0.05, bytes: 2e9 }; // as retention keeps it
const KINDS = { nvme: "NVMe", ssd: "SSD", hdd: "hard disk", usb: "USB", card: "memory card", virtual: "virtual disk" };

function size(bytes) {
  const [unit, per] = [["TB", 1e12], ["GB", 1e9], ["MB", 1e6]].find(([, one]) => bytes >= one) ?? ["bytes", 1];
  return `${Number((bytes / per).toPrecision(3))} ${unit}`;
}

function age(hours) {
  if (hours === null) return "";
  if (hours < 48) return `on for ${hours} h in its life`;
  if (hours < HOURS_PER_YEAR) return `on for ${Math.round(hours / 24)} days in its life`;
  return `on for ${(hours / HOURS_PER_YEAR).toFixed(1)} years in its life`;
}

function health({ passed, hours, celsius, worn_percent: worn, bad_sectors: bad, why }) {
  const words = { true: "healthy", false: "failing", null: "health unknown" }[String(passed)];
  const more = [age(hours), worn === null ? "" : `${worn} % worn`, bad ? `${bad} bad sectors` : "", celsius === null ? "" : `${celsius} °C`, why];
  return [words, more.filter(Boolean).join(" · ")];
}

function card(template, disk, canEncrypt) {
  const node = template.content.firstElementChild.cloneNode(true);
  const of = (name) => node.querySelector(`[data-is="${name}"]`);
  const put = (name, text) => { for (const one of node.querySelectorAll(`[data-${name}]`)) one.textContent = text; };
  const [tag, more] = health(disk.health);
  put("model", sentence(`${disk.model || KINDS[disk.kind]}, ${size(disk.size_bytes)}`));
  put("health", tag);
  node.querySelector("[data-health]").classList.toggle("bad", disk.health.passed === false);
  put("facts", [`Serial ${disk.key}`, KINDS[disk.kind], more].filter(Boolean).join(" · "));
  put("on-it", disk.on_it.length ? `On it: ${disk.on_it.join("; ")}` : "Nothing known is on it.");
  const why = node.querySelector("[data-why]");
  why.hidden = !disk.why_not;
  why.textContent = `Not for footage: ${disk.why_not}.`;
  node.querySelector("[data-use]").hidden = Boolean(disk.why_not);
  const use = of("use");
  use.querySelector('[value="as-is"]').hidden = !disk.usable;
  use.querySelector('[value="as-is"]').disabled = !disk.usable;
  use.querySelector('[value="format"]').disabled = !disk.phrase;
  use.querySelector('[value="format"]').hidden = !disk.phrase;
  use.value = disk.volume ? "as-is" : "";
  if (disk.owner === "own") use.querySelector('[value="as-is"]').textContent = "For footage: it is this box's disk";
  const warning = node.querySelector("[data-warning]");
  const lost = { foreign: "Another box's footage is on it, and is lost then.", encrypted: "What is on it is encrypted: nobody here can tell what is lost." };

  function show() {
    const formats = use.value === "format";
    warning.hidden = !formats;
    warning.textContent = `${lost[disk.owner] ?? "Everything on it is lost."} You will be asked to type ${disk.phrase}.`;
    node.querySelector("[data-encrypt]").hidden = !formats || !canEncrypt;
  }
  node.addEventListener("change", show);
  show();
  node.disk = disk;
  node.given = (number) => {
    if (!use.value) return null;
    use.name = `disks.${number}.disk`;
    const formats = use.value === "format";
    return { disk: disk.key, format: formats ? disk.phrase : "", encrypt: formats && canEncrypt && of("encrypt").checked };
  };
  return node;
}

function days(bytes, { cameras, bits_per_s: bits, estimated }) {
  const count = (bytes * 8) / (bits * DAY_S);
  const amount = count >= 3 ? `${Math.round(count)} days` : `${Math.round(count * 24)} hours`;
  if (!cameras) return `About ${amount} of footage for 8 usual cameras: an estimate, none is here yet.`;
  const for_ = `About ${amount} of footage for ${cameras} ${cameras === 1 ? "camera" : "cameras"}`;
  return estimated ? `${for_}: an estimate, none records yet.` : `${for_}, at what they send now.`;
}

export function start(step) {
  const { root, found } = step;
  const template = root.querySelector("#disk");
  const cards = found.disks.map((disk) => card(template, disk, found.can_encrypt));
  root.querySelector("#disks").append(...cards);
  root.querySelector("#none").hidden = found.disks.some((disk) => !disk.system);
  const system = root.elements.namedItem("system_disk");
  system.checked = found.now.system_disk;
  root.querySelector("#system-room").textContent = `${size(found.system_bytes)} are free there.`;

  function chosen() {
    const disks = [];
    for (const node of cards) {
      const made = node.given(disks.length);
      if (made) disks.push(made);
    }
    return disks;
  }
  function show() {
    const keys = new Set(chosen().map((one) => one.disk));
    const room = (bytes) => Math.max(0, bytes - Math.max(RESERVE.share * bytes, RESERVE.bytes));
    let bytes = found.disks.filter((disk) => keys.has(disk.key)).reduce((sum, disk) => sum + room(disk.size_bytes), 0);
    system.closest("label").hidden = keys.size === 0; // then there is nothing else
    if (keys.size === 0) system.checked = true;
    if (system.checked) bytes += found.system_bytes;
    root.querySelector("#days").textContent = days(bytes, found.need);
  }
  root.addEventListener("change", show);
  show();
  return () => ({ disks: chosen(), system_disk: system.checked });
}
