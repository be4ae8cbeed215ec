// The reader of stamp.py for a browser: pass a 2D canvas context and the picture's size in it.
// Returns {timeMs, counter}, or null where there is no stamp. The layout is described in stamp.py.
export function readStamp(context, width, height) {
  const block = width / 40;
  if (block < 2 || height < 2 * block) return null;
  const bandHeight = Math.ceil(2 * block);
  const pixels = context.getImageData(0, 0, width, bandHeight).data;
  const inner = (n, most) => {
    const begin = Math.round((n + 0.25) * block);
    return [begin, Math.min(most, Math.max(begin + 1, Math.round((n + 0.75) * block)))];
  };
  const mean = (row, column) => {
    const [top, bottom] = inner(row, bandHeight), [left, right] = inner(column, width);
    let sum = 0;
    for (let y = top; y < bottom; y++)
      for (let x = left; x < right; x++) sum += pixels[(y * width + x) * 4 + 1];
    return sum / ((bottom - top) * (right - left));
  };
  const white = (mean(0, 0) + mean(1, 1)) / 2, black = (mean(0, 1) + mean(1, 0)) / 2;
  if (white - black < 40) return null;
  let whole = 0n;
  for (let row = 0; row < 2; row++)
    for (let column = 2; column < 36; column++)
      whole = whole << 1n | (mean(row, column) > (white + black) / 2 ? 1n : 0n);
  const value = whole >> 8n;
  let crc = 0;
  for (let shift = 56n; shift >= 0n; shift -= 8n) {
    crc ^= Number(value >> shift & 255n);
    for (let n = 0; n < 8; n++) crc = crc & 0x80 ? (crc << 1 ^ 0x07) & 0xff : crc << 1;
  }
  if (crc !== Number(whole & 255n)) return null;
  return {timeMs: Number(value >> 16n), counter: Number(value & 65535n)};
}
