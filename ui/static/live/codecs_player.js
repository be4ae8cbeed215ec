// WebCodecs: no play-out buffer. Every decoded frame is drawn the moment it exists.
// Needs a secure context (HTTPS or localhost).

import { readFragment, readInit } from "./boxes.js";

const MOST_QUEUED = 30; // chunks the decoder may owe us, two seconds at 15 fps, before we skip

export class CodecsPlayer {
  /** @param {{onShown:(ptsSeconds:number)=>void, onFailed:(error:Error)=>void}} handlers */
  constructor(handlers) {
    this.handlers = handlers;
    this.element = document.createElement("canvas");
    // alpha off: nothing is blended behind a picture that covers its canvas.
    this.context = this.element.getContext("2d", { alpha: false });
    this.decoder = null;
    this.init = null;
    this.waitForKey = true;
    this.skipped = 0;
  }

  static async supports(codec, config) {
    if (!("VideoDecoder" in window)) return false;
    try {
      const answer = await VideoDecoder.isConfigSupported({ codec, description: config });
      return answer.supported === true;
    } catch {
      return false;
    }
  }

  start(codec, initBuffer) {
    this.#closeDecoder();
    this.init = readInit(initBuffer);
    this.waitForKey = true;
    const decoder = new VideoDecoder({
      output: (frame) => this.#show(frame),
      error: (error) => { if (decoder === this.decoder) this.handlers.onFailed(error); },
    });
    decoder.configure({
      codec,
      description: this.init.config,
      codedWidth: this.init.width,
      codedHeight: this.init.height,
      optimizeForLatency: true,
    });
    this.decoder = decoder;
  }

  push(buffer) {
    const sample = readFragment(buffer, this.init);
    if (this.decoder.decodeQueueSize > MOST_QUEUED) this.waitForKey = true; // overload: catch up at a key frame
    if (this.waitForKey) {
      if (!sample.isKey || this.decoder.decodeQueueSize > MOST_QUEUED) { this.skipped += 1; return null; }
      this.waitForKey = false;
    }
    const pts = (sample.decodeTime + sample.offset) / this.init.timescale;
    this.decoder.decode(new EncodedVideoChunk({
      type: sample.isKey ? "key" : "delta",
      timestamp: Math.round(pts * 1e6),
      data: sample.data,
    }));
    return pts;
  }

  close() {
    this.#closeDecoder();
  }

  #show(frame) {
    const { displayWidth, displayHeight } = frame;
    if (this.element.width !== displayWidth || this.element.height !== displayHeight) {
      this.element.width = displayWidth;
      this.element.height = displayHeight;
    }
    this.context.drawImage(frame, 0, 0);
    const pts = frame.timestamp / 1e6;
    frame.close(); // at once: decoders have few frames to give, and leaks stop them
    this.handlers.onShown(pts);
  }

  #closeDecoder() {
    const decoder = this.decoder;
    this.decoder = null;
    if (decoder && decoder.state !== "closed") decoder.close();
  }
}
