"""Part `turns`: sentences cut off in the middle, and how long is waited at their end, by fixed and adaptive hangovers.

The corpus is synthesised commands with a pause of known length in each (voicebridge_bench.quick.sentences). It is heard
without a clock, through what the daemon has: detector, segmenter, the judgement whether a decode is worth its while,
quality gate, turn rules and the bounds of the settings. A verdict comes when the decode of what was said so far would
be done, by the time that this decode really took, and is void when speech has gone on, or the utterance has ended, by
then. A cut-off is an utterance that silence ended within the sentence. The wait runs from the true end of the sentence
to the endpoint.

The small Whisper was trained on whole sentences, and completes half ones. So the rules are measured twice: with the
words that it finds, and with those that were said, as an engine without errors would give them.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from voicebridge.domain.audio import Samples
from voicebridge.domain.ports import Detector, Engine, TurnDetector
from voicebridge.domain.segments import Ended, MayEnd, Resumed
from voicebridge.domain.units import FRAME_SAMPLES, ms_to_samples, samples_to_ms
from voicebridge.domain.utterance import EndReason
from voicebridge.pipeline.decode_pace import DecodePace, is_worthwhile
from voicebridge.pipeline.pauses import Pauses
from voicebridge.pipeline.session_clock import SessionClock
from voicebridge.settings import EndpointSettings, GateSettings, Settings
from voicebridge.speech.whisper import WhisperEngine
from voicebridge.vad.factory import build_detector
from voicebridge.vad.segmenter import Segmenter
from voicebridge_bench.accuracy import CONFIDENCE, RESAMPLINGS
from voicebridge_bench.components.results import Value
from voicebridge_bench.latency.results import Spread, spread_of
from voicebridge_bench.models import WHISPER_COMMANDS
from voicebridge_bench.quick.results import Claimed, QuickFigure, judged
from voicebridge_bench.quick.sentences import ANY, Sentence, corpus
from voicebridge_bench.quick.where import Where

FIXED_MS = (400, 700, 1000, 1500)
"""Fixed hangovers beside the adaptive one, so that it can be seen against those that wait as long or cut as often."""
ADAPTIVE = "adaptive"
AS_SAID = "adaptive, words as said"
OPEN_WORDS = "open words"
NOT_WORTHWHILE, NOT_BELIEVED = "(no decode: not worth it)", "(no verdict: not believed)"
RESUMED, LATE = "(void: speech went on)", "(void: it had ended)"
"""Pauses without a verdict, among the reasons of those with one."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one sentence under one rule."""

    cut: bool
    wait_ms: float
    reasons: tuple[str, ...] = ()
    """Of the verdicts, in order."""
    kind: str = ANY
    """Of the place of its pause."""


@dataclass(frozen=True, slots=True)
class Coming:
    """A verdict that is there when its decode is done; without a hangover where there is none."""

    after_ms: float
    reason: str
    hangover_ms: int | None = None


class _Nowhen:
    """Implements StampedRing, of a session in which nothing has come: the moments of pauses are not asked for."""

    def mark(self) -> tuple[int, float]:
        """Return that nothing has come."""
        return 0, 0.0


@dataclass(slots=True)
class Judge:
    """Decodes what was said before a pause, as the transcriber does, and says how long to wait."""

    engine: Engine
    endpoint: EndpointSettings
    detector: TurnDetector | None = None
    """None for the rules."""
    as_said: bool = False
    """Whether the words are those that were said, and not those that the engine finds."""
    gate: GateSettings = field(default_factory=GateSettings)
    _pace: DecodePace = field(default_factory=DecodePace)

    def verdict(self, sentence: Sentence, said: MayEnd, now: int) -> Coming | None:
        """Return what comes of a pause, judged at a sample; None where the mode is ``fixed``."""
        if self.endpoint.mode == "fixed":
            return None
        left_seconds = (self.endpoint.hangover_ms - samples_to_ms(now - said.speech.end)) / 1000
        if not is_worthwhile(self._pace.expected_seconds(said.span.seconds), left_seconds, left_seconds):
            return Coming(0.0, NOT_WORTHWHILE)
        transcript = self.engine.decode(sentence.samples[said.span.start : said.span.end], said.span.start)
        self._pace.note(said.span.seconds, transcript.decode_ms / 1000)
        if self.as_said:
            transcript = replace(transcript, text=sentence.said(said.speech.end))
        pauses = Pauses(SessionClock(_Nowhen(), paced=False, anchor_seconds=60.0), self.endpoint, self.detector)
        verdict = pauses.verdict(said, transcript, self.gate)
        if verdict is None:
            return Coming(transcript.decode_ms, NOT_BELIEVED)
        return Coming(transcript.decode_ms, verdict.reason, verdict.hangover_ms)


def turns(count: int, progress: Callable[[str, float], None], where: Where | None = None) -> Iterator[QuickFigure]:
    """Yield the figures. Raises SpeechError."""
    adaptive = EndpointSettings(mode="adaptive")
    engine = WhisperEngine((where or Where()).settings(word_timestamps=False), WHISPER_COMMANDS, verify=False)
    engine.load()
    detector = build_detector(Settings().vad)
    judges = {f"fixed {fixed} ms": Judge(engine, EndpointSettings(hangover_ms=fixed)) for fixed in FIXED_MS}
    judges |= {ADAPTIVE: Judge(engine, adaptive), AS_SAID: Judge(engine, adaptive, as_said=True)}
    found: dict[str, list[Outcome]] = {name: [] for name in judges}
    try:
        for number, sentence in enumerate(corpus(count)):
            progress("turns", number / count)
            speech = spoken(detector, sentence.samples)
            for name, judge in judges.items():
                found[name].append(heard(sentence, speech, judge))
    finally:
        engine.close()
    yield from figures_of(found)


def spoken(detector: Detector, samples: Samples) -> list[bool]:
    """Return for each whole frame whether the detector calls it speech."""
    detector.reset()
    whole = len(samples) - len(samples) % FRAME_SAMPLES
    return [detector.is_speech(samples[at : at + FRAME_SAMPLES]) for at in range(0, whole, FRAME_SAMPLES)]


def heard(sentence: Sentence, speech: Sequence[bool], judge: Judge) -> Outcome:
    """Return what becomes of a sentence: each frame in its turn, a verdict when its decode would be done."""
    segmenter = Segmenter(judge.endpoint)
    due: tuple[int, int, Coming] | None = None
    reasons: list[str] = []
    cut, ended_at = False, len(sentence.samples)
    for number, is_speech in enumerate(speech):
        start = number * FRAME_SAMPLES
        now = start + FRAME_SAMPLES
        if due is not None and due[0] <= start:
            reasons.append(due[2].reason)
            if due[2].hangover_ms is not None:
                segmenter.set_hangover(due[1], due[2].hangover_ms)
            due = None
        frame = sentence.samples[start:now].astype(np.float64)
        for event in segmenter.push(start, FRAME_SAMPLES, is_speech, float(np.sqrt(np.mean(frame**2)))):
            if isinstance(event, MayEnd) and (coming := judge.verdict(sentence, event, now)) is not None:
                due = (now + ms_to_samples(coming.after_ms), event.speech.end, coming)
            elif isinstance(event, Resumed) and due is not None:
                reasons.append(RESUMED)
                due = None
            elif isinstance(event, Ended) and event.reason is EndReason.HANGOVER:
                # What ends before the second half was said, or while it is, was cut off.
                cut, ended_at = cut or start < sentence.end, now
                reasons += [LATE] if due is not None else []
                due = None
    return Outcome(cut, samples_to_ms(ended_at - sentence.end), tuple(reasons), sentence.kind)


def figures_of(found: dict[str, list[Outcome]]) -> Iterator[QuickFigure]:
    """Yield cut-offs and waits of each way, then the adaptive ones against the hangover of the settings."""
    usual = f"fixed {EndpointSettings().hangover_ms} ms"
    for name, outcomes in found.items():
        yield _cut_offs(name, outcomes)
        yield _wait(name, spread_of([one.wait_ms for one in outcomes]))
    for way, slug in ((ADAPTIVE, ""), (AS_SAID, "as_said.")):
        for group in (ANY, OPEN_WORDS):
            pairs = [
                (ours, theirs)
                for ours, theirs in zip(found[way], found[usual], strict=True)
                if (ours.kind == ANY) == (group == ANY)
            ]
            if pairs:
                yield from _against(pairs, (slug + group.replace(" ", "_"), f"{way} less {usual}, pause after {group}"))


def _against(pairs: Sequence[tuple[Outcome, Outcome]], name: tuple[str, str]) -> Iterator[QuickFigure]:
    slug, title = name
    more = [100.0 * (ours.cut - theirs.cut) for ours, theirs in pairs]
    longer = [ours.wait_ms - theirs.wait_ms for ours, theirs in pairs]
    reasons = Counter(reason for ours, _ in pairs for reason in ours.reasons)
    facts: dict[str, Value] = {f"verdict: {reason}": count for reason, count in sorted(reasons.items())}
    yield _difference(f"{slug}.cut_offs", f"cut-offs, {title}", "points", more, facts)
    yield _difference(f"{slug}.wait", f"wait at the end, {title}", "ms", longer, {})


def _cut_offs(name: str, outcomes: Sequence[Outcome]) -> QuickFigure:
    share = 100 * sum(one.cut for one in outcomes) / len(outcomes)
    kinds = sorted({one.kind for one in outcomes})
    facts: dict[str, Value] = {f"after {kind}": _share([one for one in outcomes if one.kind == kind]) for kind in kinds}
    claimed = Claimed(
        name=f"turns.cut.{_slug(name)}",
        title=f"cut off, {name}",
        unit="%",
        value=share,
        n=len(outcomes),
        parameters=facts,
    )
    return judged(claimed)


def _share(outcomes: Sequence[Outcome]) -> str:
    return f"{sum(one.cut for one in outcomes)} of {len(outcomes)}"


def _slug(name: str) -> str:
    return name.replace(",", "").replace(" ", "_")


def _wait(name: str, spread: Spread) -> QuickFigure:
    claimed = Claimed(
        name=f"turns.wait.{_slug(name)}",
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
