/** The page: what comes over the feed, what is asked for from time to time, and which part shows it. */

import { get } from "/static/api.js";
import { CHARTED, makeCharts } from "/static/checkpoints.js";
import { byId, tell, visible } from "/static/dom.js";
import { Feed } from "/static/feed.js";
import { Happened, Measured } from "/static/history.js";
import { holdLevel, showLevel, showNoLevel, showSpeech } from "/static/live.js";
import { askToken, bindLevers, showMute } from "/static/mute.js";
import { endPartial, hideOldPartial, hidePartial, showPartial } from "/static/partial.js";
import { refreshAges, showFigures, showState } from "/static/state.js";
import { clockTime, lasting, now, setAhead, viewerNow, zone } from "/static/times.js";
import { Timeline } from "/static/timeline.js";
import { bindWords, loadWords, takeTimes, takeUtterance } from "/static/words.js";

const STATUS_MS = 5_000;
const HISTORY_MS = 30_000;
const AGES_MS = 1_000;
/** The daemon makes its status four times a second at most: what news is about is in the next one. */
const STATUS_AGE_MS = 400;
/** However much happens at once, the history is asked for once, and not again before a while. */
const NEWS_MS = 1_500;
const NEXT_NEWS_MS = 15_000;
/** Of a box that is new, this much is shown at least. */
const SHORTEST_SECONDS = 300;
/** A page that nobody sees for so long asks for no partials: they cost the daemon decodes. */
const HIDDEN_MS = 3_000;
const UNSEEN_TYPES = ["utterance", "words", "pending", "speech", "state", "level", "gap", "capture", "mute", "engine", "store"];
/** A clock that is off by more is told. */
const CLOCK_SECONDS = 5;

const charts = makeCharts();
const measured = new Measured(CHARTED);
const happened = new Happened();
let timeline = null;
let status = null;
let historyLoadedMs = -Infinity;
let deaf = false;
/** That the engine is not loaded yet: a reason that only the feed tells. */
let engineLoading = null;
/** When the daemon was last heard of, on the viewer's clock; lostSince is null while it answers. */
let lastHeard = viewerNow();
let lostSince = null;
let nextTry = 0;
const planned = new Set();

const feed = new Feed(() => (document.hidden ? `/api/events?types=${UNSEEN_TYPES.join(",")}` : "/api/events"), {
  event: take,
  opened: reopened,
  lost: (error, pauseMs) => {
    nextTry = viewerNow() + pauseMs / 1000;
    if (error?.status === 401) askToken();
    lose(error);
  },
});

const takers = {
  level: (level) => { if (!deaf) showLevel(level.level, Boolean(level.speech)); },
  speech: ({ speech }) => showSpeech(Boolean(speech)),
  partial: showPartial,
  pending: (utterance) => takeUtterance({ ...utterance, status: "pending", said: endPartial(utterance) }),
  utterance: (utterance) => { endPartial(utterance); takeUtterance(utterance); },
  words: takeTimes,
  state: takeState,
  gap: noteNews,
};

function take(type, content) {
  lastHeard = viewerNow();
  if (takers[type]) {
    takers[type](content);
    return;
  }
  soon(loadStatus, STATUS_AGE_MS);
  noteNews();
}

/** Something happened that belongs on the timeline. */
function noteNews() {
  happened.outdate();
  soon(loadHistory, Math.max(NEWS_MS, historyLoadedMs + NEXT_NEWS_MS - performance.now()));
}

function takeState(news) {
  engineLoading = news.reasons.find((reason) => reason.code === "engine_loading");
  showHealth(news.state, news.reasons);
  soon(loadStatus, STATUS_AGE_MS);
  noteNews();
}

/** A deaf daemon has no level: the last one must not look like a new one. */
function showHealth(state, reasons) {
  showState(state, reasons, "");
  deaf = state === "deaf";
  if (deaf) showNoLevel();
}

const reasonsOf = ({ reasons, engine_state: engine }) =>
  (engine === "loading" && engineLoading ? [...reasons, engineLoading] : reasons);

function found() {
  byId("lost").hidden = true;
  byId("connection").dataset.connection = "open";
  tell(byId("connection"), "Live");
}

/** Say that the daemon is lost, and since when; what it said last is not shown as if it held. */
function lose(error) {
  if (lostSince === null) {
    lostSince = lastHeard;
    showNoLevel();
    hidePartial();
  }
  byId("connection").dataset.connection = "lost";
  tell(byId("connection"), "Lost");
  const why = error?.status ? error.message : "The daemon does not answer.";
  byId("lost").hidden = false;
  tell(byId("lost"), `Out of touch since ${clockTime(lostSince)}. ${why} The page tries again by itself.`);
  showState("lost", [], lostHint());
  showMute(null);
}

function lostHint() {
  const wait = Math.max(0, Math.ceil(nextTry - viewerNow()));
  const last = status ? ` It was ${status.state} then, and the figures are of that time.` : "";
  return `For ${lasting(viewerNow() - lostSince)}.${last} ${wait ? `Next try in ${wait} s.` : "Trying now."}`;
}

async function loadStatus() {
  const newest = await get("/api/status");
  status = newest;
  lastHeard = viewerNow();
  noteClock(newest.written_at);
  if (lostSince !== null) return;
  showHealth(newest.state, reasonsOf(newest));
  showFigures(newest);
  showMute(newest);
  tell(byId("place"), location.host);
}

function noteClock(writtenAt) {
  const ahead = writtenAt - viewerNow();
  const off = Math.abs(ahead) > CLOCK_SECONDS;
  setAhead(off ? ahead : 0);
  byId("clock-note").hidden = !off;
  if (off) tell(byId("clock-note"), `The clock of the daemon's machine is ${lasting(Math.abs(ahead))} ${ahead > 0 ? "ahead of" : "behind"} yours. Times are by its clock.`);
}

/** Bring charts and timeline up to date, for the time that is chosen. */
async function loadHistory() {
  const until = now();
  const seconds = chosenSeconds();
  historyLoadedMs = performance.now();
  await Promise.all([measured.load(seconds, until), happened.load(seconds, until)]);
  // Another time may have been chosen meanwhile; that has its own answers.
  if (seconds !== chosenSeconds()) return;
  const from = beginning(happened.answer.sessions, until - seconds, until);
  charts.forEach((chart) => chart.show(measured.rows, from, until, measured.every));
  const deafSince = status?.state === "deaf" && status.deaf_seconds ? until - status.deaf_seconds : null;
  timeline.show(happened.answer, from, until, deafSince);
}

const chosenSeconds = () => Number(byId("range").value);

/** Before the very first session there was nothing; a later one may follow an outage, which is to be seen. */
function beginning(sessions, since, until) {
  const first = sessions.find((session) => session.id === 1);
  return first ? Math.max(since, Math.min(first.started_at, until - SHORTEST_SECONDS)) : since;
}

/** Whatever cannot be had now is asked for again soon: only the feed decides that the daemon is lost. */
const quietly = (load) => load().catch((error) => { if (error.status === 401) askToken(); });

/** Load something after a while, once for all who want it meanwhile; not for a page that nobody sees. */
function soon(load, afterMs) {
  if (planned.has(load)) return;
  planned.add(load);
  setTimeout(() => {
    planned.delete(load);
    if (!document.hidden) quietly(load);
  }, afterMs);
}

/** What nobody sees is not asked for, but for the feed, which keeps the state in the title: a page may lie open for weeks. */
const wanted = () => !document.hidden && lostSince === null;

function refresh() {
  if (document.hidden) return;
  quietly(loadStatus).then(() => quietly(loadHistory));
  soon(loadStatus, STATUS_AGE_MS);
}

function reopened() {
  lostSince = null;
  found();
  refresh();
  quietly(loadWords);
  quietly(async () => tell(byId("software"), `Voicebridge ${visible((await get("/healthz")).version)}.`));
}

function seenOrNot() {
  if (document.hidden) {
    setTimeout(() => feed.move(), HIDDEN_MS);
    return;
  }
  feed.move();
  feed.again();
  refresh();
}

function everySecond() {
  refreshAges();
  hideOldPartial();
  if (lostSince === null) {
    holdLevel();
    return;
  }
  tell(byId("state-hint"), lostHint());
}

function start() {
  byId("charts").append(...charts.map((chart) => chart.element));
  timeline = new Timeline(byId("timeline"));
  tell(byId("zone"), zone());
  bindWords(() => tell(byId("words-note"), "The search was not answered. Try again."));
  bindLevers(() => { feed.again(); refresh(); });
  byId("range").addEventListener("change", () => quietly(loadHistory));
  document.addEventListener("visibilitychange", seenOrNot);
  setInterval(() => { if (wanted()) quietly(loadStatus); }, STATUS_MS);
  setInterval(() => { if (wanted()) quietly(loadHistory); }, HISTORY_MS);
  setInterval(everySecond, AGES_MS);
  feed.run();
}

start();
