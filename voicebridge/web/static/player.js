/**
 * Play-back of kept audio. It is fetched and played through Web Audio, because an <audio> element can carry no token.
 */

import { getBytes } from "/static/api.js";
import { make, tell } from "/static/dom.js";
import { shortTime } from "/static/times.js";

let speaker = null;
let playing = null;

/** A button that plays an utterance, and stops it. */
export function playButton(utterance) {
  const button = make("button", { type: "button", class: "play quiet" });
  label(button, "▶", `Play the audio of ${shortTime(utterance.started_at)}`);
  button.addEventListener("click", () => toggle(button, utterance));
  return button;
}

function label(button, sign, text) {
  button.replaceChildren(make("span", { "aria-hidden": "true" }, sign));
  button.setAttribute("aria-label", text);
  button.title = text;
}

async function toggle(button, utterance) {
  const mine = playing?.button === button;
  stop();
  if (mine) return;
  button.disabled = true;
  try {
    await play(button, utterance);
  } catch (error) {
    label(button, "▶", `The audio cannot be played: ${error.message}`);
    const told = button.parentElement.querySelector(".error") ?? make("span", { class: "error small", role: "alert" });
    tell(told, "No audio");
    button.after(told);
  } finally {
    button.disabled = false;
    button.focus();
  }
}

async function play(button, utterance) {
  speaker ??= new AudioContext();
  const audio = await speaker.decodeAudioData(await getBytes(`/api/utterances/${utterance.utterance_id}/audio`));
  const source = new AudioBufferSourceNode(speaker, { buffer: audio });
  source.connect(speaker.destination);
  source.addEventListener("ended", () => playing?.source === source && stop());
  playing = { button, source, at: utterance.started_at };
  label(button, "■", "Stop");
  await speaker.resume();
  source.start();
}

function stop() {
  if (!playing) return;
  const { button, source, at } = playing;
  playing = null;
  source.stop();
  label(button, "▶", `Play the audio of ${shortTime(at)}`);
}
