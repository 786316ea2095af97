// Asks for a token where the API wants one. It is kept in the session storage of the tab: a
// reload does not lose it, another tab does not have it, no request carries it by itself, and
// it is gone with the tab.

import { get, hasToken, setToken } from "./api.js";
import { h, setText } from "./dom.js";

let open = false;

/** @param {import("./app.js").App} app */
export function askToken(app) {
  if (open) return;
  open = true;
  const input = h("input", { type: "password", name: "token", required: true, autocomplete: "current-password", spellcheck: "false" });
  const wrong = h("div", { class: "wrong", role: "alert" }, hasToken() ? "The API does not accept the token." : "");
  const form = h("form", { method: "dialog" },
    h("h2", { id: "token-title" }, "Token"), h("p", null, "The API answers whoever shows a token: one of ", h("code", null, "admin.tokens"), " in the configuration."),
    h("label", null, h("span", null, "Token"), input), h("p", { class: "quiet" }, "Kept for this tab, until it is closed."), wrong,
    h("div", { class: "buttons" }, h("button", { type: "submit", class: "main" }, "Sign in")));
  const dialog = h("dialog", { "aria-labelledby": "token-title", on: { close: () => { open = false; dialog.remove(); } } }, form);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    setToken(input.value.trim());
    try {
      await get("v1/me");
    } catch (err) {
      setToken("");
      setText(wrong, err.message);
      return;
    }
    dialog.close();
    app.signedIn();
  });
  document.body.append(dialog);
  dialog.showModal();
  input.focus();
}
