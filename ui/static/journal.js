// /ws/events: the box's journal, resumed where it broke off, so that nothing is missed.
// Dispatches on `journal`: "event", "alert", "camera", "system" (detail: the message) and
// "connection" (detail: {connected}).

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 10_000;

class Journal extends EventTarget {
  constructor() {
    super();
    this.position = null;
    this.connected = null;
    this.failures = 0;
    this.socket = null;
    this.timer = 0;
  }

  /** @param {number|null} since  the position the page was rendered at; null: from now on */
  open(since) {
    if (this.socket) return;
    this.position = since;
    this.#connect();
    addEventListener("online", () => this.#soon(0));
  }

  #connect() {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const query = this.position === null ? "" : `?since=${this.position}`;
    const socket = new WebSocket(`${scheme}://${location.host}/ws/events${query}`);
    this.socket = socket;
    socket.onopen = () => {
      this.failures = 0;
      this.#say(true);
    };
    socket.onmessage = ({ data }) => {
      const message = JSON.parse(data);
      if (typeof message.id === "number") {
        if (this.position !== null && message.id <= this.position) return;
        this.position = message.id;
      }
      this.dispatchEvent(new CustomEvent(message.type, { detail: message }));
    };
    socket.onclose = ({ code }) => {
      if (socket !== this.socket) return;
      this.socket = null;
      if (code === 4008) { this.#soon(0); return; } // we were slow: carry on where we stopped
      this.#say(false);
      this.#soon(Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** this.failures) * (0.8 + 0.4 * Math.random()));
      this.failures += 1;
    };
  }

  #soon(pause) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => { if (!this.socket) this.#connect(); }, pause);
  }

  #say(connected) {
    if (connected === this.connected) return;
    this.connected = connected;
    this.dispatchEvent(new CustomEvent("connection", { detail: { connected } }));
  }
}

export const journal = new Journal();
