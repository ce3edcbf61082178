"""What was said against what is stored: nothing lost, nothing twice, everything heard, the words right.

Places are compared by sample within one life of the daemon: the feed of each life begins at sample 0.
"""

import math
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import TypeVar

from voicebridge.domain.units import SAMPLE_RATE
from voicebridge_bench.soak.judges.case import Case, inconclusive, not_judged, outcome_of, plural
from voicebridge_bench.soak.judges.spans import covers
from voicebridge_bench.soak.record import Heard, Played
from voicebridge_bench.soak.verdict import Outcome, Verdict
from voicebridge_bench.words import normalised

Placed = TypeVar("Placed", Heard, Played)

SETTLED = ("done", "rejected", "failed")
UNDERSTOOD = ("done", "rejected")
"""It was heard: there is text, or it was not believed. One that failed, or still waits, is speech without an answer."""
HEARD_SHARE = 0.5
"""So much of a piece is in utterances: a detector leaves out what is quiet at its ends.
Each of 608 pieces of two soaks had 60 % or more."""
SAME_SHARE = 0.5
"""Two utterances that share half of the shorter one are the same speech; a pre-roll shares 0.3 s at most."""
NEAR_SAMPLES = SAMPLE_RATE // 2
"""Text this close to a piece belongs to it: pre-roll and tail."""
FEWEST_PIECES = 10
"""Words of fewer pieces say little about an error of some percent."""
SHORTEST_HOURS = 0.5
"""A rate of some in an hour is not told in less."""
CUT_OFF_SECONDS = 30.0
"""The text of a piece that a fault cut off is settled by then."""
SHOWN = 5
DOUBT = 0.025
"""Chance at which a rate within its bound shows so many."""


def judge(case: Case) -> list[Verdict]:
    """Judge the utterances."""
    if case.record.header.attached:
        why = "Nothing was played: a running service was looked at."
        return [
            not_judged("lost", "No announced utterance lost", "", "The database was not looked into."),
            _doubled(case),
            not_judged("heard", "Everything said was heard", "", why),
            not_judged("word_error", "The words are right", "%", why),
            not_judged("false_utterances", "Nothing heard that nobody said", "/h", why),
        ]
    kept = once(case.record.heard)
    return [_lost(case), _doubled(case), _heard(case, kept), _word_error(case, kept), _false(case, kept)]


def overlap(first: Heard | Played, second: Heard | Played) -> int:
    """Return how many samples two stretches of the same life share."""
    if first.life != second.life:
        return 0
    return max(0, min(first.end_sample, second.end_sample) - max(first.start_sample, second.start_sample))


def _same(first: Heard, second: Heard) -> bool:
    shorter = min(first.end_sample - first.start_sample, second.end_sample - second.start_sample)
    return overlap(first, second) > SAME_SHARE * shorter


def once(heard: Sequence[Heard]) -> list[Heard]:
    """Return utterances in order, those left out that are the one before again."""
    kept: list[Heard] = []
    for utterance in sorted(heard, key=lambda each: (each.life, each.start_sample, each.utterance)):
        if not kept or not _same(kept[-1], utterance):
            kept.append(utterance)
    return kept


def _lost(case: Case) -> Verdict:
    stored = {utterance.utterance for utterance in case.record.heard if utterance.status in SETTLED}
    announced = {told.utterance for told in case.record.announced}
    title = "No announced utterance lost"
    if case.not_harvested:
        return inconclusive("lost", title, "", case.not_harvested)
    lost = sorted(announced - stored)
    sentence = f"Of {plural(len(announced), 'announced utterance')} {len(lost) or 'none'} is missing in the database."
    if len(lost) > 1:
        sentence = sentence.replace(" is missing", " are missing")
    return Verdict(
        "lost", title, outcome_of(not lost), len(lost), 0, "", sentence, {"utterances": lost[:SHOWN]} if lost else {}
    )


def _doubled(case: Case) -> Verdict:
    told = Counter((announced.life, announced.utterance) for announced in case.record.announced)
    again = {utterance for (_, utterance), times in told.items() if times > 1}
    again |= {utterance.utterance for utterance in case.record.heard} - {
        utterance.utterance for utterance in once(case.record.heard)
    }
    sentence = (
        f"{plural(len(again), 'utterance')} stored or announced twice." if again else "Every utterance is there once."
    )
    facts = {"utterances": sorted(again)[:SHOWN]} if again else {}
    if case.not_harvested and not again:
        return inconclusive("doubled", "None twice", "", case.not_harvested)
    return Verdict("doubled", "None twice", outcome_of(not again), len(again), 0, "", sentence, facts)


def _heard(case: Case, kept: Sequence[Heard]) -> Verdict:
    title = "Everything said was heard"
    if not case.record.played:
        return not_judged("heard", title, "", "Nothing was said.")
    if case.not_harvested:
        return inconclusive("heard", title, "", case.not_harvested)
    found = matched(case.record.played, kept)
    missed = [piece for piece, own in zip(case.record.played, found, strict=True) if not _is_heard(piece, own)]
    sentence = (
        f"{plural(len(case.record.played), 'piece')} of speech played, {len(missed) or 'none'} without an utterance."
    )
    facts = (
        {"first": [f"after {piece.began - case.began:.1f} s: {piece.text}" for piece in missed[:SHOWN]]}
        if missed
        else {}
    )
    return Verdict("heard", title, outcome_of(not missed), len(missed), 0, "", sentence, facts)


def _is_heard(piece: Played, own: Sequence[Heard]) -> bool:
    """Return whether utterances that were understood hold enough of a piece; they are apart from each other."""
    shared = sum(overlap(each, piece) for each in own if each.status in UNDERSTOOD)
    return shared >= HEARD_SHARE * (piece.end_sample - piece.start_sample)


def _word_error(case: Case, kept: Sequence[Heard]) -> Verdict:
    title, engine = "The words are right", _engine_of(case)
    bound = case.profile.bounds.word_error.get(engine)
    if case.not_harvested:
        return inconclusive("word_error", title, "%", case.not_harvested)
    pairs = [pair for pair in _said_and_heard(case, kept, engine) if pair[0]]
    if bound is None or not pairs:
        return not_judged("word_error", title, "%", f"No speech was played that the engine {engine} is to understand.")
    error, words = _error_share(pairs)
    sentence = f"{100 * error:.1f} % of {plural(words, 'word')} in {plural(len(pairs), 'piece')} wrong, by {engine}."
    outcome = outcome_of(error <= bound)
    if len(pairs) < FEWEST_PIECES:
        outcome, sentence = Outcome.INCONCLUSIVE, f"{sentence} Fewer than {FEWEST_PIECES} pieces tell nothing."
    return Verdict(
        "word_error", title, outcome, 100 * error, 100 * bound, "%", sentence, {"words": words, "pieces": len(pairs)}
    )


def _said_and_heard(case: Case, kept: Sequence[Heard], engine: str) -> list[tuple[str, str]]:
    """Return what was said and what was understood; pieces that were heard in one utterance go together.

    What was not heard at all is another verdict.
    """
    said: list[list[str]] = []
    heard: list[list[Heard]] = []
    for piece, own in zip(case.record.played, matched(case.record.played, kept), strict=True):
        if piece.engine != engine or not own:
            continue
        if not heard or heard[-1][-1] is not own[0]:
            said.append([])
            heard.append([])
        said[-1].append(piece.text)
        heard[-1] += [each for each in own if each not in heard[-1][-1:]]
    return [
        (normalised(" ".join(texts)), normalised(" ".join(each.text for each in own if each.status == "done")))
        for texts, own in zip(said, heard, strict=True)
    ]


def _error_share(pairs: Sequence[tuple[str, str]]) -> tuple[float, int]:
    import jiwer

    figures = jiwer.process_words([said for said, _ in pairs], [text for _, text in pairs])
    words = figures.hits + figures.substitutions + figures.deletions
    return (figures.substitutions + figures.deletions + figures.insertions) / words, words


def _engine_of(case: Case) -> str:
    kind = case.record.header.settings.get("engine.kind")
    return str(kind) if kind in case.profile.bounds.word_error else case.profile.load.engine


def _false(case: Case, kept: Sequence[Heard]) -> Verdict:
    """Judge text that nobody said: too many only when a rate at the bound would hardly show so many."""
    title, bound, hours = "Nothing heard that nobody said", case.profile.bounds.false_per_hour, case.audio_hours
    if case.not_harvested:
        return inconclusive("false_utterances", title, "/h", case.not_harvested)
    said = _by_life(sorted(case.record.played, key=lambda piece: piece.start_sample))
    texts = [each for each in kept if each.status == "done" and each.text.strip()]
    false = [each for each in texts if not _near(each, said[each.life]) and not _cut_off(case, each, said[each.life])]
    rate = len(false) / hours if hours > 0 else None
    if rate is None:
        return not_judged("false_utterances", title, "/h", "Nothing was soaked.")
    outcome = Outcome.INCONCLUSIVE
    if len(false) > bound * hours and at_least(len(false), bound * hours) < DOUBT:
        outcome = Outcome.FAIL
    elif rate <= bound and (hours >= SHORTEST_HOURS or bound == 0):
        outcome = Outcome.PASS
    count = plural(len(false), "utterance") if false else "No utterance"
    sentence = f"{count} with text that nobody said, in {hours:.1f} h of audio."
    facts = {"first": [each.text for each in false[:SHOWN]]} if false else {}
    return Verdict("false_utterances", title, outcome, rate, bound, "/h", sentence, facts)


def at_least(count: int, mean: float) -> float:
    """Return the chance that a Poisson variable with such a mean is ``count`` or more."""
    below = (
        sum(math.exp(number * math.log(mean) - mean - math.lgamma(number + 1)) for number in range(count))
        if mean > 0
        else 0.0
    )
    return 1.0 - below if mean > 0 else float(count == 0)


def _near(heard: Heard, said: Sequence[Played]) -> bool:
    """Return whether an utterance is at a piece, or just beside it; the pieces are those of its life, in order."""
    place = _first(said, heard.start_sample - NEAR_SAMPLES)
    return place < len(said) and said[place].start_sample < heard.end_sample + NEAR_SAMPLES


def _cut_off(case: Case, heard: Heard, said: Sequence[Played]) -> bool:
    """Return whether what a fault, or the end of a life, left of a piece explains a text; ``said`` is that life's.

    A piece that was cut off by a fault, or by the end of a life, was not played whole and stands nowhere.
    """
    if not case.profile.load.pieces[1]:
        return False
    if heard.at is not None and covers(case.excused(margin_seconds=CUT_OFF_SECONDS), heard.at):
        return True
    return heard.start_sample >= (said[-1].end_sample if said else 0)


def matched(played: Sequence[Played], kept: Sequence[Heard]) -> list[list[Heard]]:
    """Return the utterances that overlap each piece, in order."""
    by_life = _by_life(kept)
    found: list[list[Heard]] = []
    for piece in played:
        near = by_life[piece.life]
        # Utterances of a life are in order and apart, so that both ends can be found by halving.
        low = _first(near, piece.start_sample)
        own: list[Heard] = []
        while low < len(near) and near[low].start_sample < piece.end_sample:
            own.append(near[low])
            low += 1
        found.append(own)
    return found


def _by_life(of: Sequence[Placed]) -> dict[int, list[Placed]]:
    found: dict[int, list[Placed]] = defaultdict(list)
    for each in of:
        found[each.life].append(each)
    return found


def _first(near: Sequence[Heard] | Sequence[Played], sample: int) -> int:
    """Return the index of the first that ends after a sample; they are in order and apart."""
    return bisect_right(near, sample, key=lambda each: each.end_sample)
