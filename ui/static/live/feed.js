// One WebSocket of one camera's stream, kept alive: opens again with back-off, and tells init
// segments from fragments (contract: a text frame, then the init segment, then fragments).

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 15_000;

export class Feed {
  /**
   * @param {string} cameraId
   * @param {"main"|"sub"} stream
   * @param {{onInit:(header:object, init:ArrayBuffer)=>void, onFragment:(fragment:ArrayBuffer)=>void,
   *          onOpen?:()=>void, onLost?:(code:number)=>void}} handlers
   */
  constructor(cameraId, stream, handlers) {
    this.cameraId = cameraId;
    this.stream = stream;
    this.handlers = handlers;
    this.socket = null;
    this.timer = 0;
    this.failures = 0;
    this.closed = true;
  }

  get connected() {
    return this.socket?.readyState === WebSocket.OPEN;
  }

  open() {
    if (!this.closed) return;
    this.closed = false;
    this.failures = 0;
    this.#connect();
  }

  close() {
    this.closed = true;
    clearTimeout(this.timer);
    this.#drop();
  }

  /** Opens again at once, for another stream or after a decoder's failure. */
  restart(stream = this.stream) {
    this.close();
    this.stream = stream;
    this.open();
  }

  #connect() {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const path = `/ws/live/${encodeURIComponent(this.cameraId)}?stream=${this.stream}`;
    const socket = new WebSocket(`${scheme}://${location.host}${path}`);
    socket.binaryType = "arraybuffer";
    this.socket = socket;
    let header = null;
    socket.onopen = () => this.handlers.onOpen?.();
    socket.onmessage = ({ data }) => {
      if (socket !== this.socket) return;
      if (typeof data === "string") {
        const message = JSON.parse(data);
        if (message.type === "init") header = message;
      } else if (header) {
        const first = header;
        header = null;
        this.failures = 0;
        this.handlers.onInit(first, data);
      } else {
        this.handlers.onFragment(data);
      }
    };
    socket.onclose = ({ code }) => {
      if (socket !== this.socket) return;
      this.socket = null;
      this.handlers.onLost?.(code);
      if (this.closed) return;
      const pause = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** this.failures);
      this.failures += 1;
      // Jitter: sixteen tiles must not knock together after the box came back.
      this.timer = setTimeout(() => this.#connect(), pause * (0.8 + 0.4 * Math.random()));
    };
  }

  #drop() {
    const socket = this.socket;
    this.socket = null;
    if (socket) socket.close();
  }
}
