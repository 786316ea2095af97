// One part: what `why` says of it, its plots with what happened, and what can be done.

import { actionsOf } from "./actions.js";
import { path } from "./api.js";
import { remember } from "./address.js";
import { annotations } from "./annotations.js";
import { bandEl } from "./band.js";
import { h, replace, setAttr } from "./dom.js";
import { Graphs } from "./graphs.js";
import { Resource } from "./resource.js";
import { problemEl } from "./ask.js";
import { kinds, stateEl } from "./words.js";
import { state as stateColumn } from "./columns.js";
import { whyEl } from "./whyview.js";
import { within } from "./within.js";

/** The spans that can be looked at, with the steps of their plots. */
const windows = [["5m", "5 minutes", "1s"], ["15m", "15 minutes", "10s"], ["1h", "1 hour", "10s"]];

/** The span that is shown unasked: the whole hour, or as much as there is. @param {import("./model.js").Model} model */
function usual(model) {
  const up = model.frame.uptime_seconds;
  return windows[up < 300 ? 0 : up < 900 ? 1 : 2];
}

export class Detail {
  /** @param {import("./address.js").Place} place @param {import("./app.js").App} app */
  constructor(place, app) {
    this.app = app;
    this.kind = place.view;
    this.name = place.name;
    this.usual = usual(app.model);
    this.window = windows.find(([w]) => w === place.query.get("window")) || this.usual;
    this.state = stateEl();
    this.actions = h("div", { class: "actions" });
    this.shown = ""; // what the actions were made for
    this.gone = h("p", { class: "calm", hidden: true }, "There is no such part any more.");
    this.why = whyEl(this.kind, this.name);
    this.names = new Set([this.name]);
    this.notes = annotations(app, () => this.window[0], this.names, () => this.graphs.mark(this.notes.marks));
    this.graphs = new Graphs(app, () => this.window);
    this.band = this.kind === "breaker" ? bandEl("States") : null;
    this.sources = this.resources();
    this.within = h("div");
    this.inside = null;
    this.el = h("div", { class: "detail" }, this.head(), this.gone, this.why.el, this.within, this.spans(), this.band && this.band.el, this.graphs.el);
  }

  head() {
    const back = h("a", { href: "#/", class: "back" }, "← Overview");
    return h("div", { class: "title" }, back, h("h2", null, h("span", { class: "kind" }, kinds[this.kind][0]), " ", this.name), this.state, this.actions);
  }

  spans() {
    const buttons = windows.map((w) => h("button", { type: "button", on: { click: () => this.look(w) } }, w[1]));
    this.windowButtons = buttons;
    return h("div", { class: "spans", role: "group", "aria-label": "Span of the plots" }, buttons);
  }

  /** @param {string[]} w */
  look(w) {
    this.window = w;
    remember("window", w === this.usual ? "" : w[0]);
    this.show(this.app.model);
  }

  resources() {
    const list = [new Resource(this.app, () => path("v1/why", this.kind, this.name), 5000, (why) => this.explain(why), (err) => this.why.failed(problemEl(err)))];
    if (this.band) {
      const at = () => `${path("v1/breakers", this.name, "states")}?from=${this.window[0]}`;
      list.push(new Resource(this.app, at, 5000, (states) => this.band.show(states), () => (this.band.el.hidden = true))); // a group has no states of its own
    }
    return list;
  }

  /** @param {any} why */
  explain(why) {
    this.why.show(why);
    for (const p of why.parts) this.names.add(p.name);
    const guard = this.kind === "breaker" || this.kind === "rate_limit" ? why.parts.find((p) => p.kind === "guard") : null;
    if (guard) this.graphs.watch(this.app.model.find("guard", guard.name), `Calls of guard ${guard.name}, which it protects:`);
  }

  /** @param {import("./model.js").Model} model */
  show(model) {
    const row = model.find(this.kind, this.name);
    this.gone.hidden = Boolean(row);
    this.windowButtons.forEach((b, i) => setAttr(b, "aria-pressed", String(windows[i] === this.window)));
    if (row) {
      stateColumn.show(this.state, row, model);
      this.offer(row);
      this.lookInside(row);
      if (row.operation) this.graphs.watch(row, "");
      this.graphs.own(row);
    }
    for (const s of this.sources) s.poll();
    this.notes.poll();
    this.graphs.poll();
  }

  /** Shows what it is made of, where it is made of anything. @param {any} row */
  lookInside(row) {
    if (this.inside) return;
    this.inside = within(row, this.app);
    if (!this.inside) return;
    this.sources.push(this.inside.source);
    replace(this.within, this.inside.el);
  }

  /** Shows what can be done, where it may be done. @param {any} row */
  offer(row) {
    const key = `${row.override} ${this.app.me.write}`;
    if (key === this.shown) return;
    this.shown = key;
    const done = () => this.sources.forEach((s) => s.again());
    replace(this.actions, this.app.me.write ? actionsOf(row, this.app, done) : []);
  }

  close() {
    for (const s of this.sources) s.close();
    this.notes.close();
    this.graphs.close();
  }
}
