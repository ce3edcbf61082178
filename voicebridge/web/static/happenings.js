/** What happened, in words: what was lost, when the daemon did not run, and events by their kinds. */

import { visible } from "/static/dom.js";
import { lasting, now, shortTime } from "/static/times.js";

const LOST = {
  overflow: "The sound system dropped audio",
  overrun: "The listener fell behind",
  device_lost: "The microphone was away",
  stalled: "The stream stood still",
  device_moved: "The sound server led to another source",
  suspend: "The machine slept",
  backlog: "The store could not take more",
};
/** Kinds of events whose name alone says too little; the others are shown by their name. */
const KINDS = {
  capture_began: "First sound",
  capture_lost: "Source lost",
  capture_back: "Hearing again",
  device_moved: "Source changed",
  digital_silence: "Nothing but zeros",
  engine_failed: "Engine not loaded",
  store_alarm: "Store in trouble",
  store_recovered: "Store works again",
  health: "State",
  recovered: "Found at the start",
  stuck_leaving: "Leaving, stuck",
  reloaded: "Settings read again",
  reload_refused: "Settings refused",
};

/** Times between sessions, as [{started_at, seconds}]; the time before the very first session is none. */
export function pausesOf(sessions, from, complete = true) {
  const ran = sessions.toSorted((a, b) => a.started_at - b.started_at);
  if (!ran.length) return [];
  // Before the first of a list that is cut, there were others.
  let end = complete && ran[0].id !== 1 ? from : ran[0].started_at;
  const found = [];
  ran.forEach((one, n) => {
    if (one.started_at > end) found.push({ started_at: end, seconds: one.started_at - end });
    // A session without an end that is not the newest has an end that nobody knows.
    end = Math.max(end, one.ended_at ?? ran[n + 1]?.started_at ?? one.started_at);
  });
  return found;
}

/** All that was lost, in a sentence or more: gaps, pauses between sessions, and an outage that goes on. */
export function lostInWords({ gaps, totals }, pauses, deafSince) {
  const count = totals?.gaps ?? gaps.length;
  const seconds = totals?.gap_seconds ?? gaps.reduce((sum, gap) => sum + gap.seconds, 0);
  const down = pauses.reduce((sum, pause) => sum + pause.seconds, 0);
  const told = [];
  if (count) told.push(`${count.toLocaleString()} ${count === 1 ? "gap" : "gaps"}, ${lasting(seconds)} lost.`);
  if (count > gaps.length) told.push(`The longest ${gaps.length.toLocaleString()} are drawn.`);
  if (pauses.length) told.push(`Not running ${pauses.length > 1 ? `${pauses.length.toLocaleString()} times, ` : ""}for ${lasting(down)}.`);
  if (deafSince) told.push(`Nothing is heard now, for ${lasting(now() - deafSince)}.`);
  return told.join(" ") || "Nothing was lost.";
}

/** How many sessions there were, and how they ended. */
export function sessionsInWords({ sessions, totals }) {
  const count = totals?.sessions ?? sessions.length;
  const crashes = sessions.filter((one) => one.ending && one.ending !== "clean").length;
  return `${count.toLocaleString()} ${count === 1 ? "session" : "sessions"}${crashes ? `, ${crashes} ended badly` : ""}.`;
}

export function gapTitle(gap) {
  if (gap.goes_on) return `Nothing has been heard for ${lasting(now() - gap.started_at)}`;
  return `${LOST[gap.reason] ?? visible(gap.reason)}: ${lasting(gap.seconds)} lost`;
}

export const pauseTitle = (pause) => `Not running for ${lasting(pause.seconds)}`;
export const sessionTitle = (one) => `Session ${one.id}: ${shortTime(one.started_at)} to ${one.ended_at ? shortTime(one.ended_at) : "now"}`;
export const endTitle = (one) => `Session ${one.id} ended: ${visible(one.ending ?? "unknown")}`;

/** An event as [kind, detail], both for people; the detail may be empty. */
export function eventInWords({ kind, detail }) {
  const name = visible(kind).replaceAll("_", " ");
  return [KINDS[kind] ?? name.charAt(0).toUpperCase() + name.slice(1), visible(trimmedDetail(kind, detail ?? ""))];
}

function trimmedDetail(kind, detail) {
  // "whisper whisper-small": the name of a model often begins with that of its engine.
  if (kind === "engine_ready") return detail.replace(/^(\S+) (?=\1)/, "");
  if (kind === "reloaded") return detail.replace(/; after a restart:\s*$/, "");
  if (kind === "health") return detail.replace(/^(\w+) to \1\b/, "still $1");
  if (kind === "muted" || kind === "unmuted") return detail && `by ${detail}`;
  return detail;
}
