/** Mute and unmute, after a question that says what is muted and as whom; the token for it. */

import { keepToken, post, token } from "/static/api.js";
import { byId, tell, visible } from "/static/dom.js";
import { sourceOf } from "/static/state.js";

let status = null;
let onChange = () => {};

/** Show on the button what it would do; where nothing may be changed over HTTP, say how it is done instead. */
export function showMute(newest) {
  status = newest;
  const button = byId("mute-button");
  const closed = newest?.may_change === false;
  button.disabled = !newest || closed;
  byId("mute-note").hidden = !closed;
  byId("token-button").hidden = closed;
  tell(byId("mute-command"), newest?.muted ? "voicebridge unmute" : "voicebridge mute");
  tell(button, newest?.muted ? "Unmute" : "Mute");
  button.dataset.muted = String(Boolean(newest?.muted));
}

/** Bind the buttons and dialogs; `changed` is called when something was changed. */
export function bindLevers(changed) {
  onChange = changed;
  byId("mute-button").addEventListener("click", question);
  byId("mute-cancel").addEventListener("click", () => byId("mute-dialog").close());
  byId("mute-form").addEventListener("submit", (event) => {
    event.preventDefault();
    carryOut();
  });
  bindToken();
}

function question() {
  const verb = status.muted ? "Unmute" : "Mute";
  const source = sourceOf(status);
  tell(byId("mute-title"), `${verb} Voicebridge on ${location.host}?`);
  tell(byId("mute-what"), status.muted
    ? `From then on, what “${source}” hears is stored and turned into text again.`
    : `From then on, silence is stored in place of what “${source}” hears, for everybody, until somebody unmutes it.`);
  tell(byId("mute-who"), "It is done as whoever holds the token, over HTTP; the daemon notes that, and when.");
  tell(byId("mute-confirm"), verb);
  byId("mute-token-row").hidden = Boolean(token());
  byId("mute-error").hidden = true;
  byId("mute-dialog").showModal();
}

async function carryOut() {
  if (byId("mute-token").value) keepToken(byId("mute-token").value);
  byId("mute-confirm").disabled = true;
  try {
    await post("/api/mute", { muted: !status.muted });
    byId("mute-token").value = "";
    byId("mute-dialog").close();
    onChange();
  } catch (error) {
    if (error.status === 401 || error.status === 403) {
      keepToken("");
      byId("mute-token-row").hidden = false;
    }
    byId("mute-error").hidden = false;
    tell(byId("mute-error"), visible(error.message));
  } finally {
    byId("mute-confirm").disabled = false;
  }
}

function bindToken() {
  const dialog = byId("token-dialog");
  byId("token-button").addEventListener("click", askToken);
  byId("token-cancel").addEventListener("click", () => dialog.close());
  byId("token-forget").addEventListener("click", () => decide(""));
  byId("token-form").addEventListener("submit", (event) => {
    event.preventDefault();
    decide(byId("token-input").value);
  });
}

function decide(text) {
  keepToken(text);
  byId("token-dialog").close();
  onChange();
}

/** Ask for the token, where it is not asked for already. */
export function askToken() {
  byId("token-input").value = "";
  if (!byId("token-dialog").open) byId("token-dialog").showModal();
}
