// What is known of the layer: the last frame, the rows that the frames have brought, and for
// each row a short past for its small plots.

import { millis } from "./format.js";

/** How many points of the past each row has. */
const points = 60;
/** Seconds between them: sixty are five minutes. */
const step = 5;

/** A ring of numbers, the oldest first. */
export class Past {
  constructor() {
    this.values = new Float32Array(points).fill(NaN);
    this.at = 0;
    this.pushed = 0; // how many there ever were
  }

  /** @param {number} value */
  push(value) {
    this.values[this.at] = value;
    this.at = (this.at + 1) % points;
    this.pushed++;
  }

  /** @param {(value: number, i: number) => void} each */
  forEach(each) {
    for (let i = 0; i < points; i++) each(this.values[(this.at + i) % points], i);
  }
}

export class Model {
  constructor() {
    /** @type {any} the last frame */
    this.frame = null;
    /** @type {Map<string, any>} rows by id */
    this.rows = new Map();
    /** @type {Map<string, {rate: Past, held: Past}>} */
    this.pasts = new Map();
    /** @type {any[]} rows, worst first */
    this.order = [];
    this.kept = 0; // when the pasts got their last point, in seconds
    this.read = false; // /v1/sparklines was read since the last gap
  }

  /** Whether there is anything to show. */
  get known() {
    return this.frame !== null;
  }

  /** The time of the last frame by the server's clock, in milliseconds. */
  get now() {
    return this.frame ? millis(this.frame.at) : Date.now();
  }

  /** Seconds from a time until the last frame. @param {string} text */
  ago(text) {
    const at = millis(text);
    return at ? Math.max(0, (this.now - at) / 1000) : 0;
  }

  /** Takes a frame over. @param {any} frame */
  apply(frame) {
    if (frame.full) this.rows.clear();
    for (const id of frame.gone) this.rows.delete(id);
    for (const row of frame.rows) this.rows.set(row.id, row);
    if (frame.full || frame.rows.length || frame.gone.length) this.order = [...this.rows.values()].sort(worstFirst);
    this.frame = frame;
    this.keep();
  }

  /** Adds a point to each past once in a step. */
  keep() {
    const second = Math.floor(this.now / 1000);
    if (second - this.kept < step) return;
    if (second - this.kept > 3 * step) this.read = false; // nobody looked for a while
    this.kept = second;
    for (const id of this.pasts.keys()) if (!this.rows.has(id)) this.pasts.delete(id);
    for (const row of this.order) {
      const past = this.past(row.id);
      past.rate.push(row.now_rate);
      past.held.push(row.in_flight);
    }
  }

  /** @param {string} id */
  past(id) {
    let past = this.pasts.get(id);
    if (!past) this.pasts.set(id, (past = { rate: new Past(), held: new Past() }));
    return past;
  }

  /** Takes over what the API knows of the last five minutes. @param {any} answer of GET /v1/sparklines */
  remember(answer) {
    const stride = Math.max(1, Math.round(step / answer.step_seconds));
    const repeat = Math.max(1, Math.round(answer.step_seconds / step));
    const of = new Map(answer.items.map((item) => [item.operation, item]));
    for (const row of this.order) {
      const item = row.operation && of.get(row.operation);
      if (!item) continue;
      const past = this.past(row.id);
      past.rate = new Past();
      item.rate.forEach((v, i) => {
        if (i % stride === 0) for (let n = 0; n < repeat; n++) past.rate.push(v === null ? NaN : v);
      });
    }
    this.read = true;
  }

  /** Rows of a kind, the worst first. @param {string} kind */
  of(kind) {
    return this.order.filter((row) => row.kind === kind);
  }

  /** @param {string} kind @param {string} name */
  find(kind, name) {
    return this.rows.get(`${kind}/${name}`) || this.order.find((row) => row.kind === kind && row.name === name); // hosts are named within their routes
  }
}

/** @param {any} a @param {any} b */
function worstFirst(a, b) {
  return b.weight - a.weight || (a.id < b.id ? -1 : 1);
}
