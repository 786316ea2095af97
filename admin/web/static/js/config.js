// The configuration: which revision runs and whether it is what the file says; its text, to be
// validated, compared and applied; and its history, to go back.

import { button } from "./actions.js";
import { change, query, send } from "./api.js";
import { ask, problemEl, problemList } from "./ask.js";
import { diffEl } from "./diff.js";
import { h, replace } from "./dom.js";
import { millis, moment } from "./format.js";
import { History } from "./history.js";
import { panel } from "./panel.js";
import { badge } from "./words.js";

export class Config {
  /** @param {import("./address.js").Place} _place @param {import("./app.js").App} app */
  constructor(_place, app) {
    this.app = app;
    this.state = h("div");
    this.shown = "";
    this.revision = 0;
    this.text = ""; // of the revision in force
    this.tag = ""; // its ETag
    this.editor = h("textarea", { id: "yaml", spellcheck: "false", rows: "18", "aria-label": "Configuration", readonly: true });
    this.outcome = h("div", { class: "outcome", "aria-live": "polite" });
    this.buttons = h("div", { class: "actions" });
    this.history = new History(app, () => this.text, () => this.load());
    this.el = h("div", { class: "view" }, h("div", { class: "title" }, h("h2", null, "Configuration")), this.state,
      panel("In force", this.editor, this.buttons, this.outcome), this.history.el);
  }

  /** @param {import("./model.js").Model} model */
  show(model) {
    const c = model.frame.config;
    if (c.revision !== this.revision) {
      this.revision = c.revision;
      this.load();
    }
    const key = JSON.stringify([c, this.app.me.write]);
    if (key !== this.shown) {
      this.shown = key;
      replace(this.state, this.stateEl(c, model));
      this.offer();
    }
    this.history.poll();
  }

  /** @param {any} c @param {import("./model.js").Model} model */
  stateEl(c, model) {
    const failed = !c.last_reload_successful && c.last_reload_error;
    return panel("State",
      h("p", { class: "sentence" }, badge("ok", "ok", `revision ${c.revision}`), ` since ${moment(millis(c.applied_at), model.now)}, from ${c.source || "code"}.`),
      c.drifted ? h("p", null, badge("warn", "drifted", "drifted"), " What runs is not what the file says: it was changed through the API.") : null,
      failed ? h("div", null, badge("bad", "failed", "the last reload was refused"), ` ${moment(millis(c.last_reload_at), model.now)}: ${c.last_reload_error}`, problemList(c.last_reload_problems)) : null,
      c.pending ? h("p", null, badge("note", "pending", `revision ${c.pending} is pending`), " It was made through the API before, and is not in force.") : null,
      c.attention ? h("p", null, badge("warn", "attention", "attention"), ` ${c.attention}`) : null);
  }

  offer() {
    const writes = this.app.me.write;
    this.editor.readOnly = !writes;
    replace(this.buttons, writes ? [
      button("Validate", () => this.validate()), button("Compare", () => replace(this.outcome, diffEl(this.text, this.editor.value))),
      button("Apply …", () => this.apply(), "main"), button("Undo edits", () => this.undo()),
      button("Reload the file …", () => this.reload(false)), button("Discard drift …", () => this.reload(true)),
    ] : []);
  }

  async load() {
    try {
      const answer = await send("v1/config");
      const tag = answer.headers.get("ETag") || "", body = await answer.json();
      const edited = this.editor.value !== this.text;
      this.tag = tag;
      this.text = body.yaml;
      if (!edited) this.editor.value = body.yaml;
      else replace(this.outcome, h("p", { class: "bad" }, "Another revision has come into force while you were editing: your text is kept, compare before you apply."));
    } catch (err) {
      replace(this.outcome, problemEl(err));
    }
  }

  undo() {
    this.editor.value = this.text;
    replace(this.outcome);
  }

  async validate() {
    try {
      replace(this.outcome, planEl(await change("PUT", "v1/config?dry_run=1", { yaml: this.editor.value })));
    } catch (err) {
      replace(this.outcome, h("div", { class: "wrong" }, problemEl(err)));
    }
  }

  apply() {
    ask(this.app, {
      title: "Apply", text: `The text becomes a revision after ${this.revision}. It is refused as a whole if anything in it is wrong.`, verb: "Apply", danger: true, done: "The configuration is in force",
      run: async (v) => {
        const applied = await change("PUT", query("v1/config", { reason: v.reason }), { yaml: this.editor.value }, this.tag ? { "If-Match": this.tag } : {});
        this.text = this.editor.value; // what is loaded is shown even where it is written otherwise
        replace(this.outcome, planEl(applied));
        await this.load();
        this.history.again();
      },
    });
  }

  /** @param {boolean} discard */
  reload(discard) {
    ask(this.app, {
      title: discard ? "Discard drift" : "Reload the file", verb: discard ? "Discard" : "Reload", danger: discard, done: "The file was read",
      text: discard ? "The file is taken over, and what was changed through the API is given up." : "The file is read again, and taken over if it has changed.",
      run: async (v) => {
        replace(this.outcome, planEl(await change("POST", "v1/reload", { reason: v.reason, discard_drift: discard })));
        this.history.again();
      },
    });
  }

  close() {
    this.history.close();
  }
}

/** What a change does. @param {any} a the answer */
export function planEl(a) {
  const what = a.dry_run ? "It is valid. Applied, it would change:" : `Revision ${a.revision} is in force. It has changed:`;
  const rows = a.changes.map((c) => h("li", null, h("strong", null, `${c.section} ${c.name}`), ` ${c.action}: ${c.effect}`, c.restart ? badge("bad", "restart", "needs a restart") : null,
    c.fields.length ? h("ul", null, c.fields.map((f) => h("li", null, h("code", null, f.path), ` ${f.old || "the default"} → ${f.new || "the default"}`))) : null));
  return h("div", null, a.changes.length ? [h("p", null, what), h("ul", null, rows)] : h("p", null, a.dry_run ? "It is valid, and changes nothing." : "Nothing has changed."), problemList(a.warnings));
}
