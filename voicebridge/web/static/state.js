/** The state in a word, a sign and a colour, its reasons with advice, and the figures beside it. */

import { byId, make, tell, visible } from "/static/dom.js";
import { ago, lasting, now, shortTime, wholeNumber } from "/static/times.js";

const STATES = {
  hearing: ["Hearing", "All is well."],
  degraded: ["Degraded", "It hears, and something is wrong."],
  deaf: ["Deaf", "Nothing is heard."],
  starting: ["Starting", "Waiting for the first sound."],
  stopping: ["Stopping", "The daemon is about to end."],
  lost: ["Out of touch", "The daemon does not answer; how it is cannot be told."],
  unknown: ["Unknown", ""],
};
/** Each state has a shape of its own: a tick, a triangle, a struck circle, and so on. */
const SIGNS = {
  hearing: "M12 2a10 10 0 1 0 .01 0ZM7 12.500l3.500 3.500 6.500-7.500",
  degraded: "M12 3 22 21H2ZM12 10v5M12 18v.01",
  deaf: "M12 2a10 10 0 1 0 .01 0ZM8 8l8 8M16 8l-8 8",
  starting: "M12 2a10 10 0 1 0 .01 0ZM12 6v6l4 2",
  stopping: "M3 3h18v18H3ZM9 9h6v6H9Z",
  lost: "M3 9a13 13 0 0 1 18 0M7 13a7 7 0 0 1 10 0M12 18v.01M3 3l18 18",
  unknown: "M12 2a10 10 0 1 0 .01 0ZM9 9a3 3 0 1 1 4 3q-1 .500-1 2M12 17v.01",
};

let announced = "";

/** Show a state: that of the daemon, or `lost`. */
export function showState(state, reasons, hint) {
  const [word, usual] = STATES[state] ?? [state, ""];
  byId("state").dataset.state = state;
  byId("state-sign").setAttribute("d", SIGNS[state] ?? SIGNS.unknown);
  tell(byId("state-word"), word);
  tell(byId("state-hint"), hint || usual);
  document.title = `${word} · Voicebridge`;
  showReasons(reasons);
  announce([word, ...reasons.map((reason) => reason.code)].join(), [word, ...reasons.map((r) => r.sentence)].join(". "));
}

/** Only what is new is read out: a sentence that counts seconds is the same news. */
function announce(news, text) {
  if (news === announced) return;
  announced = news;
  tell(byId("announce-state"), visible(text));
}

function showReasons(reasons) {
  const list = byId("reasons");
  const codes = reasons.map((reason) => reason.code).join();
  if (list.dataset.codes !== codes) {
    list.dataset.codes = codes;
    list.replaceChildren(...reasons.map(reasonItem));
  }
  reasons.forEach((reason, n) => tell(list.children[n].querySelector(".sentence"), visible(reason.sentence)));
}

function reasonItem(reason) {
  return make("li", { class: reason.degrades === false ? "reason told" : "reason" },
    make("span", { class: "sentence", dir: "auto" }),
    reason.advice ? make("span", { class: "advice", dir: "auto" }, ...withCommands(reason.advice)) : null,
    make("code", { class: "dim" }, reason.code));
}

/** Text in which `commands` stand between backticks, as the daemon writes them. */
function withCommands(text) {
  return visible(text).split("`").map((part, n) => (n % 2 ? make("code", {}, part) : part));
}

/** Show the figures of a status. */
export function showFigures(status) {
  const waiting = status.waiting ? `${wholeNumber(status.waiting)} (${lasting(status.backlog_seconds)} of audio)` : "none";
  const figures = [
    ["Up for", lasting(now() - status.started_at), `since ${shortTime(status.started_at)}`],
    ["Source", sourceOf(status), ""],
    ["Engine", engineOf(status), status.engine_state],
    ["Heard", lasting(status.heard_seconds), `${lasting(status.speech_seconds)} of it speech`],
    ["Utterances", wholeNumber(status.utterances), outcomes(status)],
    ["Waiting", waiting, ""],
    ["Delay to text", ...delayInWords(status)],
    ["Gaps", status.gaps ? `${wholeNumber(status.gaps)} (${lasting(status.gap_seconds)})` : "none", gapDetail(status)],
  ];
  const list = byId("figures");
  if (!list.children.length) list.append(...figures.map(([name]) => figure(name)));
  figures.forEach(([, value, detail], n) => {
    tell(list.children[n].querySelector(".value"), value);
    tell(list.children[n].querySelector(".detail"), detail);
  });
}

function figure(name) {
  return make("div", {}, make("dt", {}, name),
    make("dd", {}, make("span", { class: "value" }), make("span", { class: "detail dim" })));
}

/** Names of the parts that feed a file or a pipe; what is heard is the file. */
const FEEDERS = new Set(["replay", "stdin"]);

/** What is really heard, by the name that says most. */
export function sourceOf({ capture, source }) {
  const heard = capture?.source ?? "";
  return visible(!heard || (FEEDERS.has(heard) && source) ? source : heard);
}

/** Engine and model; a model's name often begins with that of its engine, which is said once. */
const engineOf = ({ engine, model }) => visible(model.startsWith(engine) ? model : `${engine} ${model}`.trim());

const HOUR_SECONDS = 3600;
const inMs = (ms) => lasting(ms / 1000);

/** The delay of the last hour, and that of the session beside it: after weeks that one hardly moves any more. */
function delayInWords({ delay_ms: session, delay_hour_ms: hour, uptime_seconds: up }) {
  if (!session?.count) return ["–", ""];
  if (!(up > HOUR_SECONDS)) return [inMs(session.p50), `p95 ${inMs(session.p95)}, in this session`];
  if (!hour?.count) return [inMs(session.p50), `p95 ${inMs(session.p95)}, in this session; nothing in the last hour`];
  const whole = `${inMs(session.p50)}, p95 ${inMs(session.p95)} in this session`;
  return [inMs(hour.p50), `p95 ${inMs(hour.p95)}, in the last hour; ${whole}`];
}

/** The gap that goes on is not counted yet, and is the one that matters. */
function gapDetail(status) {
  const going = status.state === "deaf" && status.deaf_seconds;
  return `in this session${going ? `; nothing is heard now, for ${lasting(status.deaf_seconds)}` : ""}`;
}

function outcomes(status) {
  const told = [`${wholeNumber(status.done)} with text`];
  if (status.rejected) told.push(`${wholeNumber(status.rejected)} rejected`);
  if (status.failed) told.push(`${wholeNumber(status.failed)} failed`);
  return told.join(", ");
}

/** A moment as an element: the clock time, and how long ago beside it. */
export function timeElement(moment) {
  const exact = new Date(moment * 1000);
  return make("time", { datetime: exact.toISOString(), "data-at": moment }, shortTime(moment), " ",
    make("span", { class: "ago dim" }, ago(moment)));
}

/** Bring every "3 min ago" up to date. */
export function refreshAges() {
  for (const element of document.querySelectorAll("time[data-at]")) {
    tell(element.querySelector(".ago"), ago(Number(element.dataset.at)));
  }
}
