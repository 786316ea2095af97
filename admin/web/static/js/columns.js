// The columns of each kind of part: what is written into a cell, and by what it is sorted.

import { h, setText, setAttr } from "./dom.js";
import { count, digits, millis, percent, rate, span, took } from "./format.js";
import { showSpark, sparkEl } from "./spark.js";
import { hrefOf, levels, showState, stateEl, wordOf } from "./words.js";

/**
 * @typedef {object} Column
 * @property {string} key
 * @property {string} title
 * @property {string} [help] the meaning, for the head of the column
 * @property {string} [class] "num" for numbers; "mid" and "far" are left out on narrow screens
 * @property {(row: any) => number|string} sort
 * @property {() => Element} [make] makes what is in the cell, where it is more than text
 * @property {(row: any) => any} [has] whether a row has something to say here; where none has, the column is left out
 * @property {(el: any, row: any, model: import("./model.js").Model) => void} show
 */

/** @param {string} key @param {string} title @param {(row: any, model: any) => string} text @param {(row: any) => number|string} sort @param {object} [more] @returns {Column} */
function text(key, title, text, sort, more) {
  return { key, title, sort, class: "num", show: (el, row, model) => setText(el, text(row, model)), ...more };
}

const none = "–";

/** @param {any} row @param {import("./model.js").Model} model */
function stateText(row, model) {
  const parts = [wordOf(row.override || row.state)];
  if (row.override) parts.push(millis(row.until) ? `, ${span((millis(row.until) - model.now) / 1000)} left` : ", until released");
  else if (row.kind !== "breaker" && row.level !== "idle" && row.share > 0) parts.push(` ${percent(row.share)}`);
  if (row.mode === "shadow") parts.push(" (shadow)");
  if (row.mode === "off") parts.push(" (off)");
  return parts.join("");
}

/** @type {Column} */
export const state = {
  key: "state", title: "State", sort: (row) => levels.indexOf(row.level), make: stateEl,
  show: (el, row, model) => showState(el, row.level, row.override || row.state, stateText(row, model)),
};

/** @type {Column} */
const name = {
  key: "name", title: "Name", class: "name", sort: (row) => row.name, make: () => h("a", { class: "open" }),
  show: (el, row) => {
    setText(el, row.name);
    setAttr(el, "href", hrefOf(row.kind, row.name));
  },
};

/** @type {Column} */
const spark = {
  key: "spark", title: "5 min", class: "mid", help: "calls a second in the last five minutes", sort: (row) => row.rate, make: sparkEl,
  show: (el, row, model) => showSpark(el, model.past(row.id).rate),
};

const idle = (row) => row.level === "idle" && !row.calls;
const ran = (fn) => (row) => (idle(row) || !row.calls ? none : fn(row));

const pace = text("rate", "Rate", (row) => (idle(row) ? none : rate(row.now_rate)), (row) => row.now_rate, { help: "calls in the last five seconds" });
const success = text("success", "Success", ran((r) => percent(r.success_ratio)), (r) => (r.calls ? r.success_ratio : 2), { class: "num mid" });
const failure = text("failure", "Failed", ran((r) => against(r.failure_ratio, r.failure_limit)), (r) => r.failure_ratio, { help: "of the calls that ran in the last minute, against the threshold" });
const slow = text("slow", "Slow", ran((r) => (r.slow_limit ? against(r.slow_ratio, r.slow_limit) : none)), (r) => r.slow_ratio, { class: "num far", has: (r) => r.slow_limit });
const refused = text("refused", "Refused", (row) => (row.refused_rate ? rate(row.refused_rate) : none), (row) => row.refused_rate);
const p50 = text("p50", "p50", (r) => took(r.p50_seconds), (r) => r.p50_seconds, { class: "num far" });
const p95 = text("p95", "p95", (r) => took(r.p95_seconds), (r) => r.p95_seconds, { class: "num far" });
const p99 = text("p99", "p99", (r) => took(r.p99_seconds), (r) => r.p99_seconds, { class: "num mid" });
const held = text("held", "In flight", (r) => holds(r.in_flight, r.limit), (r) => r.in_flight, { class: "num mid", help: "of the places that there are" });
const waiting = text("waiting", "Waiting", (r) => (r.waiting ? count(r.waiting) : none), (r) => r.waiting, { has: (r) => r.waiting });
const since = text("since", "For", (r, model) => (millis(r.since) ? span(model.ago(r.since)) : none), (r) => -millis(r.since));
const next = text("next", "Next probe", (r, model) => due(r, model), (r) => millis(r.next_at) || Infinity, { class: "num mid", has: (r) => millis(r.next_at) });
const reason = text("reason", "Because", (r) => (r.reason ? r.reason.replaceAll("_", " ") : none), (r) => r.reason, { class: "mid", has: (r) => r.reason });
const error = text("error", "Last error", (r, model) => (r.last_error ? `${r.last_error} ${span(model.ago(r.last_error_at))} ago` : none), (r) => -millis(r.last_error_at), { class: "far", has: (r) => r.last_error });
const allows = text("allows", "Allows", (r) => (r.per_seconds ? `${count(r.limit)} per ${span(r.per_seconds)}` : none), (r) => r.limit / (r.per_seconds || 1));
const members = text("members", "Members", (r) => (r.members ? count(r.members) : none), (r) => r.members, { class: "num far", has: (r) => r.members });
const counted = text("counted", "Counted", (r) => r.counted.filter((f) => f.bounded).map(fact).join(", ") || none, (r) => r.counted.length, { class: "far" });
const guard = text("of", "Guard", (r) => r.of || none, (r) => r.of, { class: "mid" });

/** @param {number} ratio @param {number} limit */
function against(ratio, limit) {
  return limit ? `${percent(ratio)} of ${percent(limit)}` : percent(ratio);
}

/** @param {number} n @param {number} limit */
function holds(n, limit) {
  return limit ? `${count(n)} of ${count(limit)}` : count(n);
}

/** @param {any} f a number against its bound */
export function fact(f) {
  const show = (v) => (f.unit === "ratio" ? percent(v) : f.unit === "seconds" ? took(v) || "0 s" : digits(v));
  return `${f.name.replaceAll("_", " ")} ${show(f.value)}${f.bounded ? ` of ${show(f.limit)}` : ""}`;
}

function due(row, model) {
  const at = millis(row.next_at);
  return at ? (at <= model.now ? "due" : `in ${span((at - model.now) / 1000)}`) : none;
}

/** @type {Record<string, Column[]>} */
export const columnsOf = {
  guard: [state, name, pace, spark, success, failure, refused, p50, p95, p99, held, reason, error],
  breaker: [state, name, since, next, failure, slow, refused, counted, members, error],
  rate_limit: [state, name, pace, allows, refused, waiting],
  pool: [state, name, held, waiting, pace, p50, p99, failure, error],
  route: [state, name, guard, pace, spark, success, failure, refused, p50, p95, p99, held, error],
};
