// The few boxes of ISO/IEC 14496-12 a viewer must read: the decoder's parameters in the init
// segment, and time, size and key flag of the one video sample in each fragment.

const NON_SYNC = 0x00010000; // sample_is_non_sync_sample, 14496-12 section 8.8.3.1

function* children(view, start, end) {
  let at = start;
  while (at + 8 <= end) {
    let size = view.getUint32(at);
    let head = 8;
    if (size === 1) {
      size = Number(view.getBigUint64(at + 8));
      head = 16;
    } else if (size === 0) {
      size = end - at;
    }
    if (size < head || at + size > end) return; // torn: what came before it still counts
    yield { type: fourcc(view, at + 4), start: at + head, end: at + size };
    at += size;
  }
}

function fourcc(view, at) {
  return String.fromCharCode(view.getUint8(at), view.getUint8(at + 1), view.getUint8(at + 2), view.getUint8(at + 3));
}

function find(view, path, start = 0, end = view.byteLength) {
  for (const box of children(view, start, end)) {
    if (box.type !== path[0]) continue;
    return path.length === 1 ? box : find(view, path.slice(1), box.start, box.end);
  }
  return null;
}

/**
 * ftyp+moov of one video track.
 * @param {ArrayBuffer} buffer
 * @returns {{timescale:number, config:Uint8Array, width:number, height:number, defaultFlags:number, defaultDuration:number}}
 * timescale in ticks per second; config is the payload of avcC or hvcC.
 */
export function readInit(buffer) {
  const view = new DataView(buffer);
  const mdia = find(view, ["moov", "trak", "mdia"]);
  if (!mdia) throw new Error("no track in the init segment");
  const mdhd = find(view, ["mdhd"], mdia.start, mdia.end);
  const timescale = view.getUint32(mdhd.start + (view.getUint8(mdhd.start) === 1 ? 20 : 12));
  const stsd = find(view, ["minf", "stbl", "stsd"], mdia.start, mdia.end);
  const entry = children(view, stsd.start + 8, stsd.end).next().value;
  const width = view.getUint16(entry.start + 24);
  const height = view.getUint16(entry.start + 26);
  let config = null;
  for (const box of children(view, entry.start + 78, entry.end)) {
    if (box.type === "avcC" || box.type === "hvcC") config = new Uint8Array(buffer, box.start, box.end - box.start);
  }
  if (!config) throw new Error(`no decoder parameters for ${entry.type}`);
  const trex = find(view, ["moov", "mvex", "trex"]);
  return {
    timescale,
    config,
    width,
    height,
    defaultDuration: trex ? view.getUint32(trex.start + 12) : 0,
    defaultFlags: trex ? view.getUint32(trex.start + 20) : 0,
  };
}

/**
 * One moof+mdat with one video sample.
 * @returns {{decodeTime:number, offset:number, duration:number, isKey:boolean, data:Uint8Array}}
 * times in ticks of the track; presentation time is decodeTime + offset; data is not copied.
 */
export function readFragment(buffer, init) {
  const view = new DataView(buffer);
  const traf = find(view, ["moof", "traf"]);
  const mdat = find(view, ["mdat"]);
  if (!traf || !mdat) throw new Error("not a fragment");
  let decodeTime = 0;
  let duration = init.defaultDuration;
  let flags = init.defaultFlags;
  let offset = 0;
  for (const box of children(view, traf.start, traf.end)) {
    const has = view.getUint32(box.start) & 0xffffff;
    let at = box.start + 4;
    if (box.type === "tfhd") {
      at += 4;
      if (has & 0x1) at += 8;
      if (has & 0x2) at += 4;
      if (has & 0x8) { duration = view.getUint32(at); at += 4; }
      if (has & 0x10) at += 4;
      if (has & 0x20) flags = view.getUint32(at);
    } else if (box.type === "tfdt") {
      decodeTime = view.getUint8(box.start) === 1 ? Number(view.getBigUint64(at)) : view.getUint32(at);
    } else if (box.type === "trun") {
      at += 4;
      if (has & 0x1) at += 4;
      if (has & 0x4) { flags = view.getUint32(at); at += 4; }
      if (has & 0x100) { duration = view.getUint32(at); at += 4; }
      if (has & 0x200) at += 4;
      if (has & 0x400) { if (!(has & 0x4)) flags = view.getUint32(at); at += 4; }
      if (has & 0x800) offset = view.getInt32(at); // signed in version 1, and never huge in version 0
    }
  }
  return {
    decodeTime,
    offset,
    duration,
    isKey: (flags & NON_SYNC) === 0,
    data: new Uint8Array(buffer, mdat.start, mdat.end - mdat.start),
  };
}
