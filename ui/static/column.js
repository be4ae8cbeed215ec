// The live column: open alerts with their pictures and one button, and below them the events.

import { get } from "./api.js";
import { journal } from "./journal.js";
import { acknowledge, alertsChanged, alertsListed, complain, inOrder, openAlerts } from "./shell.js";
import { fillTimes } from "./time.js";
import { cameraName, eventTitle } from "./words.js";

const MOST_ROWS = 60;
const MOST_CARDS = 12;
const openList = document.querySelector("#open");
const feed = document.querySelector("#events");
const events = new Map(); // id -> event, what the column knows
const cards = new Map(); // alert id -> element
const mayAcknowledge = document.body.dataset.canAcknowledge === "1";

function setSeverity(element, severity) {
  element.dataset.severity = severity;
  element.querySelector("use").setAttribute("href", `/static/icons.svg#${severity}`);
  element.querySelector(":scope > span").textContent = { critical: "Critical", warning: "Warning", info: "Info" }[severity] ?? severity;
}

function row(event, isNew) {
  const item = document.querySelector("#feed-row").content.firstElementChild.cloneNode(true);
  item.dataset.eventId = event.id;
  if (isNew) item.classList.add("new");
  fillRow(item, event);
  return item;
}

function where(event) {
  return cameraName(event.camera_id) + (event.found_late ? " · found late" : "");
}

function fillRow(item, event) {
  item.querySelector("a").href = `/events/${event.id}`;
  setSeverity(item.querySelector(".severity"), event.severity);
  item.querySelector(".title").textContent = eventTitle(event);
  item.querySelector(".where").textContent = where(event);
  item.querySelector("time").dateTime = event.start_time;
  fillTimes(item);
}

function takeEvent(event, isNew) {
  const known = feed.querySelector(`[data-event-id="${CSS.escape(event.id)}"]`);
  events.set(event.id, event);
  if (known) fillRow(known, event);
  else {
    // By the time it happened: an event found late stands where it belongs.
    const after = [...feed.children].find((item) => item.querySelector("time").dateTime < event.start_time);
    feed.insertBefore(row(event, isNew), after ?? null);
    while (feed.children.length > MOST_ROWS) feed.lastElementChild.remove();
  }
  for (const [id, card] of cards) if (openAlerts.get(id)?.event_id === event.id) fillCard(card, openAlerts.get(id));
  document.querySelector("#events-none").hidden = true;
}

function fillCard(card, alert) {
  const event = events.get(alert.event_id);
  card.dataset.severity = alert.severity;
  card.dataset.alertId = alert.id;
  setSeverity(card.querySelector(".severity"), alert.severity);
  const time = card.querySelector("time");
  time.dateTime = event?.start_time ?? alert.created_at;
  const link = card.querySelector(".title a");
  link.textContent = event ? eventTitle(event) : "Alert";
  link.href = `/events/${alert.event_id}`;
  const still = card.querySelector(".still");
  still.href = link.href;
  still.setAttribute("aria-hidden", "true"); // the title is the same link, with words
  still.tabIndex = -1;
  const image = still.querySelector("img");
  if (event?.snapshot_url && image.getAttribute("src") !== event.snapshot_url) {
    image.src = event.snapshot_url;
    image.hidden = false;
    image.onerror = () => { image.hidden = true; };
  }
  still.hidden = !event?.snapshot_url;
  card.querySelector(".where").textContent = event ? where(event) : cameraName(alert.camera_id);
  const button = card.querySelector(".acknowledge");
  button.hidden = !mayAcknowledge;
  button.setAttribute("aria-label", `Acknowledge: ${link.textContent}, ${cameraName(alert.camera_id)}`);
  button.onclick = async () => {
    button.setAttribute("aria-busy", "true");
    await acknowledge(alert.id, undefined, link.textContent);
    button.removeAttribute("aria-busy");
  };
  fillTimes(card);
}

async function showOpen() {
  const wanted = inOrder().slice(0, MOST_CARDS);
  const keep = new Set(wanted.map(({ id }) => id));
  for (const [id, card] of cards) if (!keep.has(id)) { card.remove(); cards.delete(id); }
  wanted.forEach((alert, i) => {
    let card = cards.get(alert.id);
    if (!card) {
      card = document.querySelector("#open-card").content.firstElementChild.cloneNode(true);
      cards.set(alert.id, card);
    }
    fillCard(card, alert);
    if (openList.children[i] !== card) openList.insertBefore(card, openList.children[i] ?? null);
    if (!events.has(alert.event_id)) fetchEvent(alert);
  });
  const top = wanted[0]?.id;
  for (const [id, card] of cards) card.querySelector("kbd").hidden = id !== top;
  const none = document.querySelector("#open-none");
  const more = openAlerts.size - wanted.length;
  none.hidden = alertsListed() && openAlerts.size > 0 && more === 0;
  if (!alertsListed()) none.textContent = "Loading…"; // an empty list that has not come is no all-clear
  else none.textContent = more > 0 ? `and ${more} more on the alerts page` : "Nothing waits for you.";
}

const asked = new Set();
async function fetchEvent(alert) {
  if (asked.has(alert.event_id)) return;
  asked.add(alert.event_id);
  try {
    const { event } = await get(`/events/${alert.event_id}`);
    events.set(event.id, event);
    const card = cards.get(alert.id);
    if (card) fillCard(card, alert);
  } catch (error) {
    if (error.status !== 404) complain(error);
  }
}

async function start() {
  journal.addEventListener("event", ({ detail }) => takeEvent(detail.data, true));
  alertsChanged.addEventListener("change", showOpen);
  showOpen();
  const none = document.querySelector("#events-none");
  try {
    const { events: found } = await get("/events?limit=40");
    for (const event of found.reverse()) takeEvent(event, false);
    none.textContent = "No events yet. They appear here as they happen.";
    none.hidden = feed.children.length > 0;
  } catch (error) {
    none.textContent = `Events cannot be read: ${error.message}`;
  }
}

start();
