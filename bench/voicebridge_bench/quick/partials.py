"""Part `partials`: text while speech goes on: how soon it is shown, whether it flickers, and what it costs.

Delays run from the first sample of the piece's first word (by its level) to the announcement of the first partial that
shows a word, of any kind or stable. A revision is a word of the stable text that the next partial, or the final's,
changed or took away; that of partials among themselves must be none.

What a partial costs a final is told for each piece by itself: how much later its text came than in the sitting without
partials, against the longest decode of a partial that ran between the piece's first word and its text.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from voicebridge_bench.latency.results import Spread, spread_of
from voicebridge_bench.quick.contest import ratio
from voicebridge_bench.quick.pairs import Sitting, Talk, cpu_rounds, hold
from voicebridge_bench.quick.results import Claimed, Goal, QuickFigure, judged
from voicebridge_bench.quick.talks import Told
from voicebridge_bench.words import normalised

WITH, WITHOUT = "with partials", "without"
WAYS = {WITHOUT: ('partials.mode="off"',), WITH: ('partials.mode="on"',)}
BEYOND_GOAL = Goal(
    sense="at most", bound=0, reason="the plan's: no final waits for more than one partial; two sittings differ besides"
)
GOAL = Goal(sense="at most", bound=0, reason="the plan's: what is stable never changes")


def partials(talk: Talk) -> Iterator[QuickFigure]:
    """Yield the figures. Raises VoicebridgeError."""
    yield from figures_of(hold(talk, WAYS))


def figures_of(held: dict[str, list[Sitting]]) -> Iterator[QuickFigure]:
    """Yield the figures of sittings of both kinds."""
    told = [one for sitting in held[WITH] for one in sitting.told]
    yield _shown("first", "first word spoken to first word shown", [first_shown_ms(one) for one in told])
    yield _shown("first_stable", "first word spoken to first stable word", [first_stable_ms(one) for one in told])
    words = sum(len(_last_stable(one)) for one in told)
    revised = sum(revisions([partial["stable"] for partial in one.partials]) for one in told)
    yield judged(_per_word("revisions", "changed words of the stable text by stable word", revised, words), GOAL)
    against = sum(_changed(_last_stable(one), normalised(one.text).split()) for one in told)
    yield judged(_per_word("against_final", "stable words that the final text has otherwise, by word", against, words))
    finals = {name: [[one.after_endpoint_ms / 1000 for one in s.told] for s in held[name]] for name in held}
    if all(one for rounds in finals.values() for one in rounds):
        yield judged(
            ratio("partials.final", "delay of the final after the endpoint, with over without", finals, WITH, WITHOUT)
        )
    yield from _delayed(held)
    cpu = {name: cpu_rounds(sittings) for name, sittings in held.items()}
    yield judged(ratio("partials.cpu", "processor time, with partials over without", cpu, WITH, WITHOUT))


def delayed_ms(held: dict[str, list[Sitting]]) -> list[tuple[float, float]]:
    """Return by how much partials delayed each final that both sittings of its round have, and its longest partial."""
    found = []
    for with_partials, without in zip(held[WITH], held[WITHOUT], strict=True):
        plain = {one.place: one.after_endpoint_ms for one in without.told}
        found += [
            (one.after_endpoint_ms - plain[one.place], max(one.partial_decodes_ms, default=0.0))
            for one in with_partials.told
            if one.place in plain
        ]
    return found


def _delayed(held: dict[str, list[Sitting]]) -> Iterator[QuickFigure]:
    if not (delayed := delayed_ms(held)):
        return
    extra, beyond = (spread_of(list(values)) for values in zip(*((ms, ms - most) for ms, most in delayed), strict=True))
    longest = spread_of([most for _, most in delayed])
    for statistic, value in (("p50", extra.p50), ("p95", extra.p95)):
        claimed = _spread(f"extra.{statistic}", f"a final later than without partials, {statistic}", value, extra)
        yield judged(claimed)
    yield judged(_spread("longest", "the longest decode of a partial of each utterance, p50", longest.p50, longest))
    more = {"largest_ms": round(beyond.maximum, 1), "utterances_above": sum(ms > most for ms, most in delayed)}
    claimed = _spread("beyond_one", "a final later by more than its longest partial, p95", beyond.p95, beyond)
    yield judged(claimed.model_copy(update={"parameters": more}), BEYOND_GOAL)


def _spread(name: str, title: str, value: float | None, spread: Spread) -> Claimed:
    return Claimed(
        name=f"partials.{name}",
        title=title,
        unit="ms",
        value=value,
        n=spread.n,
        sides={WITH: spread},
        withheld=spread.withheld.get("p95", "") if value is None else "",
    )


def first_shown_ms(told: Told) -> float | None:
    """Return when a partial first showed a word, after the first word began; None when none did."""
    return _first(told, ("stable", "tentative"))


def first_stable_ms(told: Told) -> float | None:
    """Return when a partial first had a stable word, likewise."""
    return _first(told, ("stable",))


def revisions(stable: Sequence[str]) -> int:
    """Return how many words of successive stable texts were changed or taken away."""
    texts = [text.split() for text in stable]
    return sum(_changed(before, after) for before, after in pairwise(texts))


def _changed(before: Sequence[str], after: Sequence[str]) -> int:
    """Return how many words of a text do not stand in the same place of the next one."""
    kept = sum(a == b for a, b in zip(before, after, strict=False))
    return len(before) - kept


def _first(told: Told, fields: Sequence[str]) -> float | None:
    moments = [one["at"] for one in told.partials if any(one[field].strip() for field in fields)]
    return 1000 * (moments[0] - told.began_at) if moments else None


def _last_stable(told: Told) -> list[str]:
    return normalised(told.partials[-1]["stable"]).split() if told.partials else []


def _shown(name: str, title: str, delays: Sequence[float | None]) -> QuickFigure:
    seen = [delay for delay in delays if delay is not None]
    claimed = Claimed(
        name=f"partials.{name}",
        title=f"{title}, p50",
        unit="ms",
        value=spread_of(seen).p50 if seen else None,
        n=len(seen),
        sides={WITH: spread_of(seen)} if seen else {},
        parameters={"utterances": len(delays), "without_any": len(delays) - len(seen)},
        withheld="" if seen else "no partial showed a word",
    )
    return judged(claimed)


def _per_word(name: str, title: str, count: int, words: int) -> Claimed:
    return Claimed(
        name=f"partials.{name}",
        title=title,
        unit="count",
        value=count / words if words else None,
        n=words,
        parameters={"changed": count, "stable_words": words},
        withheld="" if words else "there was no stable word",
    )
