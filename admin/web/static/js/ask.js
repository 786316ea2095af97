// Every change is asked about in a dialog: what it does, for how long, and why. The reason
// goes into the record beside the name of whoever makes the change.

import { h, replace } from "./dom.js";
import { Problem } from "./api.js";

/**
 * @typedef {object} Question
 * @property {string} title
 * @property {string} text what it does
 * @property {string} verb of the button
 * @property {boolean} [danger]
 * @property {Field[]} [fields]
 * @property {(values: Record<string, string>) => Promise<any>} run
 * @property {string} done what is said afterwards
 */

/**
 * @typedef {object} Field
 * @property {string} name
 * @property {string} label
 * @property {[string, string][]} [options] value and text of each; without them it is a line of text
 * @property {string} [value]
 */

/** How long a change may last. @type {Field} */
export const howLong = {
  name: "for", label: "For", value: "600",
  options: [["60", "1 minute"], ["600", "10 minutes"], ["3600", "1 hour"], ["14400", "4 hours"], ["86400", "1 day"]],
};

/** @type {Field} */
export const howLongOrEver = { ...howLong, options: [...howLong.options, ["0", "until it is released"]] };

/** @param {import("./app.js").App} app @param {Question} q */
export function ask(app, q) {
  const fields = [...(q.fields || []), { name: "reason", label: "Reason" }];
  const inputs = fields.map((f) => input(f));
  const wrong = h("div", { class: "wrong", role: "alert" });
  const go = h("button", { type: "submit", class: q.danger ? "danger" : "main" }, q.verb);
  const form = h("form", { method: "dialog" },
    h("h2", { id: "ask-title" }, q.title), h("p", null, q.text),
    fields.map((f, i) => h("label", null, h("span", null, f.label), inputs[i])),
    h("p", { class: "quiet" }, `Recorded as done by ${app.me.actor || "you"}.`), wrong,
    h("div", { class: "buttons" }, h("button", { type: "button", on: { click: () => dialog.close() } }, "Cancel"), go));
  const dialog = h("dialog", { "aria-labelledby": "ask-title", on: { close: () => dialog.remove() } }, form);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const values = Object.fromEntries(fields.map((f, i) => [f.name, inputs[i].value.trim()]));
    go.disabled = true;
    try {
      await q.run(values);
      dialog.close();
      app.said(q.done);
    } catch (err) {
      replace(wrong, problemEl(err));
    }
    go.disabled = false;
  });
  document.body.append(dialog);
  dialog.showModal();
  inputs[inputs.length - 1].focus();
}

/** @param {Field} f */
function input(f) {
  if (f.options) return h("select", { name: f.name }, f.options.map(([value, text]) => h("option", { value, selected: value === f.value }, text)));
  const reason = f.name === "reason";
  return h("input", { type: "text", name: f.name, value: f.value, required: true, maxlength: reason ? 1000 : null, autocomplete: "off", placeholder: reason ? "for those who read the record later" : null });
}

/** What went wrong, with all single faults. @param {any} err */
export function problemEl(err) {
  const text = err instanceof Problem ? err.message : "The server cannot be reached: nothing is known to have changed.";
  return [h("p", null, text), err instanceof Problem ? problemList(err.problems) : null];
}

/** The single faults of a configuration, each with its place. @param {any[]} problems */
export function problemList(problems) {
  if (!problems || !problems.length) return null;
  return h("ul", { class: "problems" }, problems.map((p) => h("li", null,
    p.position ? h("span", { class: "quiet" }, p.position, " ") : null, p.field ? h("code", null, p.field) : null,
    ` ${p.warning ? "warning: " : ""}${p.message}`, p.excerpt ? h("pre", null, p.excerpt) : null)));
}
