// A button that copies a text.

import { h, setText } from "./dom.js";

/** @param {() => string} text @param {string} label */
export function copyButton(text, label) {
  const button = h("button", { type: "button", class: "copy", "aria-label": label, title: label, on: { click: () => copy(text(), button) } }, "Copy");
  return button;
}

/** @param {string} text @param {HTMLElement} button */
async function copy(text, button) {
  const done = await write(text);
  setText(button, done ? "Copied" : "Failed");
  setTimeout(() => setText(button, "Copy"), 1500);
}

/** The clipboard belongs to secure pages alone; elsewhere the old command does. @param {string} text */
async function write(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = h("textarea", { class: "unseen", "aria-hidden": "true", tabindex: "-1" });
    area.value = text;
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }
}
