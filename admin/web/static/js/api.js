// Requests to the API. Paths are relative to the page, so that it works below any prefix.

/** Where the token is kept: for this tab, until it is closed. See docs/page.md. */
const place = "foundation-token";

const base = new URL(".", document.baseURI);

/** What the API says is wrong, as an error. */
export class Problem extends Error {
  /** @param {number} status @param {any} body of application/problem+json */
  constructor(status, body) {
    super(body.detail || body.title || `The API answers ${status}.`);
    this.status = status;
    this.code = body.code || "";
    this.retryAfter = 0;
    /** @type {{field: string, message: string, position?: string, excerpt?: string, warning?: boolean}[]} */
    this.problems = body.problems || [];
  }
}

/** Called with each answer that wants a token; the page then asks for one. @type {() => void} */
let onDenied = () => {};

/** @param {() => void} fn */
export function whenDenied(fn) {
  onDenied = fn;
}

/** @param {string} token "" forgets it */
export function setToken(token) {
  if (token) sessionStorage.setItem(place, token);
  else sessionStorage.removeItem(place);
}

/** Whether there is a token. */
export function hasToken() {
  return sessionStorage.getItem(place) !== null;
}

/**
 * Sends a request and returns the answer once its header is there. A refusal is a Problem.
 * @param {string} path below the page, as in "v1/frame"
 * @param {RequestInit} [init]
 */
export async function send(path, init = {}) {
  const headers = new Headers(init.headers);
  const token = sessionStorage.getItem(place);
  if (token) headers.set("Authorization", `Bearer ${token}`);
  const answer = await fetch(new URL(path, base), { cache: "no-store", ...init, headers });
  if (answer.ok) return answer;
  const problem = new Problem(answer.status, await answer.json().catch(() => ({})));
  problem.retryAfter = Number(answer.headers.get("Retry-After")) || 0;
  if (answer.status === 401) onDenied();
  throw problem;
}

/** @param {string} path @param {AbortSignal} [signal] @returns {Promise<any>} */
export async function get(path, signal) {
  return (await send(path, { signal })).json();
}

/**
 * Changes something.
 * @param {"PUT"|"POST"|"DELETE"} method
 * @param {string} path
 * @param {object} [body]
 * @param {Record<string, string>} [headers]
 * @returns {Promise<any>}
 */
export async function change(method, path, body, headers) {
  const answer = await send(path, {
    method, headers: { "Content-Type": "application/json", ...headers }, body: body === undefined ? undefined : JSON.stringify(body),
  });
  return answer.json();
}

/** A path of names, each of which may hold anything. @param {...string} parts */
export function path(...parts) {
  return parts.map((p, i) => (i === 0 ? p : encodeURIComponent(p))).join("/");
}

/** A query; lists stand once for each. @param {string} at @param {Record<string, any>} values */
export function query(at, values) {
  const q = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) {
    for (const v of [value].flat()) if (v !== "" && v !== null && v !== undefined) q.append(name, String(v));
  }
  const text = q.toString();
  return text ? `${at}?${text}` : at;
}
