// The difference of two texts, line by line.

import { h } from "./dom.js";

/** Beyond so many steps two texts have nothing in common that is worth looking for. */
const patience = 4000;

/**
 * The shortest way from a to b (Myers): lines with " ", "-" or "+" before them.
 * @param {string[]} a
 * @param {string[]} b
 * @returns {[string, string][]}
 */
export function diff(a, b) {
  let from = 0, endA = a.length, endB = b.length;
  while (from < endA && from < endB && a[from] === b[from]) from++;
  while (endA > from && endB > from && a[endA - 1] === b[endB - 1]) endA--, endB--;
  const middle = shortest(a.slice(from, endA), b.slice(from, endB));
  return [...a.slice(0, from).map(same), ...middle, ...a.slice(endA).map(same)];
}

/** @param {string} line @returns {[string, string]} */
function same(line) {
  return [" ", line];
}

/** @param {string[]} a @param {string[]} b @returns {[string, string][]} */
function shortest(a, b) {
  const trace = [], best = new Map([[1, 0]]);
  for (let d = 0; d <= Math.min(a.length + b.length, patience); d++) {
    trace.push(new Map(best));
    for (let k = -d; k <= d; k += 2) {
      let x = k === -d || (k !== d && best.get(k - 1) < best.get(k + 1)) ? best.get(k + 1) : best.get(k - 1) + 1;
      let y = x - k;
      while (x < a.length && y < b.length && a[x] === b[y]) x++, y++;
      best.set(k, x);
      if (x >= a.length && y >= b.length) return walkBack(a, b, trace);
    }
  }
  return [...a.map((line) => /** @type {[string, string]} */ (["-", line])), ...b.map((line) => /** @type {[string, string]} */ (["+", line]))];
}

/** @param {string[]} a @param {string[]} b @param {Map<number, number>[]} trace @returns {[string, string][]} */
function walkBack(a, b, trace) {
  const out = [];
  let x = a.length, y = b.length;
  for (let d = trace.length - 1; d >= 0; d--) {
    const best = trace[d], k = x - y;
    const before = k === -d || (k !== d && best.get(k - 1) < best.get(k + 1)) ? k + 1 : k - 1;
    const toX = d === 0 ? 0 : best.get(before), toY = d === 0 ? 0 : toX - before;
    while (x > toX && y > toY) out.push(same(a[--x])), y--;
    if (d > 0) out.push(x === toX ? ["+", b[--y]] : ["-", a[--x]]);
  }
  return out.reverse();
}

/** The difference as an element, with three lines around each change. @param {string} before @param {string} after */
export function diffEl(before, after) {
  const lines = diff(before.split("\n"), after.split("\n"));
  const near = lines.map((_, i) => lines.slice(Math.max(0, i - 3), i + 4).some(([sign]) => sign !== " "));
  if (!near.includes(true)) return h("p", { class: "calm" }, "There is no difference.");
  const out = [];
  lines.forEach(([sign, line], i) => {
    if (near[i]) out.push(h("span", { class: sign === "+" ? "plus" : sign === "-" ? "minus" : null }, `${sign} ${line}\n`));
    else if (i === 0 || near[i - 1]) out.push(h("span", { class: "quiet" }, "  …\n"));
  });
  return h("pre", { class: "diff", tabindex: "0", "aria-label": "Difference" }, out);
}
