// What `foundation why` says of a part, in its words.

import { copyButton } from "./copy.js";
import { h, replace } from "./dom.js";
import { clock, count, inUnit, millis, percent, span } from "./format.js";
import { badge, hrefOf, kinds } from "./words.js";

/** @param {string} kind @param {string} name */
export function whyEl(kind, name) {
  const el = h("section", { class: "panel why", "aria-label": `Why ${name}` }, h("p", { class: "calm" }, `Asking why ${kinds[kind][0]} ${name} is as it is …`));
  return {
    el,
    show: (why) => replace(el, parts(why)),
    failed: (problem) => replace(el, problem),
  };
}

/** @param {any} w the answer of GET /v1/why */
function parts(w) {
  const since = millis(w.since) ? `since ${clock(millis(w.since))}, ${span(w.since_seconds)}` : "";
  return [
    h("div", { class: "head" }, badge(w.well ? "ok" : "bad", "", w.well ? "well" : "not well"), h("p", { class: "sentence" }, w.verdict), h("span", { class: "quiet" }, since)),
    h("div", { class: "columns" }, numbers(w.numbers), before(w), todo(w.try), related(w.parts), errors(w.errors), holders(w.holders), denied(w.denied)),
  ];
}

/** @param {string} title @param {any[]} rows @param {(row: any) => Node} make @param {string} [tag] @param {string} [name] */
function block(title, rows, make, tag = "ul", name = "block") {
  return rows.length ? h("div", { class: name }, h("h3", null, title), h(tag, null, rows.map(make))) : null;
}

/** @param {any[]} list */
function numbers(list) {
  return block("Numbers", list, (n) => h("tr", { class: n.bad ? "bad" : null }, h("th", { scope: "row" }, n.bad ? "✖ " : "", n.name), h("td", { class: "num" }, inUnit(n.value, n.unit)),
    h("td", { class: "num" }, n.bounded ? `of ${inUnit(n.limit, n.unit)}` : ""), h("td", { class: "quiet" }, n.note)), "table", "block wide");
}

/** @param {any[]} list */
function related(list) {
  return block("Related parts", list, (p) => h("li", null, badge(p.well ? "ok" : "bad", "", p.well ? "" : "not well"), h("a", { href: hrefOf(p.kind, p.name) }, `${p.kind.replace("_", " ")} ${p.name}`), " ", h("span", { class: "quiet" }, p.state)));
}

/** @param {any[]} list */
function errors(list) {
  return block("Last errors", list, (e) => h("li", null, h("code", null, e.class), ` ${count(e.count)} times, last ${span(e.ago_seconds)} ago`, h("span", { class: "quiet" }, e.where ? ` at ${e.where}` : ""), e.detail ? h("p", { class: "quiet" }, e.detail) : null));
}

/** @param {any[]} list */
function holders(list) {
  return block("Held by", list, (x) => h("li", null, h("a", { href: hrefOf(x.kind, x.name) }, `${x.kind} ${x.name}`), ` ${count(x.held)}`, x.oldest_seconds ? `, the oldest for ${span(x.oldest_seconds)}` : ""));
}

/** @param {any[]} list */
function denied(list) {
  return block("Denied most", list, (d) => h("li", null, h("code", null, d.key), ` ${count(d.denied)} times, ${percent(d.share)} of all, last ${span(d.ago_seconds)} ago`));
}

/** @param {any} w */
function before(w) {
  const note = w.before_note ? h("p", { class: "quiet" }, w.before_note) : null;
  const list = block("Changed before", w.before, (b) => h("li", null, h("time", null, clock(millis(b.at))), ` ${b.text}`, h("span", { class: "quiet" }, ` ${span(b.earlier_seconds)} before it began${b.actor ? `, by ${b.actor}` : ""}`)));
  return list || note ? h("div", null, list, note) : null;
}

/** @param {any[]} list */
function todo(list) {
  return block("What to try", list, (t) => h("li", null, t.text, t.command ? [h("br"), h("code", null, t.command), copyButton(() => t.command, "Copy the command")] : null));
}
