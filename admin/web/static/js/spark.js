// The small plot in a row: the rate of the last five minutes.

import { svg } from "./dom.js";

const width = 72, height = 18;

/** @returns {SVGElement} */
export function sparkEl() {
  return svg("svg", { class: "spark", viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" }, svg("path", { d: "" }));
}

/** @param {any} el @param {import("./model.js").Past} past */
export function showSpark(el, past) {
  if (el.past === past && el.pushed === past.pushed) return;
  el.past = past;
  el.pushed = past.pushed;
  el.firstChild.setAttribute("d", path(past));
}

/** @param {import("./model.js").Past} past */
function path(past) {
  let most = 0;
  past.forEach((v) => (most = v > most ? v : most));
  let d = "", pen = false;
  const n = past.values.length - 1;
  past.forEach((v, i) => {
    if (Number.isNaN(v)) pen = false;
    else {
      d += `${pen ? "L" : "M"}${tenth((i / n) * width)} ${tenth(height - 1 - (most ? v / most : 0) * (height - 2))}`;
      pen = true;
    }
  });
  return d;
}

/** @param {number} n */
function tenth(n) {
  return Math.round(n * 10) / 10;
}
