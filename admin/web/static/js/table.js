// A table of parts: sorted by any column, worst first at the beginning, and only so many rows
// as somebody can read; the rest is a button away.

import { h, keyed, replace, setAttr, setText } from "./dom.js";
import { count, millis } from "./format.js";

/** How many rows a table has at first. */
const few = 50;

export class Table {
  /**
   * @param {string} caption
   * @param {import("./columns.js").Column[]} columns
   * @param {{sort: string, onSort: (text: string) => void}} options sort is "" or a key, with "-" before it for the greatest first
   */
  constructor(caption, columns, options) {
    this.all = columns;
    this.columns = columns; // those of them that are shown
    this.options = options;
    this.sort = columns.some((c) => c.key === options.sort.replace(/^-/, "")) ? options.sort : "";
    this.most = few;
    this.held = false; // somebody points at a row: it stays where it is
    this.body = h("tbody", { on: { pointerenter: () => (this.held = true), pointerleave: () => (this.held = false) } });
    this.heads = columns.map((c) => this.head(c));
    this.headRow = h("tr", null, this.heads);
    this.more = h("button", { type: "button", class: "quiet", hidden: true, on: { click: () => this.showAll() } });
    const table = h("table", { class: "parts" }, h("caption", { class: "unseen" }, caption), h("thead", null, this.headRow), this.body);
    this.el = h("div", { class: "scroll", role: "region", "aria-label": `Table: ${caption}`, tabindex: "0" }, table);
    this.rows = [];
    this.model = null;
  }

  /** @param {import("./columns.js").Column} column */
  head(column) {
    const button = h("button", { type: "button", title: column.help, on: { click: () => this.sortBy(column.key) } }, column.title);
    return h("th", { scope: "col", class: column.class }, button);
  }

  /** First the greatest, then the least, then as before: worst first. @param {string} key */
  sortBy(key) {
    this.sort = this.sort === `-${key}` ? key : this.sort === key ? "" : `-${key}`;
    this.options.onSort(this.sort);
    this.held = false;
    this.show(this.rows, this.model);
  }

  showAll() {
    this.most = Infinity;
    this.show(this.rows, this.model);
  }

  /** @param {any[]} rows worst first @param {import("./model.js").Model} model */
  show(rows, model) {
    this.rows = rows;
    this.model = model;
    this.choose(rows);
    this.columns.forEach((c, i) => {
      const dir = this.sort === c.key ? "ascending" : this.sort === `-${c.key}` ? "descending" : null;
      setAttr(this.heads[i], "aria-sort", dir);
    });
    const shown = this.inOrder(rows).slice(0, this.most);
    keyed(this.body, shown, (row) => row.id, () => this.make(), (tr, row) => this.update(tr, row));
    this.more.hidden = rows.length <= this.most;
    setText(this.more, `Show all ${count(rows.length)}`);
  }

  /** Leaves out columns that have nothing to say. @param {any[]} rows */
  choose(rows) {
    const columns = this.all.filter((c) => !c.has || rows.some(c.has));
    if (columns.length === this.columns.length && columns.every((c, i) => c === this.columns[i])) return;
    this.columns = columns;
    this.heads = columns.map((c) => this.head(c));
    replace(this.headRow, this.heads);
    this.body.keyedChildren = new Map();
    replace(this.body);
  }

  /** @param {any[]} rows */
  inOrder(rows) {
    if (this.held && this.body.childElementCount) return this.asBefore(rows);
    const column = this.columns.find((c) => c.key === this.sort.replace(/^-/, ""));
    if (!column) return rows;
    const sign = this.sort.startsWith("-") ? -1 : 1;
    return rows.map((row, i) => [column.sort(row), i, row]).sort((a, b) => sign * compare(a[0], b[0]) || a[1] - b[1]).map((x) => x[2]);
  }

  /** The order in which rows are shown already, with new ones behind. @param {any[]} rows */
  asBefore(rows) {
    const of = new Map(rows.map((row) => [row.id, row]));
    const before = [...this.body.keyedChildren.keys()].filter((id) => of.has(id));
    const there = new Set(before);
    return [...before.map((id) => of.get(id)), ...rows.filter((row) => !there.has(row.id))];
  }

  make() {
    const cells = this.columns.map((c) => {
      const inner = c.make ? c.make() : null;
      const cell = h(c.key === "name" ? "th" : "td", { class: c.class, scope: c.key === "name" ? "row" : null }, inner);
      return [cell, inner || cell];
    });
    const tr = h("tr", { on: { click: open } }, cells.map(([cell]) => cell));
    tr.inner = cells.map(([, inner]) => inner); // where each column writes
    return tr;
  }

  /** Writes a row. One that has not changed, and tells no time, is as it was. */
  update(tr, row) {
    const { kept } = this.model;
    if (tr.row === row && tr.kept === kept && !timed(row)) return;
    tr.row = row;
    tr.kept = kept;
    if (tr.level !== row.level) setAttr(tr, "class", (tr.level = row.level));
    const { columns, model } = this;
    for (let i = 0; i < columns.length; i++) columns[i].show(tr.inner[i], row, model);
  }
}

/** A click anywhere in a row opens it, but one that ends a selection of text does not. @param {MouseEvent} event */
function open(event) {
  const link = event.currentTarget.querySelector("a.open");
  if (event.target.closest("a, button") || String(getSelection()) || !link) return;
  link.click();
}

/** Whether a row tells how long ago something was, or in how long it will be. @param {any} row */
function timed(row) {
  return millis(row.since) || millis(row.until) || millis(row.next_at) || millis(row.last_error_at);
}

function compare(a, b) {
  return a < b ? -1 : a > b ? 1 : 0;
}
