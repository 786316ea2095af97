// The history of the configuration: who changed what and why, refused changes among them.

import { button } from "./actions.js";
import { change, get, path } from "./api.js";
import { ask, problemEl } from "./ask.js";
import { diffEl } from "./diff.js";
import { h, keyed, replace } from "./dom.js";
import { millis, moment } from "./format.js";
import { panel } from "./panel.js";
import { Resource } from "./resource.js";
import { badge, levelOf } from "./words.js";

export class History {
  /** @param {import("./app.js").App} app @param {() => string} text of the revision in force @param {() => void} changed */
  constructor(app, text, changed) {
    this.app = app;
    this.text = text;
    this.changed = changed;
    this.list = h("ol", { class: "history" });
    this.wrong = h("div");
    this.source = new Resource(app, () => "v1/config/history?limit=50", 5000, (x) => this.draw(x.items), (err) => replace(this.wrong, problemEl(err)));
    this.el = panel("History", this.wrong, this.list);
  }

  poll() {
    this.source.poll();
  }

  again() {
    this.source.again();
  }

  /** @param {any[]} items newest first */
  draw(items) {
    replace(this.wrong);
    keyed(this.list, items, (r) => `${r.seq} ${this.app.me.write} ${r.revision === this.app.model.frame.config.revision}`, (r) => this.make(r));
  }

  /** @param {any} r */
  make(r) {
    const body = h("div");
    const here = r.revision === this.app.model.frame.config.revision, applied = r.outcome === "applied";
    return h("li", null, h("time", { datetime: r.at }, moment(millis(r.at))), badge(levelOf(r.outcome), r.outcome, applied ? `revision ${r.revision}` : "refused"),
      h("span", { class: "text" }, r.changes.join("; ") || r.error || "no change"), h("span", { class: "quiet" }, `${r.actor ? `by ${r.actor}` : `from ${r.source}`}${r.reason ? `: ${r.reason}` : ""}`),
      h("span", { class: "actions" }, applied && !here ? button("Compare", () => this.compare(r, body), "quiet") : null, applied && !here && this.app.me.write ? button("Roll back …", () => this.rollback(r), "quiet") : null), body);
  }

  /** @param {any} r @param {Element} body */
  async compare(r, body) {
    if (body.firstChild) return replace(body);
    try {
      const then = await get(path("v1/config/history", r.revision));
      replace(body, h("p", { class: "quiet" }, `From what is in force (−) to revision ${r.revision} (+):`), diffEl(this.text(), then.yaml));
    } catch (err) {
      replace(body, problemEl(err));
    }
  }

  /** @param {any} r */
  rollback(r) {
    ask(this.app, {
      title: `Roll back to revision ${r.revision}`, text: "Its text is put in force as a new revision.", verb: "Roll back", danger: true, done: `The text of revision ${r.revision} is in force`,
      run: async (v) => {
        await change("POST", "v1/config/rollback", { revision: r.revision, reason: v.reason });
        this.changed();
        this.again();
      },
    });
  }

  close() {
    this.source.close();
  }
}
