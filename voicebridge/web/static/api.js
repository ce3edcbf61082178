/** Requests to the daemon, all to the page's own origin. The token lives in sessionStorage, and nowhere else. */

const TOKEN = "voicebridge.token";
const PATIENCE_MS = 15_000;

export const token = () => sessionStorage.getItem(TOKEN) ?? "";

export function keepToken(text) {
  if (text) sessionStorage.setItem(TOKEN, text);
  else sessionStorage.removeItem(TOKEN);
}

/** The daemon answered, and not with what was asked for; `message` is a sentence for people. */
export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

export function authorized(headers = {}) {
  return token() ? { ...headers, Authorization: `Bearer ${token()}` } : headers;
}

/** GET JSON; parameters that are empty are left out. Raises Refused, or TypeError and others when nobody answers. */
export async function get(path, parameters = {}) {
  const asked = Object.entries(parameters).filter(([, value]) => value !== "" && value !== null && value !== undefined);
  const query = new URLSearchParams(asked).toString();
  const answer = await send(query ? `${path}?${query}` : path, { headers: authorized() });
  return answer.json();
}

/** GET bytes. */
export async function getBytes(path) {
  return (await send(path, { headers: authorized() })).arrayBuffer();
}

/** POST JSON with the token. */
export async function post(path, body) {
  const headers = authorized({ "Content-Type": "application/json" });
  return send(path, { method: "POST", headers, body: JSON.stringify(body) });
}

async function send(path, options) {
  const answer = await fetch(path, { cache: "no-store", signal: AbortSignal.timeout(PATIENCE_MS), ...options });
  if (!answer.ok) throw new Refused(answer.status, await explain(answer));
  return answer;
}

async function explain(answer) {
  const problem = await answer.json().catch(() => ({}));
  return problem.detail || problem.title || `The daemon answered with status ${answer.status}.`;
}

/** The rows of an answer: a list, or the first list in an object. */
export function rows(answer) {
  if (Array.isArray(answer)) return answer;
  return Object.values(answer ?? {}).find(Array.isArray) ?? [];
}
