"""Sentences with a pause in them, for the part `turns`: half of them after any word, half after words that want more.

They are synthesised commands. Both halves are spoken on their own, the first as one that goes on, and joined by so much
of a quiet room. Of the second half of the corpus the kinds take turns, so that each rule for open sentences has
something to judge: with any word, few of them would ever come up.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from voicebridge.domain.audio import Samples, Span
from voicebridge.pipeline.turn import OPEN_ENDED, WANTS_UNIT
from voicebridge_bench.latency.script import quiet
from voicebridge_bench.quick.talks import trimmed
from voicebridge_bench.recipe.grammar import DIGITS, TEENS, TENS, sentence
from voicebridge_bench.recipe.synthesis import ACCENTS, HELD_OUT_VARIANTS, available
from voicebridge_bench.speech_corpus import say

PAUSES_MS = (300, 500, 800, 1100)
LEAST_WORDS = 4
SEED = 44_000_000
"""Held out: the rules, and how far a voice must fall, were chosen on sentences of seeds from 43,000,000 on."""
LEAD_SECONDS, TAIL_SECONDS = 0.6, 2.6
ANY = "any word"
OPEN = ("conjunction", "preposition", "article", "filler", "comma", "unit", "mid-number")
"""After what kind of word: the names of the rules."""
FILLER = "um"
NUMBERS = frozenset((*DIGITS, *TEENS, *TENS))


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence with a pause in it; ``pause`` and ``end`` are sample indices."""

    text: str
    samples: Samples
    pause: Span
    end: int
    before: str = ""
    """What was said before the pause, as somebody would write it who knows that more is to come."""
    kind: str = ANY

    def said(self, end: int) -> str:
        """Return what was said up to a sample."""
        return self.before if end < self.pause.end else self.text


def corpus(count: int) -> Iterator[Sentence]:
    """Yield so many sentences. Raises SpeechError without espeak-ng."""
    seed = SEED
    for number in range(count):
        kind = ANY if number % 2 == 0 else OPEN[number // 2 % len(OPEN)]
        while not places(text := sentence(random.Random(seed)), kind):  # noqa: S311 - for variety, not for secrets
            seed += 1
        yield with_pause(text, _voice(seed), seed, kind)
        seed += 1


def places(text: str, kind: str) -> Sequence[int]:
    """Return before which words of a sentence, by number, a pause of this kind can be; of none that is too short."""
    words = [word.lower().rstrip(".?") for word in text.split()]
    if len(words) < LEAST_WORDS:
        return ()
    return [place for place in range(1, len(words)) if _fits(words, place, kind)]


def with_pause(text: str, voice: str, seed: int, kind: str = ANY) -> Sentence:
    """Return a sentence with a pause at one of its word boundaries of this kind."""
    chance = random.Random(seed)  # noqa: S311 - for variety, not for secrets
    words = text.split()
    place = chance.choice(places(text, kind))
    pause_ms = chance.choice(PAUSES_MS)
    room = np.random.default_rng(seed)
    before = " ".join([*words[:place], *([FILLER] if kind == "filler" else [])])
    # The comma has espeak-ng speak it as something that goes on; nobody hears a comma.
    first, second = trimmed(say(f"{before},", voice)), trimmed(say(" ".join(words[place:]), voice))
    lead, pause = quiet(LEAD_SECONDS, room), quiet(pause_ms / 1000, room)
    begin = len(lead) + len(first)
    end = begin + len(pause) + len(second)
    samples = np.concatenate((lead, first, pause, second, quiet(TAIL_SECONDS, room)))
    before += "," if kind == "comma" else ""
    whole = f"{before} {' '.join(words[place:])}"
    return Sentence(whole, samples, Span(begin, begin + len(pause)), end, before, kind)


def _fits(words: Sequence[str], place: int, kind: str) -> bool:
    before, last, following = words[: place - 1], words[place - 1], words[place]
    match kind:
        case "unit":
            while before and before[-1] in NUMBERS:
                before = before[:-1]
            return last in NUMBERS and following not in NUMBERS and bool(before) and before[-1] in WANTS_UNIT
        case "mid-number":
            return last in NUMBERS and following in NUMBERS and bool(before) and before[-1] in NUMBERS
        case "conjunction" | "preposition" | "article":
            return last in OPEN_ENDED[kind].split()
        case _:
            return True


def _voice(seed: int) -> str:
    chance = random.Random(seed)  # noqa: S311 - for variety, not for secrets
    return f"{chance.choice(ACCENTS)}+{chance.choice(available(HELD_OUT_VARIANTS))}"
