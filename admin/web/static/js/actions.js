// What can be done about a part.

import { change, path } from "./api.js";
import { ask, howLong, howLongOrEver } from "./ask.js";
import { h } from "./dom.js";

/** @param {string} text @param {() => void} click @param {string} [kind] */
export function button(text, click, kind = "") {
  return h("button", { type: "button", class: kind || null, on: { click } }, text);
}

/** @param {any} row @param {import("./app.js").App} app @param {() => void} done */
export function actionsOf(row, app, done) {
  const then = (promise) => promise.then((answer) => (done(), answer));
  if (row.kind === "breaker" && !row.members) return breaker(row, app, then);
  if (row.kind === "rate_limit") return [button("Reset a key …", () => forget(row, app, then))];
  if (row.operation) return [button("Silence alerts …", () => silence(row.operation, app, then))];
  return [];
}

/** @param {any} row @param {import("./app.js").App} app @param {(p: Promise<any>) => Promise<any>} then */
function breaker(row, app, then) {
  return [
    row.override ? button("Release …", () => release(row.name, "", app, then), "main") : null,
    button("Force open …", () => force(row.name, "", "forced-open", app, then)),
    button("Force closed …", () => force(row.name, "", "forced-closed", app, then)),
    button("Reset …", () => ask(app, {
      title: "Reset", text: `Closes breaker ${row.name} and empties its counts.`, verb: "Reset", done: `Breaker ${row.name} was reset`,
      run: (v) => then(change("POST", because(path("v1/breakers", row.name, "reset"), v.reason))),
    })),
  ];
}

/** @param {string} name @param {string} member "" unless it is one of a group */
function overrideOf(name, member) {
  return path("v1/breakers", name, "override") + (member ? `?member=${encodeURIComponent(member)}` : "");
}

/** @param {string} name @param {string} member */
function called(name, member) {
  return `breaker ${name}${member ? ` (${member})` : ""}`;
}

/**
 * @param {string} name
 * @param {string} member
 * @param {"forced-open"|"forced-closed"} state
 * @param {import("./app.js").App} app
 * @param {(p: Promise<any>) => Promise<any>} then
 */
export function force(name, member, state, app, then) {
  const open = state === "forced-open", title = open ? "Force open" : "Force closed";
  ask(app, {
    title, verb: title, danger: true, fields: [howLongOrEver], done: `The ${called(name, member)} is ${open ? "forced open" : "forced closed"}`,
    text: open ? `Every call through ${called(name, member)} is refused until then.` : `No call is refused by ${called(name, member)} until then, whatever fails.`,
    run: (v) => then(change("PUT", overrideOf(name, member), { state, reason: v.reason, for_seconds: Number(v.for) })),
  });
}

/** @param {string} name @param {string} member @param {import("./app.js").App} app @param {(p: Promise<any>) => Promise<any>} then */
export function release(name, member, app, then) {
  const at = overrideOf(name, member);
  ask(app, {
    title: "Release", text: `The ${called(name, member)} decides by itself again.`, verb: "Release", done: `Breaker ${name} decides by itself`,
    run: (v) => then(change("DELETE", because(at, v.reason))),
  });
}

/** @param {any} row @param {import("./app.js").App} app @param {(p: Promise<any>) => Promise<any>} then */
function forget(row, app, then) {
  ask(app, {
    title: "Reset a key", text: `What the key has used of ${row.name} is forgotten.`, verb: "Reset", fields: [{ name: "key", label: "Key" }], done: "The key was reset",
    run: (v) => then(change("DELETE", because(`${path("v1/rate_limits", row.name, "keys")}/${v.key.split("/").map(encodeURIComponent).join("/")}`, v.reason))),
  });
}

/** @param {string} operation @param {import("./app.js").App} app @param {(p: Promise<any>) => Promise<any>} then @param {string} [kind] */
export function silence(operation, app, then, kind = "") {
  ask(app, {
    title: "Silence alerts", text: `Nobody is called for ${kind || "the"} alerts of ${operation} until then. They are recorded all the same.`, verb: "Silence", fields: [howLong], done: `Alerts of ${operation} are silenced`,
    run: (v) => then(change("PUT", path("v1/silences", operation), { kind, for_seconds: Number(v.for), reason: v.reason })),
  });
}

/** Adds the reason to a request that has no body. @param {string} at @param {string} reason */
export function because(at, reason) {
  return `${at}${at.includes("?") ? "&" : "?"}reason=${encodeURIComponent(reason)}`;
}
