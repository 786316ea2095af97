// The first view: every part of every kind, the worst first, those without traffic included.

import { remember } from "./address.js";
import { columnsOf } from "./columns.js";
import { h, setText } from "./dom.js";
import { plural } from "./format.js";
import { Table } from "./table.js";
import { switchPanel } from "./switches.js";
import { kinds, levels } from "./words.js";

/** Begins the names of the parts that Foundation uses itself: those that are well are on request. */
const reserved = "foundation.";

/** The panels, in their order. */
const shown = ["guard", "breaker", "rate_limit", "pool", "route"];

export class Overview {
  /** @param {import("./address.js").Place} place @param {import("./app.js").App} app */
  constructor(place, app) {
    this.app = app;
    this.filter = place.query.get("q") || "";
    this.troubled = place.query.has("trouble");
    this.internal = place.query.has("own");
    this.panels = shown.map((kind) => this.panel(kind, place.query.get(`sort.${kind}`) || ""));
    this.switches = switchPanel(app);
    this.nothing = h("p", { class: "calm", hidden: true }, "No part matches.");
    this.el = h("div", { class: "overview" }, this.tools(), this.panels.map((p) => p.el), this.nothing, this.switches.el);
  }

  tools() {
    this.input = h("input", { type: "search", id: "filter", placeholder: "Filter by name, state or error  ( / )", "aria-label": "Filter the parts", value: this.filter, on: { input: () => this.changed() } });
    this.only = h("input", { type: "checkbox", id: "trouble", on: { change: () => this.changed() } });
    this.only.checked = this.troubled;
    this.own = h("input", { type: "checkbox", id: "own", on: { change: () => this.changed() } });
    this.own.checked = this.internal;
    return h("form", { class: "tools", role: "search", on: { submit: (e) => e.preventDefault() } }, this.input,
      h("label", { class: "check" }, this.only, "Only in trouble"), h("label", { class: "check" }, this.own, "Also the parts of Foundation itself"));
  }

  changed() {
    this.filter = this.input.value;
    this.troubled = this.only.checked;
    this.internal = this.own.checked;
    remember("own", this.internal ? "1" : "");
    remember("q", this.filter);
    remember("trouble", this.troubled ? "1" : "");
    this.show(this.app.model);
  }

  /** @param {string} kind @param {string} sort */
  panel(kind, sort) {
    const table = new Table(kinds[kind][1], columnsOf[kind], { sort, onSort: (text) => remember(`sort.${kind}`, text) });
    const sum = h("span", { class: "sum" });
    const head = h("div", { class: "head" }, h("h2", { id: `h-${kind}` }, kinds[kind][1]), sum);
    const el = h("section", { class: `panel ${kind}`, "aria-labelledby": `h-${kind}` }, head, table.el, table.more);
    return { kind, table, sum, el };
  }

  /** @param {import("./model.js").Model} model */
  show(model) {
    let any = false;
    for (const p of this.panels) {
      const all = model.of(p.kind);
      const upstreams = p.kind === "route" ? model.of("upstream") : [];
      const rows = this.filtered(p.kind === "route" ? withUpstreams(all, upstreams) : all);
      any = any || rows.length > 0;
      p.el.hidden = rows.length === 0;
      if (rows.length) p.table.show(rows, model);
      setText(p.sum, summary(all.filter((row) => this.internal || !row.name.startsWith(reserved)), rows.length));
    }
    this.nothing.hidden = any;
    setText(this.nothing, this.filter || this.troubled ? "No part matches." : "No parts are configured.");
    this.switches.show(model);
  }

  /** @param {any[]} rows */
  filtered(rows) {
    const words = this.filter.toLowerCase().split(/\s+/).filter(Boolean);
    return rows.filter((row) => {
      const well = (row.level === "ok" || row.level === "idle") && !row.override;
      if (well && (this.troubled || (!this.internal && row.name.startsWith(reserved)))) return false;
      return words.every((w) => `${row.kind} ${row.name} ${row.of} ${row.state} ${row.override} ${row.reason} ${row.last_error}`.toLowerCase().includes(w));
    });
  }
}

/** Upstreams stand below their routes. @param {any[]} routes @param {any[]} upstreams */
function withUpstreams(routes, upstreams) {
  if (!upstreams.length) return routes;
  return routes.flatMap((route) => [route, ...upstreams.filter((u) => u.of === route.name)]);
}

/** @param {any[]} all @param {number} shownRows */
function summary(all, shownRows) {
  const parts = levels.map((level) => [level, all.filter((row) => row.level === level).length]).filter(([level, n]) => n && level !== "ok");
  const word = { bad: "bad", warn: "degraded", note: "to know", idle: "without traffic" };
  const text = parts.map(([level, n]) => `${n} ${word[level]}`).join(", ");
  const hidden = all.length > shownRows ? `, ${shownRows} shown` : "";
  return `${plural(all.length, "part")}${text ? ": " + text : ""}${hidden}`;
}
