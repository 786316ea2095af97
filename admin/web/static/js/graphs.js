// The plots of one part: rate, errors, quantiles and calls in flight from the monitor's hour.
// Of a part that the monitor does not follow, what is in flight since the page was opened.

import { path, query } from "./api.js";
import { h, setText } from "./dom.js";
import { Plot } from "./plot.js";
import { Resource } from "./resource.js";

const measures = ["rate", "failed", "refused", "errors", "p50", "p95", "p99", "in_flight"];

export class Graphs {
  /** @param {import("./app.js").App} app @param {() => string[]} span the span and its step */
  constructor(app, span) {
    this.app = app;
    this.span = span;
    this.row = null; // whose operation is shown
    this.normal = null;
    this.series = null;
    /** @type {any[]} */
    this.marks = [];
    this.plots = { rate: new Plot("Calls", "per_second"), errors: new Plot("Errors", "ratio"), latency: new Plot("Latency", "seconds"), held: new Plot("In flight", "") };
    this.whose = h("p", { class: "quiet" });
    this.nothing = h("p", { class: "calm", hidden: true });
    this.el = h("div", { class: "plots" }, this.whose, this.nothing, Object.values(this.plots).map((p) => p.el));
    this.sources = [
      new Resource(app, () => this.seriesPath(), 5000, (s) => this.take(s), (err) => this.none(err)),
      new Resource(app, () => path("v1/operations", this.row.operation), 10000, (o) => this.learn(o), () => {}),
    ];
    this.held = { time: [], values: [] };
    this.plots.held.el.hidden = true;
    this.showPlots(false);
  }

  showPlots(on) {
    for (const name of ["rate", "errors", "latency"]) this.plots[name].el.hidden = !on;
  }

  seriesPath() {
    const [from, , step] = this.span();
    return query("v1/series", { name: this.row.operation, kind: measures, from, step });
  }

  /** Says whose operation is shown. @param {any} row @param {string} whose */
  watch(row, whose) {
    if (!row || !row.operation || (this.row && this.row.operation === row.operation)) return;
    this.row = row;
    setText(this.whose, whose);
    this.poll();
  }

  poll() {
    if (this.row) for (const s of this.sources) s.poll();
  }

  /** @param {any} operation */
  learn(operation) {
    this.normal = operation;
    this.draw();
  }

  /** @param {any} series */
  take(series) {
    this.series = series;
    this.nothing.hidden = true;
    this.showPlots(true);
    this.draw();
  }

  /** @param {any} err */
  none(err) {
    if (this.series) return;
    setText(this.nothing, `There is no history: ${err.message}`);
    this.nothing.hidden = false;
  }

  /** @param {any[]} marks */
  mark(marks) {
    this.marks = marks;
    this.draw();
  }

  draw() {
    const s = this.series;
    if (!s) return;
    const v = s.values, per = (list) => list.map((n) => (n === null ? null : n / s.step_seconds));
    const base = { time: s.time, marks: this.marks, span: /** @type {[number, number]} */ ([s.time[0] || 0, (s.time.at(-1) || 1) + s.step_seconds]) };
    const n = this.normal, limit = this.row.failure_limit;
    this.plots.rate.show({ ...base, bounds: [], lines: [
      { label: "ran", color: "blue", fill: true, values: v.rate }, { label: "failed", color: "bad", dash: [5, 3], values: per(v.failed) }, { label: "refused", color: "warn", dash: [2, 3], values: per(v.refused) }] });
    this.plots.errors.show({ ...base, bounds: errorBounds(n, limit), lines: [{ label: "errors", color: "bad", fill: true, values: v.errors }] });
    this.plots.latency.show({ ...base, bounds: latencyBounds(n), lines: [
      { label: "p50", color: "blue", values: v.p50 }, { label: "p95", color: "violet", dash: [7, 3], values: v.p95 }, { label: "p99", color: "warn", dash: [2, 3], values: v.p99 }] });
    if (this.holdsKnown()) this.showHeld(this.row, { ...base, values: v.in_flight });
  }

  /** Whether the monitor knows what was in flight. */
  holdsKnown() {
    return this.series !== null && this.series.values.in_flight.some((n) => n !== null);
  }

  /** @param {any} row @param {any} shown */
  showHeld(row, { values, ...shown }) {
    this.plots.held.el.hidden = false;
    this.plots.held.show({ ...shown, lines: [{ label: row.kind === "pool" ? "lent" : "in flight", color: "blue", fill: true, values }], bounds: row.limit ? [{ label: "places", value: row.limit }] : [] });
  }

  /** Adds what the part holds now. @param {any} row */
  own(row) {
    if (this.holdsKnown() || row.kind === "rate_limit" || (row.kind === "breaker" && !row.in_flight)) return;
    const past = this.app.model.past(row.id).held, now = Math.floor(this.app.model.now / 1000);
    const time = [], values = [];
    past.forEach((v, i) => {
      time.push(now - (past.values.length - i) * 5);
      values.push(Number.isNaN(v) ? null : v);
    });
    time.push(now);
    values.push(row.in_flight);
    this.showHeld(row, { time, marks: [], span: [time[0], now], values });
  }

  close() {
    for (const s of this.sources) s.close();
    for (const p of Object.values(this.plots)) p.close();
  }
}

/** @param {any} n the operation @param {number} limit */
function errorBounds(n, limit) {
  const bounds = limit ? [{ label: "opens at", value: limit }] : [];
  if (!n) return bounds;
  if (n.normal.error_ratio > 0) bounds.push({ label: "usual", value: n.normal.error_ratio });
  const objective = n.objectives.find((o) => o.measure === "success");
  if (objective) bounds.push({ label: "objective", value: 1 - objective.target });
  return bounds;
}

/** @param {any} n */
function latencyBounds(n) {
  if (!n) return [];
  const bounds = n.normal.latency_seconds > 0 ? [{ label: "usual", value: n.normal.latency_seconds }] : [];
  const objective = n.objectives.find((o) => o.measure === "latency");
  if (objective) bounds.push({ label: "objective", value: objective.bound_seconds });
  return bounds;
}
