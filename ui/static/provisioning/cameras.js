// Cameras: found by themselves, looked at with one password for many, set right with one button, and added
// together: all that are right are chosen already.

import { problem } from "../forms.js";
import { complain } from "../toasts.js";
import { draw, refuses } from "./camera_card.js";

const AT_ONCE = 4;
const rows = new Map(); // address or stream -> row
const credentials = []; // {username, password}: on this page only, gone with it
const networks = new Set();
const LARGEST_OWN = 22; // prefix length: a larger network is tried when it is named
let trying = "";
let step;
const $ = (selector) => step.root.querySelector(selector);
const field = (name) => step.root.elements.namedItem(name);

export async function start(given) {
  step = given;
  const select = field("maker");
  select.append(...step.found.makers.map(({ name }) => new Option(name, name)));
  const usual = () => { field("channels").value = step.found.makers[select.selectedIndex]?.channels ?? 1; };
  select.addEventListener("change", usual);
  usual();
  $('[data-part="recorder"]').hidden = !step.found.makers.length;
  $("#enter").addEventListener("click", () => within($("#sign-in"), $("#enter"), enter));
  $("#set-all-right").addEventListener("click", () => within($("#sign-in"), $("#set-all-right"), setAllRight));
  part("network", "#scan", () => scan(field("network").value.trim()));
  part("recorder", "#channels", channels);
  part("address", "#look", address);
  field("password").addEventListener("keydown", (event) => { if (event.key === "Enter") { event.preventDefault(); $("#enter").click(); } });
  for (const camera of step.found.cameras) known(camera);
  search().catch((error) => { $("#search").textContent = [error.message, error.hint].filter(Boolean).join(" "); });
  return answers;
}

/** Runs `work` while the button rests; what it refuses stands in `box`. */
async function within(box, button, work) {
  if (button.getAttribute("aria-busy")) return;
  button.setAttribute("aria-busy", "true");
  problem(asForm(box), null);
  try { await work(); } catch (error) { problem(asForm(box), error); }
  button.removeAttribute("aria-busy");
}

/** What problem() needs of a form: the fields are the step's. */
function asForm(box) {
  return box.elements ? box : Object.assign(box, { elements: step.root.elements });
}

function part(name, selector, work) {
  const box = $(`[data-part="${name}"]`);
  $(selector).addEventListener("click", () => within(box, $(selector), work));
}

function known(camera) {
  const address = hostOf(camera.rtsp_url);
  const row = [...rows.values()].find((one) => one.seen.address === address && !one.camera?.key.includes("://"));
  if (row) row.known = camera;
  else rows.set(`box:${camera.id}`, { seen: { address, url: "", name: camera.name }, camera: null, known: camera, name: camera.name, mended: [] });
}

const hostOf = (url) => /^[a-z]+:\/\/(?:[^@/]*@)?(\[[^\]]*\]|[^:/?]+)/i.exec(url)?.[1] ?? "";

/** Who announces itself is here in three seconds; who does not is found while the password is typed. */
async function search() {
  meet((await step.ask("discover", { networks: [...networks] })).seen);
  for (const network of step.found.networks) if (Number(network.split("/")[1]) >= LARGEST_OWN) await scan(network, false);
}

async function scan(network, named = true) {
  trying = network;
  say();
  try {
    const { seen } = await step.ask("scan", { network });
    if (named) networks.add(network);
    meet(seen);
    if (named) { // simulated cameras announce themselves in a network of the machine's own only
      meet((await step.ask("discover", { networks: [network] })).seen);
      if (credentials.length) await inspectAll();
    }
  } finally {
    trying = "";
    say();
  }
}

function meet(found) {
  for (const seen of found) {
    const before = rows.get(seen.address);
    if (before) {
      if (!before.seen.name && !before.camera) { before.seen = seen; before.name = seen.name; }
      continue;
    }
    const there = [...rows.entries()].find(([, row]) => row.known && row.seen.address === seen.address);
    if (there) rows.delete(there[0]);
    rows.set(seen.address, { seen, camera: null, known: there?.[1].known ?? null, name: seen.name, chosen: false, mended: [], found: true });
    if (credentials.length && seen.url) inspect(rows.get(seen.address));
  }
  say();
  show();
}

function say() {
  const found = [...rows.values()].filter((row) => row.found);
  const silent = found.filter((row) => !row.seen.url).length;
  const text = found.length === 1 ? "1 camera found" : `${found.length} cameras found`;
  const more = trying ? ` Trying every address of ${trying} …` : "";
  $("#search").textContent = !found.length && !rows.size ? more || "No camera was found. Is it in this network, and has it power?"
    : `${silent ? `${text}, ${silent} of them without ONVIF` : text}.${more}`;
  $("#sign-in").hidden = !found.some((row) => row.seen.url) || credentials.length > 0;
}

async function enter() {
  if (!field("password").value && !field("username").value) throw Object.assign(new Error("Enter the cameras' user name and password."), { field: "username" });
  credentials.push({ username: field("username").value.trim(), password: field("password").value });
  say();
  await inspectAll();
  const asked = [...rows.values()].filter((row) => row.camera && row.seen.url);
  if (!asked.length || !asked.every((row) => refuses(row.camera))) return;
  credentials.pop(); // a slip of the finger: it is asked for again here, not on each card
  say();
  const who = asked.length === 1 ? "The camera refuses" : `All ${asked.length} cameras refuse`;
  throw Object.assign(new Error(`${who} this user name or password.`), { field: "password", hint: "Type it again." });
}

/** All that were not looked at, or refused what was tried before; some at a time. */
async function inspectAll() {
  const due = [...rows.values()].filter((row) => row.seen.url && (!row.camera || row.camera.credential === null) && !(row.known && !row.found));
  await some(due, (row) => inspect(row));
}

async function some(due, work) {
  const waiting = [...due];
  await Promise.all(Array.from({ length: AT_ONCE }, async () => {
    for (let row = waiting.shift(); row; row = waiting.shift()) await work(row);
  }));
}

async function inspect(row) {
  row.busy = "Asking …";
  show();
  try {
    takeAll(row, (await step.ask("inspect", { seen: row.seen, credentials })).cameras);
  } catch (error) { complain(error); }
  row.busy = "";
  show();
}

/** What a device is: one camera, or a recorder with several, which stand in rows of their own. */
function takeAll(row, cameras) {
  for (const camera of cameras) {
    const key = camera.channel > 1 ? `${camera.address}/${camera.channel}` : null;
    if (key && !rows.has(key)) rows.set(key, { seen: row.seen, camera: null, known: null, name: "", chosen: false, mended: [] });
    take(key ? rows.get(key) : row, camera);
  }
}

function take(row, camera) {
  const isNew = !row.camera;
  row.camera = camera;
  if (isNew) row.name = distinct(camera.name, row);
  row.chosen = camera.right;
  if (row.known && hostOf(row.known.rtsp_url) !== camera.address) row.known = null;
  if (!row.known && !camera.channel) follow(row, camera);
  if (camera.has_picture && row.picture === undefined && camera.usable) look(row);
}

/** One that the box has and that stands at another address now: it is followed, not added again. */
function follow(row, camera) {
  const same = ({ identity }) => identity && ["serial", "mac"].some((what) => identity[what] && identity[what] === camera[what]);
  const [key, other] = [...rows.entries()].find(([, one]) => one !== row && one.known && same(one.known)) ?? [];
  if (!other) return;
  row.known = other.known;
  row.name = other.known.name;
  rows.delete(key);
}

function distinct(name, own) {
  const taken = new Set([...rows.values()].filter((row) => row !== own && (row.camera || row.known)).map((row) => row.name.toLowerCase()));
  let candidate = name;
  for (let n = 2; taken.has(candidate.toLowerCase()); n += 1) candidate = `${name} ${n}`;
  return candidate;
}

async function look(row) {
  row.picture = "";
  try {
    row.picture = await step.picture("snapshot", { url: row.seen.url, credential: credentials[row.camera.credential] ?? null, channel: row.camera.channel });
  } catch { row.picture = ""; /* a camera without a still: seen once it records */ }
  show();
}

async function setRight(row) {
  row.busy = "Setting right …";
  show();
  try {
    const { credential } = row.camera;
    const { cameras, mended } = await step.ask("set_right", { seen: row.seen, credential: credentials[credential] });
    row.mended = mended;
    takeAll(row, cameras.map((camera) => ({ ...camera, credential: camera.usable ? credential : null })));
    row.chosen = row.camera.usable;
  } catch (error) {
    row.mended = [{ ok: false, text: `not set right: ${error.message}` }]; // at its own card, for as long as it is true
    if (!error.status) complain(error);
  }
  row.busy = "";
  show();
}

const mendable = () => [...rows.values()].filter((row) => row.camera?.findings.some((one) => one.mendable) && !refuses(row.camera) && !row.known);

async function setAllRight() {
  await some(mendable(), setRight);
}

function remove(row) {
  for (const [key, one] of rows) if (one === row) rows.delete(key);
  say();
  show();
}

async function another(row, username, password) {
  credentials.push({ username, password });
  row.username = username;
  await inspectAll(); // it may fit others that refused the first, too
}

async function channels() {
  const body = { maker: field("maker").value, address: field("address").value.trim(), channels: Number(field("channels").value), credentials };
  added((await step.ask("channels", body)).cameras, body.maker);
}

async function address() {
  const [main, sub] = ["rtsp_url", "sub_url"].map((name) => apart(field(name).value.trim()));
  const body = { rtsp_url: main, sub_url: sub, credentials };
  added((await step.ask("address", body)).cameras, "");
}

/** The address without the login that somebody wrote into it; the login is one more to try. */
function apart(url) {
  const [whole, scheme, username, password] = /^([a-z]+:\/\/)([^:@/]*):([^@/]*)@/i.exec(url) ?? [];
  if (whole === undefined) return url;
  const own = { username: decoded(username), password: decoded(password) };
  if (!credentials.some((one) => one.username === own.username && one.password === own.password)) credentials.push(own);
  return scheme + url.slice(whole.length);
}

function decoded(text) {
  try { return decodeURIComponent(text); } catch { return text; }
}

function added(cameras, maker) {
  for (const camera of cameras) {
    if (rows.get(camera.address)?.camera === null && !rows.get(camera.address).seen.url) rows.delete(camera.address);
    const row = { seen: { address: camera.address, url: "", name: camera.name, maker }, camera: null, known: null, name: "", mended: [], picture: "", found: true };
    rows.set(camera.key, row);
    take(row, camera);
    row.chosen = camera.usable;
    row.typed = true;
  }
  say();
  show();
  document.querySelector(`[data-address="${CSS.escape(cameras[0]?.address ?? "")}"]`)?.scrollIntoView({ block: "nearest" });
}

let drawing = false;
function show() {
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(() => {
    drawing = false;
    if (document.activeElement?.closest("#cameras input:not([type=checkbox])")) { setTimeout(show, 400); return; } // nobody loses what they type
    const act = { setRight, another, remove, changed: show };
    const open = new Set([...document.querySelectorAll("#cameras details[open]")].map((one) => one.closest("[data-address]").dataset.address));
    $("#cameras").replaceChildren(...[...rows.values()].map((row) => draw(row, act)));
    for (const one of document.querySelectorAll("#cameras details")) one.open = open.has(one.closest("[data-address]").dataset.address);
    const many = mendable().length;
    $("#all").hidden = !many;
    $("#set-all-right").hidden = !many;
    $("#set-all-right").textContent = many === 1 ? "Set one camera right" : `Set ${many} cameras right`;
    const chosen = [...rows.values()].filter((row) => row.chosen && !row.known).length;
    document.querySelector("#continue").textContent = chosen === 1 ? "Add 1 camera" : chosen ? `Add ${chosen} cameras` : "Continue";
  });
}

function answers() {
  const camera = [];
  const left = [];
  for (const row of rows.values()) {
    const { seen, camera: looked } = row;
    if (looked && looked.usable && (row.chosen || row.known)) {
      const [main, sub] = looked.streams;
      camera.push({
        name: (row.known?.name ?? row.name).trim(), address: seen.address,
        serial: looked.serial, mac: looked.mac, endpoint: looked.endpoint, onvif_url: looked.url, channel: looked.channel,
        rtsp_url: main.rtsp_url, sub_url: sub?.rtsp_url ?? "", credential: looked.credential,
      });
    } else if (looked && !row.known) {
      const [finding] = looked.findings;
      left.push({ name: row.name, why: looked.usable ? "not chosen" : finding?.text ?? "it cannot be used", hint: looked.usable ? "" : finding?.hint ?? "", by_choice: looked.usable });
    }
  }
  return { networks: [...networks], credentials, camera, left };
}
