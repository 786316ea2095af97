// Numbers as people read them. Times are UTC, as in the words of `why`, the log and the events.

const zero = "0001-01-01T00:00:00Z";

/** Milliseconds of a time of the API, 0 for none. @param {string} text */
export function millis(text) {
  return !text || text === zero ? 0 : Date.parse(text);
}

/** A span in two units: 3m12s, 2h5m, 4d3h. @param {number} seconds */
export function span(seconds) {
  const s = Math.max(0, Math.round(seconds));
  if (s < 60) return `${s}s`;
  const units = [["d", 86400], ["h", 3600], ["m", 60], ["s", 1]];
  const i = units.findIndex(([, size]) => s >= size);
  const [name, size] = units[i], [small, smallSize] = units[i + 1];
  const rest = Math.floor((s % size) / smallSize);
  return `${Math.floor(s / size)}${name}${rest ? rest + small : ""}`;
}

/** How long a call took: 377 µs, 12 ms, 1.4 s; – for none. @param {number} s */
export function took(s) {
  if (!s) return "–";
  if (s < 1e-3) return `${digits(s * 1e6)} µs`;
  if (s < 1) return `${digits(s * 1e3)} ms`;
  return s < 120 ? `${digits(s)} s` : span(s);
}

/** Three digits at most, without an end of zeros. @param {number} n */
export function digits(n) {
  if (!Number.isFinite(n)) return "–";
  const a = Math.abs(n);
  const text = n.toFixed(a >= 100 || a === 0 ? 0 : a >= 10 ? 1 : 2);
  return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
}

/** A number of calls: 1,234 or 12.3k or 4.5M. @param {number} n */
export function count(n) {
  if (n >= 1e6) return `${digits(n / 1e6)}M`;
  if (n >= 1e5) return `${digits(n / 1e3)}k`;
  return String(Math.round(n)).replace(/\B(?=(\d{3})+$)/g, ",");
}

/** Calls a second. @param {number} n */
export function rate(n) {
  return n >= 1000 ? `${count(n)}/s` : n > 0 && n < 0.01 ? "<0.01/s" : `${digits(n)}/s`;
}

/** A share as a percentage. Not all is never shown as all, nor something as nothing. @param {number} ratio */
export function percent(ratio) {
  const p = ratio * 100;
  if (p > 0 && p < 0.1) return "<0.1 %";
  if (p < 100 && p > 99.9) return ">99.9 %";
  return `${p < 10 && p > 0 || p > 99 && p < 100 ? p.toFixed(1).replace(/\.0$/, "") : Math.round(p)} %`;
}

/** @param {number} n */
export function bytes(n) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let i = 0;
  for (; Math.abs(n) >= 1024 && i < units.length - 1; i++) n /= 1024;
  return `${digits(n)} ${units[i]}`;
}

/** The time of a day, 12:04:05Z. @param {number} ms */
export function clock(ms) {
  return ms ? new Date(ms).toISOString().slice(11, 19) + "Z" : "–";
}

/** Date and time; the date only if it is another than that of now. @param {number} ms @param {number} [now] */
export function moment(ms, now = Date.now()) {
  if (!ms) return "–";
  const text = new Date(ms).toISOString();
  return text.slice(0, 10) === new Date(now).toISOString().slice(0, 10) ? clock(ms) : `${text.slice(0, 10)} ${clock(ms)}`;
}

/**
 * A number in its unit, as `why` has them.
 * @param {number} value
 * @param {string} unit "", "seconds", "ratio", "per_second" or "bytes"
 */
export function inUnit(value, unit) {
  const forms = { seconds: value === 0 ? () => "0 s" : took, ratio: percent, per_second: rate, bytes };
  return (forms[unit] || count)(value);
}

/** One thing, or several. @param {number} n @param {string} one @param {string} [many] */
export function plural(n, one, many = one + "s") {
  return `${count(n)} ${n === 1 ? one : many}`;
}
