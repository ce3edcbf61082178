/** The text as it comes, newest first; older pages; search, by words, kind and day. */

import { get, rows } from "/static/api.js";
import { byId, make, tell, visible } from "/static/dom.js";
import { parts } from "/static/partial.js";
import { playButton } from "/static/player.js";
import { timeElement } from "/static/state.js";
import { lasting, wholeTime } from "/static/times.js";

const PAGE = 30;
/** On a narrow screen the charts stand below the words: so many are shown until older ones are asked for. */
const FEW = 6;
const NARROW = matchMedia("(width < 60rem)");
/** More are not kept in the page: who goes back to older ones leaves the newest, and comes back with a button. */
const MOST = 300;
const KINDS = { pending: "waiting for its text", rejected: "rejected", failed: "failed" };

const EVERYTHING = { words: "", status: "", since: "", until: "" };
let asked = EVERYTHING;
/** How many are kept in the list. */
let room = MOST;
/** Whether the newest one is in the list, so that what comes stands above it. */
let fromTop = true;
/** Answers that come late, to a question asked before, are thrown away. */
let question = 0;

/** Load the first page of what is asked for. */
export async function loadWords() {
  const mine = ++question;
  const few = NARROW.matches && !asked.words;
  const limit = few ? FEW : PAGE;
  const page = await ask(limit);
  if (mine !== question) return;
  room = few ? FEW : MOST;
  fromTop = true;
  byId("utterances").replaceChildren(...page.map(item));
  describe(page, limit);
}

/** Take an utterance that was stored or settled a moment ago. */
export function takeUtterance(utterance) {
  const old = find(utterance.utterance_id);
  if (old && fits(utterance)) old.replaceWith(item(utterance));
  else if (old) remove(old);
  else if (fromTop && !asked.words && fits(utterance)) insert(utterance);
  if (utterance.status === "done") {
    tell(byId("announce-words"), visible(utterance.text));
  }
}

/** Take how sure the words of an utterance are: they are looked for after its text was told. */
export function takeTimes({ utterance_id: id, confidence }) {
  const old = find(id);
  if (!old) return;
  old.utterance = { ...old.utterance, confidence };
  old.querySelector(".about").replaceChildren(...about(old.utterance));
}

/** Bind the search and the button for older ones. */
export function bindWords(onTrouble) {
  const reload = () => loadWords().catch(onTrouble);
  byId("search").addEventListener("submit", (event) => {
    event.preventDefault();
    asked = { words: byId("search-words").value.trim(), status: byId("search-status").value, ...bounds(byId("search-day").value) };
    byId("search-clear").hidden = Object.values(asked).every((value) => value === "");
    reload();
  });
  for (const id of ["search-status", "search-day"]) byId(id).addEventListener("change", () => byId("search").requestSubmit());
  byId("search-clear").addEventListener("click", () => {
    byId("search").reset();
    byId("search").requestSubmit();
    byId("search-words").focus();
  });
  byId("older").addEventListener("click", () => loadOlder().catch(onTrouble));
  byId("newest").addEventListener("click", () => loadWords().then(() => byId("utterances").firstElementChild?.focus()).catch(onTrouble));
}

/** The viewer's day ("2026-11-21") as moments; empty for every day. */
function bounds(day) {
  const [year, month, date] = day.split("-").map(Number);
  if (!date) return { since: "", until: "" };
  return { since: new Date(year, month - 1, date) / 1000, until: new Date(year, month - 1, date + 1) / 1000 };
}

async function loadOlder() {
  const mine = ++question;
  const list = byId("utterances");
  const page = await ask(PAGE, list.lastElementChild?.dataset.id);
  if (mine !== question) return;
  const items = page.map(item);
  list.append(...items);
  room = MOST;
  while (list.children.length > room) {
    list.firstElementChild.remove();
    fromTop = false;
  }
  describe(page, PAGE);
  items[0]?.focus();
}

async function ask(limit, before_id = "") {
  return rows(await get("/api/utterances", { ...asked, limit, before_id }));
}

function describe(page, limit) {
  const count = byId("utterances").children.length;
  // The best hits come first in a search: there is no "older" among them.
  byId("older").hidden = page.length < limit || Boolean(asked.words);
  byId("newest").hidden = fromTop;
  const what = asked.words ? `${page.length === PAGE ? "The best " : ""}${count} found for “${visible(asked.words)}”.` : "";
  tell(byId("words-note"), what || (count ? "" : nothing()));
}

const nothing = () => (asked.status || asked.since ? "Nothing of that kind." : "Nothing yet.");

const find = (id) => byId("utterances").querySelector(`li[data-id="${Number(id)}"]`);

function fits({ status, started_at: at }) {
  return (!asked.status || asked.status === status) && (asked.since === "" || (at >= asked.since && at < asked.until));
}

/** It was among those asked for, and is no more: a waiting one that has its text, say. */
function remove(element) {
  if (element.contains(document.activeElement)) byId("words").focus();
  element.remove();
  if (!byId("utterances").children.length) tell(byId("words-note"), nothing());
}

function insert(utterance) {
  const list = byId("utterances");
  const next = [...list.children].find((other) => Number(other.dataset.id) < utterance.utterance_id) ?? null;
  const fresh = item(utterance);
  fresh.classList.add("fresh");
  list.insertBefore(fresh, next);
  while (list.children.length > room) {
    list.lastElementChild.remove();
    byId("older").hidden = false;
  }
  tell(byId("words-note"), "");
}

function item(utterance) {
  const text = utterance.text ? [visible(utterance.text)] : utterance.said ? parts(utterance.said) : [utterance.status === "pending" ? "…" : "No text"];
  const time = timeElement(utterance.started_at);
  time.title = wholeTime(utterance.started_at);
  const made = make("li", { "data-id": utterance.utterance_id, "data-status": utterance.status, tabindex: "-1" },
    make("div", { class: "when" }, time, utterance.audio_kept ? playButton(utterance) : null),
    make("p", { class: utterance.text ? "text" : "text dim", dir: "auto", lang: utterance.language }, ...text),
    make("p", { class: "about dim" }, ...about(utterance)));
  made.utterance = utterance;
  return made;
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
