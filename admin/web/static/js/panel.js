// The pieces that views are made of.

import { h } from "./dom.js";

/** @param {string} title @param {...any} children */
export function panel(title, ...children) {
  return h("section", { class: "panel", "aria-label": title }, h("div", { class: "head" }, h("h3", null, title)), children);
}

/**
 * A table of text. The first cell of a row names it.
 * @param {string[]} heads
 * @param {any[][]} rows
 * @param {string} [empty] what is said where there are none
 */
export function table(heads, rows, empty = "None.") {
  if (!rows.length) return h("p", { class: "calm" }, empty);
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": heads.filter(Boolean).join(", ") },
    h("table", { class: "plain" }, h("thead", null, h("tr", null, heads.map((t) => (t ? h("th", { scope: "col" }, t) : h("td"))))),
      h("tbody", null, rows.map((cells) => h("tr", null, cells.map((c, i) => h(i ? "td" : "th", { scope: i ? null : "row" }, c)))))));
}
