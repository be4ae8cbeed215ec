// /ws/events: the box's journal, resumed where it broke off, so that nothing is missed.
// Dispatches on `journal`: "event", "alert", "camera", "system" (detail: the message) and
// "connection" (detail: {connected}). A link that swallows everything closes no socket: the box is asked
// for the time now and then, and silence is no connection.

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 10_000;
const ASK_EVERY_MS = 8_000;
const PATIENCE_MS = 7_000;
const MOST_SILENT = 2; // questions in a row: then the socket is opened anew

class Journal extends EventTarget {
  constructor() {
    super();
    this.position = null;
    this.connected = null;
    this.failures = 0;
    this.socket = null;
    this.timer = 0;
    this.silent = 0;
  }

  /** @param {number|null} since  the position the page was rendered at; null: from now on */
  open(since) {
    if (this.socket) return;
    this.position = since;
    this.#connect();
    addEventListener("online", () => this.#soon(0));
    this.#watch();
  }

  async #watch() {
    for (;;) {
      await new Promise((wake) => { setTimeout(wake, ASK_EVERY_MS); });
      const socket = this.socket;
      if (socket?.readyState !== WebSocket.OPEN) continue; // its own end has been told
      try {
        await fetch("/clock", { cache: "no-store", credentials: "same-origin", signal: AbortSignal.timeout(PATIENCE_MS) });
        this.silent = 0;
        if (socket === this.socket) this.#say(true);
      } catch {
        this.silent += 1;
        this.#say(false);
        if (this.silent >= MOST_SILENT && socket === this.socket) this.#reopen();
      }
    }
  }

  #reopen() {
    const socket = this.socket;
    this.socket = null;
    this.silent = 0;
    socket.close();
    this.#soon(FIRST_PAUSE_MS);
  }

  #connect() {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const query = this.position === null ? "" : `?since=${this.position}`;
    const socket = new WebSocket(`${scheme}://${location.host}/ws/events${query}`);
    this.socket = socket;
    socket.onopen = () => {
      if (socket !== this.socket) return;
      this.failures = 0;
      this.#say(true);
    };
    socket.onmessage = ({ data }) => {
      if (socket !== this.socket) return;
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
