/** The text as it comes, newest first; older pages; search. */

import { get, rows } from "/static/api.js";
import { byId, make, tell, visible } from "/static/dom.js";
import { playButton } from "/static/player.js";
import { timeElement } from "/static/state.js";
import { lasting, wholeTime } from "/static/times.js";

const PAGE = 30;
/** More are not kept in the page: the oldest go, and come back with "Older". */
const MOST = 300;
const KINDS = { pending: "waiting for its text", rejected: "rejected", failed: "failed" };

let asked = { words: "", status: "" };
/** Answers that come late, to a question asked before, are thrown away. */
let question = 0;

/** Load the first page of what is asked for. */
export async function loadWords() {
  const mine = ++question;
  const page = await ask();
  if (mine !== question) return;
  byId("utterances").replaceChildren(...page.map(item));
  describe(page);
}

/** Take an utterance that was stored or settled a moment ago. */
export function takeUtterance(utterance) {
  const old = find(utterance.utterance_id);
  if (old) old.replaceWith(item(utterance));
  else if (!asked.words && fits(utterance)) insert(utterance);
  if (utterance.status === "done") {
    tell(byId("announce-words"), visible(utterance.text));
  }
}

/** Bind the search and the button for older ones. */
export function bindWords(onTrouble) {
  const reload = () => loadWords().catch(onTrouble);
  byId("search").addEventListener("submit", (event) => {
    event.preventDefault();
    asked = { words: byId("search-words").value.trim(), status: byId("search-status").value };
    byId("search-clear").hidden = !asked.words && !asked.status;
    reload();
  });
  byId("search-status").addEventListener("change", () => byId("search").requestSubmit());
  byId("search-clear").addEventListener("click", () => {
    byId("search").reset();
    byId("search").requestSubmit();
    byId("search-words").focus();
  });
  byId("older").addEventListener("click", () => loadOlder().catch(onTrouble));
}

async function loadOlder() {
  const last = byId("utterances").lastElementChild;
  const page = await ask(last.dataset.id);
  const items = page.map(item);
  byId("utterances").append(...items);
  describe(page);
  items[0]?.focus();
}

async function ask(before_id = "") {
  return rows(await get("/api/utterances", { words: asked.words, status: asked.status, limit: PAGE, before_id }));
}

function describe(page) {
  const count = byId("utterances").children.length;
  // The best hits come first in a search: there is no "older" among them.
  byId("older").hidden = page.length < PAGE || Boolean(asked.words) || count >= MOST;
  const what = asked.words ? `${page.length === PAGE ? "The best " : ""}${count} found for “${visible(asked.words)}”.` : "";
  tell(byId("words-note"), what || (count ? "" : "Nothing yet."));
}

const find = (id) => byId("utterances").querySelector(`li[data-id="${Number(id)}"]`);
const fits = (utterance) => !asked.status || asked.status === utterance.status;

function insert(utterance) {
  const list = byId("utterances");
  const next = [...list.children].find((other) => Number(other.dataset.id) < utterance.utterance_id) ?? null;
  const fresh = item(utterance);
  fresh.classList.add("fresh");
  list.insertBefore(fresh, next);
  while (list.children.length > MOST) {
    list.lastElementChild.remove();
    byId("older").hidden = true;
  }
  tell(byId("words-note"), "");
}

function item(utterance) {
  const text = utterance.text ? visible(utterance.text) : utterance.status === "pending" ? "…" : "No text";
  const time = timeElement(utterance.started_at);
  time.title = wholeTime(utterance.started_at);
  return make("li", { "data-id": utterance.utterance_id, "data-status": utterance.status, tabindex: "-1" },
    make("div", { class: "when" }, time, utterance.audio_kept ? playButton(utterance) : null),
    make("p", { class: utterance.text ? "text" : "text dim", dir: "auto", lang: utterance.language }, text),
    make("p", { class: "about dim" }, ...about(utterance)));
}

function about(utterance) {
  const told = [];
  if (KINDS[utterance.status]) told.push(make("span", { class: `kind ${utterance.status}` }, KINDS[utterance.status]));
  if (utterance.reasons?.length) told.push(visible(utterance.reasons.join("; ")));
  told.push(`${lasting(utterance.ended_at - utterance.started_at)} long`);
  if (Number.isFinite(utterance.delay_ms)) told.push(`text after ${lasting(utterance.delay_ms / 1000)}`);
  if (Number.isFinite(utterance.confidence)) told.push(`confidence ${Math.round(utterance.confidence * 100)} %`);
  if (utterance.language) told.push(visible(utterance.language));
  return told.flatMap((part, n) => (n ? [" · ", part] : [part]));
}
