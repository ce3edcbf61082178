/** What is being said: the text of open speech, until the utterance has its own. */

import { byId, make, visible } from "/static/dom.js";

/** No utterance lasts longer; what has not changed for so long is not being said any more. */
const LONGEST_MS = 30_000;

let shown = null;
let changedMs = 0;

/** The two parts of a text that is not final: what stays, and what may change. They differ by more than colour. */
export function parts({ stable, tentative }) {
  return [
    make("span", { class: "stable" }, visible(stable)),
    make("span", { class: "tentative", title: "May still change" }, visible(tentative)),
  ];
}

/** Show the newest text of open speech. */
export function showPartial(partial) {
  shown = partial;
  changedMs = performance.now();
  byId("partial-text").replaceChildren(...parts(partial));
  byId("partial").hidden = !(partial.stable || partial.tentative);
}

/** The utterance has ended, or has its text: return what it said so far, if that was shown, and show it no more. */
export function endPartial({ session_id: session, start_sample: start }) {
  if (!shown || shown.session_id !== session || shown.start_sample !== start) return null;
  const last = shown;
  hidePartial();
  return last;
}

/** What was being said is not known any more. */
export function hidePartial() {
  shown = null;
  byId("partial").hidden = true;
}

/** Whatever became of it, it is over. */
export function hideOldPartial() {
  if (shown && performance.now() - changedMs > LONGEST_MS) hidePartial();
}
