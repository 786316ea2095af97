// A plot of series over time. A canvas tells nothing to those who cannot see it: so each plot
// has a sentence that sums it up, and its numbers as a table.

import { h, replace, setText } from "./dom.js";
import { clock, inUnit } from "./format.js";
import { levels } from "./words.js";

/** The library is a script of the shell: it has no minified module. @type {any} */
const uPlot = globalThis.uPlot;

/**
 * @typedef {object} Line
 * @property {string} label
 * @property {string} color the name of a colour of the style sheet
 * @property {number[]} [dash]
 * @property {boolean} [fill]
 * @property {(number|null)[]} values
 */

/**
 * @typedef {object} Data
 * @property {number[]} time seconds of Unix time
 * @property {Line[]} lines
 * @property {{label: string, value: number}[]} bounds lines that stand for a threshold
 * @property {{at: number, glyph: string, text: string, level: string}[]} marks what happened
 * @property {[number, number]} span from, to
 */

const height = 150;

/** @param {string} name */
function color(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

export class Plot {
  /** @param {string} title @param {string} unit as inUnit has it */
  constructor(title, unit) {
    this.title = title;
    this.unit = unit;
    this.legend = h("span", { class: "legend" });
    this.canvas = h("div", { class: "canvas", role: "img", "aria-label": title });
    this.table = h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `Data: ${title}`, hidden: true });
    this.toggle = h("button", { type: "button", class: "quiet", "aria-expanded": "false", on: { click: () => this.showData() } }, "Show data");
    this.el = h("figure", { class: "plot" }, h("figcaption", null, h("h3", null, title), this.legend, this.toggle), this.canvas, this.table);
    /** @type {uPlot|null} */
    this.u = null;
    this.shape = "";
    /** @type {Data|null} */
    this.data = null;
    this.observer = new ResizeObserver(() => this.fit());
    this.observer.observe(this.canvas);
    this.scheme = matchMedia("(prefers-color-scheme: dark)");
    this.recolor = () => this.rebuild();
    this.scheme.addEventListener("change", this.recolor);
  }

  close() {
    this.observer.disconnect();
    this.scheme.removeEventListener("change", this.recolor);
    if (this.u) this.u.destroy();
    this.u = null;
  }

  /** @param {Data} data */
  show(data) {
    this.data = data;
    const shape = [...data.lines.map((l) => l.label), "|", ...data.bounds.map((b) => b.label)].join();
    if (!this.u || shape !== this.shape) this.rebuild();
    else this.u.setData(columns(data), false);
    this.shape = shape;
    if (this.u) this.u.setScale("x", { min: data.span[0], max: data.span[1] });
    this.canvas.setAttribute("aria-label", this.summary());
    this.showLegend(null);
    if (!this.table.hidden) this.fillTable();
  }

  rebuild() {
    if (!this.data) return;
    if (this.u) this.u.destroy();
    this.u = new uPlot(this.options(), columns(this.data), this.canvas);
    this.u.setScale("x", { min: this.data.span[0], max: this.data.span[1] });
  }

  fit() {
    const width = Math.floor(this.canvas.clientWidth);
    if (this.u && width > 0 && width !== this.u.width) this.u.setSize({ width, height });
  }

  options() {
    const d = this.data, grid = { stroke: color("line"), width: 1 }, ink = color("muted");
    const axis = { stroke: ink, grid, ticks: { show: false }, font: "11px system-ui, sans-serif" };
    return {
      width: Math.max(200, Math.floor(this.canvas.clientWidth)), height, legend: { show: false }, pxAlign: 0,
      cursor: { drag: { x: false, y: false }, points: { size: 5 }, sync: { key: "foundation" } },
      scales: { y: { range: (_u, _min, max) => [0, this.top(max)] } },
      axes: [
        { ...axis, space: 70, size: 22, values: (_u, splits) => splits.map((s) => clock(s * 1000).slice(0, s % 60 ? 8 : 5)) },
        { ...axis, space: 28, size: 62, values: (_u, splits) => splits.map((v) => (v === 0 ? "0" : inUnit(v, this.unit))) },
      ],
      series: [{}, ...d.lines.map((l) => this.series(l)), ...d.bounds.map((b) => ({ label: b.label, stroke: color("bound"), width: 1.5, dash: [6, 4], points: { show: false } }))],
      hooks: { draw: [(u) => this.drawMarks(u)], setCursor: [(u) => this.showLegend(u.cursor.idx)] },
    };
  }

  /** The end of the scale: what was seen, and the nearest threshold if it is not far off. @param {number} seen */
  top(seen) {
    const most = Math.max(0, ...this.data.lines.flatMap((l) => l.values.map((v) => v || 0)));
    const near = this.data.bounds.map((b) => b.value).filter((v) => v < most * 4 || most === 0);
    const top = Math.max(most, ...near) * 1.1;
    if (this.unit === "ratio") return Math.min(1, Math.max(top, 0.05));
    return top || (this.unit === "seconds" ? 0.01 : 1);
  }

  /** @param {Line} l */
  series(l) {
    const stroke = color(l.color);
    return { label: l.label, stroke, width: 1.75, dash: l.dash, fill: l.fill ? stroke + "22" : undefined, points: { show: false }, spanGaps: false };
  }

  /** Draws what happened as lines across the plot. @param {uPlot} u */
  drawMarks(u) {
    const { ctx } = u, { left, top, height: high, width } = u.bbox;
    ctx.save();
    ctx.font = `${11 * devicePixelRatio}px system-ui, sans-serif`;
    ctx.textAlign = "center";
    const taken = []; // where glyphs stand: of those that would cover each other the worst is drawn
    for (const m of this.data.marks.toSorted((a, b) => levels.indexOf(a.level) - levels.indexOf(b.level))) {
      const x = u.valToPos(m.at, "x", true);
      if (x < left || x > left + width) continue;
      ctx.strokeStyle = ctx.fillStyle = color(m.level === "ok" ? "muted" : m.level);
      ctx.setLineDash([2, 3]);
      ctx.beginPath();
      ctx.moveTo(x, top + 12 * devicePixelRatio);
      ctx.lineTo(x, top + high);
      ctx.stroke();
      if (taken.some((t) => Math.abs(x - t) < 12 * devicePixelRatio)) continue;
      ctx.fillText(m.glyph, x, top + 9 * devicePixelRatio);
      taken.push(x);
    }
    ctx.restore();
  }

  /** The numbers under the cursor, else the last ones. @param {number|null|undefined} i */
  showLegend(i) {
    const d = this.data, at = i === null || i === undefined ? lastIndex(d) : i;
    const items = [...d.lines.map((l) => [l.label, l.values[at], l.color, l.dash]), ...d.bounds.map((b) => [b.label, b.value, "bound", [6, 4]])];
    const text = items.map(([label, v]) => `${label} ${v === null || v === undefined ? "–" : inUnit(v, this.unit)}`);
    if (this.legend.childElementCount !== items.length + 1) {
      replace(this.legend, items.map(([, , c, dash]) => h("span", { class: `key ${c}${dash ? " dashed" : ""}` })), h("span", { class: "when" }));
    }
    text.forEach((t, n) => setText(this.legend.children[n], t));
    setText(this.legend.lastChild, d.time.length && i !== null && i !== undefined ? clock(d.time[at] * 1000) : "");
  }

  /** The plot in a sentence. */
  summary() {
    const d = this.data;
    const parts = d.lines.map((l) => {
      const seen = l.values.filter((v) => v !== null && v !== undefined);
      if (!seen.length) return `${l.label}: nothing`;
      return `${l.label}: now ${inUnit(seen[seen.length - 1], this.unit)}, from ${inUnit(Math.min(...seen), this.unit)} to ${inUnit(Math.max(...seen), this.unit)}`;
    });
    const bounds = d.bounds.map((b) => `${b.label} ${inUnit(b.value, this.unit)}`);
    const marks = d.marks.filter((m) => m.at >= d.span[0]).map((m) => `${clock(m.at * 1000)} ${m.text}`);
    return `${this.title}, ${clock(d.span[0] * 1000)} to ${clock(d.span[1] * 1000)}. ${[...parts, ...bounds].join("; ")}.${marks.length ? ` Happened: ${marks.slice(-5).join("; ")}.` : ""}`;
  }

  showData() {
    this.table.hidden = !this.table.hidden;
    setText(this.toggle, this.table.hidden ? "Show data" : "Hide data");
    this.toggle.setAttribute("aria-expanded", String(!this.table.hidden));
    if (!this.table.hidden) this.fillTable();
  }

  fillTable() {
    const d = this.data, marks = new Map(d.marks.map((m) => [nearest(d.time, m.at), m.text]));
    const rows = d.time.map((t, i) => h("tr", null, h("th", { scope: "row" }, clock(t * 1000)),
      d.lines.map((l) => h("td", { class: "num" }, l.values[i] === null || l.values[i] === undefined ? "–" : inUnit(l.values[i], this.unit))), h("td", null, marks.get(i) || "")));
    replace(this.table, h("table", { class: "data" }, h("caption", { class: "unseen" }, this.title),
      h("thead", null, h("tr", null, h("th", { scope: "col" }, "Time"), d.lines.map((l) => h("th", { scope: "col", class: "num" }, l.label)), h("th", { scope: "col" }, "Happened"))), h("tbody", null, rows.reverse())));
  }
}

/** @param {Data} d */
function columns(d) {
  return [d.time, ...d.lines.map((l) => l.values), ...d.bounds.map((b) => d.time.map(() => b.value))];
}

/** @param {Data} d */
function lastIndex(d) {
  for (let i = d.time.length - 1; i >= 0; i--) if (d.lines.some((l) => l.values[i] !== null && l.values[i] !== undefined)) return i;
  return 0;
}

/** @param {number[]} time @param {number} at */
function nearest(time, at) {
  let i = time.findIndex((t) => t > at);
  if (i < 0) i = time.length;
  return Math.max(0, i - 1);
}
