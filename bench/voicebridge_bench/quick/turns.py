"""Part `turns`: sentences cut off in the middle, and how long is waited at their end, by fixed and adaptive hangovers.

The corpus is synthesised commands with a pause of known length at a word boundary: both halves are spoken on their own,
the first as one that goes on, and joined by so much of a quiet room. It is heard without a clock, through the daemon's
detector, segmenter and turn rules; a verdict comes when the decode of what was said so far would be done, by the time
that this decode really took. A cut-off is an utterance that silence ended within the sentence. The wait runs from the
true end of the sentence to the endpoint.
"""

import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from voicebridge.domain.audio import Samples, Span
from voicebridge.domain.ports import Detector, Engine, TurnDetector, TurnEvidence
from voicebridge.domain.segments import Ended, MayEnd
from voicebridge.domain.units import FRAME_SAMPLES, ms_to_samples, samples_to_ms
from voicebridge.domain.utterance import EndReason
from voicebridge.pipeline.turn import TurnRules
from voicebridge.settings import EndpointSettings, Settings, WhisperSettings
from voicebridge.speech.whisper import WhisperEngine
from voicebridge.vad.factory import build_detector
from voicebridge.vad.segmenter import Segmenter
from voicebridge_bench.accuracy import CONFIDENCE, RESAMPLINGS
from voicebridge_bench.components.results import Value
from voicebridge_bench.latency.results import Spread, spread_of
from voicebridge_bench.latency.script import quiet
from voicebridge_bench.models import WHISPER_COMMANDS
from voicebridge_bench.quick.results import Claimed, QuickFigure, judged
from voicebridge_bench.quick.talks import trimmed
from voicebridge_bench.speech_corpus import commands, say

PAUSES_MS = (300, 500, 800, 1100)
FIXED_MS = (400, 700, 1000, 1500)
"""Fixed hangovers beside the adaptive one, so that it can be seen against those that wait as long or cut as often."""
LEAST_WORDS = 4
SEED = 43_000_000
LEAD_SECONDS, TAIL_SECONDS = 0.6, 2.6
ADAPTIVE = "adaptive"


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence with a pause in it; ``pause`` and ``end`` are sample indices."""

    text: str
    samples: Samples
    pause: Span
    end: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one sentence under one rule."""

    cut: bool
    wait_ms: float
    reasons: tuple[str, ...] = ()
    """Of the verdicts, in order."""


@dataclass(slots=True)
class Judge:
    """Decodes what was said before a pause and says how long to wait. None of ``turn`` never changes the hangover."""

    engine: Engine
    turn: TurnDetector | None
    reasons: list[str] = field(default_factory=list)

    def verdict(self, sentence: Sentence, said: MayEnd) -> tuple[float, int] | None:
        """Return after how many milliseconds a verdict is there, and the hangover that it gives."""
        if self.turn is None:
            return None
        transcript = self.engine.decode(sentence.samples[said.span.start : said.span.end], said.span.start)
        evidence = TurnEvidence(transcript.text, said.speech.seconds, said.fall_db, transcript.language)
        verdict = self.turn.judge(evidence)
        self.reasons.append(verdict.reason)
        return transcript.decode_ms, verdict.hangover_ms


def turns(count: int, progress: Callable[[str, float], None]) -> Iterator[QuickFigure]:
    """Yield the figures. Raises VoicebridgeError."""
    settings = EndpointSettings(mode="adaptive")
    engine = WhisperEngine(WhisperSettings(word_timestamps=False), WHISPER_COMMANDS, verify=False)
    engine.load()
    detector = build_detector(Settings().vad)
    ways = {f"fixed {fixed} ms": EndpointSettings(hangover_ms=fixed) for fixed in FIXED_MS}
    found: dict[str, list[Outcome]] = {name: [] for name in (*ways, ADAPTIVE)}
    try:
        for number, sentence in enumerate(corpus(count)):
            progress("turns", number / count)
            speech = spoken(detector, sentence.samples)
            for name, endpoint in ways.items():
                found[name].append(heard(sentence, speech, endpoint, Judge(engine, None)))
            found[ADAPTIVE].append(heard(sentence, speech, settings, Judge(engine, TurnRules(settings))))
    finally:
        engine.close()
    yield from figures_of(found)


def corpus(count: int) -> Iterator[Sentence]:
    """Yield sentences with a pause in each. Raises SpeechError without espeak-ng."""
    made, seed = 0, SEED
    while made < count:
        for clip in commands(count, seed):
            if made < count and len(clip.text.split()) >= LEAST_WORDS:
                yield with_pause(clip.text, clip.voice, seed + made)
                made += 1
        seed += count


def with_pause(text: str, voice: str, seed: int) -> Sentence:
    """Return a sentence with a pause at one of its word boundaries."""
    chance = random.Random(seed)  # noqa: S311 - for variety, not for secrets
    words = text.split()
    place = chance.randrange(1, len(words))
    pause_ms = chance.choice(PAUSES_MS)
    room = np.random.default_rng(seed)
    # The comma has espeak-ng speak it as something that goes on; nobody hears a comma.
    first, second = trimmed(say(" ".join(words[:place]) + ",", voice)), trimmed(say(" ".join(words[place:]), voice))
    lead, pause = quiet(LEAD_SECONDS, room), quiet(pause_ms / 1000, room)
    begin = len(lead) + len(first)
    end = begin + len(pause) + len(second)
    samples = np.concatenate((lead, first, pause, second, quiet(TAIL_SECONDS, room)))
    return Sentence(text, samples, Span(begin, begin + len(pause)), end)


def spoken(detector: Detector, samples: Samples) -> list[bool]:
    """Return for each whole frame whether the detector calls it speech."""
    detector.reset()
    whole = len(samples) - len(samples) % FRAME_SAMPLES
    return [detector.is_speech(samples[at : at + FRAME_SAMPLES]) for at in range(0, whole, FRAME_SAMPLES)]


def heard(sentence: Sentence, speech: Sequence[bool], endpoint: EndpointSettings, judge: Judge) -> Outcome:
    """Return what becomes of a sentence: each frame in its turn, a verdict when its decode would be done."""
    segmenter = Segmenter(endpoint)
    due: tuple[int, int, int] | None = None
    cut, ended_at = False, len(sentence.samples)
    for number, is_speech in enumerate(speech):
        start = number * FRAME_SAMPLES
        if due is not None and due[0] <= start:
            segmenter.set_hangover(due[1], due[2])
            due = None
        frame = sentence.samples[start : start + FRAME_SAMPLES].astype(np.float64)
        for event in segmenter.push(start, FRAME_SAMPLES, is_speech, float(np.sqrt(np.mean(frame**2)))):
            if isinstance(event, MayEnd) and (verdict := judge.verdict(sentence, event)) is not None:
                due = (start + FRAME_SAMPLES + ms_to_samples(verdict[0]), event.speech.end, verdict[1])
            elif isinstance(event, Ended) and event.reason is EndReason.HANGOVER:
                # What ends before the second half was said, or while it is, was cut off.
                cut, ended_at = cut or start < sentence.end, start + FRAME_SAMPLES
    return Outcome(cut, samples_to_ms(ended_at - sentence.end), tuple(judge.reasons))


def figures_of(found: dict[str, list[Outcome]]) -> Iterator[QuickFigure]:
    """Yield cut-offs and waits of each way, then the adaptive one against the hangover of the settings."""
    usual = f"fixed {EndpointSettings().hangover_ms} ms"
    spreads = {name: spread_of([one.wait_ms for one in outcomes]) for name, outcomes in found.items()}
    for name, outcomes in found.items():
        yield _cut_offs(name, outcomes)
        yield _wait(name, spreads[name])
    ours, theirs = found[ADAPTIVE], found[usual]
    more = [100.0 * (a.cut - b.cut) for a, b in zip(ours, theirs, strict=True)]
    longer = [a.wait_ms - b.wait_ms for a, b in zip(ours, theirs, strict=True)]
    reasons = Counter(reason for one in ours for reason in one.reasons)
    facts: dict[str, Value] = {f"verdict: {reason}": count for reason, count in sorted(reasons.items())}
    yield _difference("cut_offs", f"cut-offs, adaptive less {usual}", "points", more, facts)
    yield _difference("wait", f"wait at the end, adaptive less {usual}", "ms", longer, {})


def _cut_offs(name: str, outcomes: Sequence[Outcome]) -> QuickFigure:
    share = 100 * sum(one.cut for one in outcomes) / len(outcomes)
    slug = name.replace(" ", "_")
    claimed = Claimed(name=f"turns.cut.{slug}", title=f"cut off, {name}", unit="%", value=share, n=len(outcomes))
    return judged(claimed)


def _wait(name: str, spread: Spread) -> QuickFigure:
    claimed = Claimed(
        name=f"turns.wait.{name.replace(' ', '_')}",
        title=f"mean wait at the end, {name}",
        unit="ms",
        value=spread.mean,
        n=spread.n,
        sides={name: spread},
    )
    return judged(claimed)


def _difference(name: str, title: str, unit: str, differences: Sequence[float], facts: dict[str, Value]) -> QuickFigure:
    """Return a mean of paired differences with its bootstrap interval over sentences."""
    values = np.array(differences, float)
    picks = np.random.default_rng(0).integers(0, len(values), (RESAMPLINGS, len(values)))
    low, high = np.quantile(values[picks].mean(axis=1), [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2]).tolist()
    claimed = Claimed.model_validate(
        {
            "name": f"turns.{name}",
            "title": title,
            "unit": unit,
            "value": float(values.mean()),
            "interval": (low, high),
            "n": len(values),
            "parameters": facts,
        }
    )
    return judged(claimed)
