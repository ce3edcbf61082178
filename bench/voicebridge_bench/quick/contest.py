"""Two or more ways of doing the same, timed in turns: each round takes every way, and another way goes first each time.

What changes over a run (heat, frequency, other work) then falls on all of them alike. A ratio is the median of the
ratios of neighbours, its interval the cluster bootstrap over rounds (voicebridge_bench.components.measure). Processor
time is taken beside: on a machine that others use, it is the steadier of the two.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from voicebridge_bench.components.measure import LEVEL, Stopwatch, median_interval, ratio_of
from voicebridge_bench.latency.results import spread_of
from voicebridge_bench.quick.results import Claimed

Rounds: TypeAlias = list[list[float]]
"""Seconds by round."""


@dataclass(slots=True)
class Times:
    """How long each way took, by the clock and in processor time of all threads."""

    clock: dict[str, Rounds] = field(default_factory=dict)
    processor: dict[str, Rounds] = field(default_factory=dict)


def in_turns(watch: Stopwatch, ways: Mapping[str, Callable[[], object]], rounds: int, takes: int) -> Times:
    """Return how long each way took, ``takes`` times in each of ``rounds`` rounds; one take of each goes before."""
    times = Times(
        {name: [[] for _ in range(rounds)] for name in ways}, {name: [[] for _ in range(rounds)] for name in ways}
    )
    for call in ways.values():
        call()
    order = list(ways)
    for number in range(rounds):
        for _ in range(takes):
            for name in order:
                before = time.process_time()
                times.clock[name][number].append(watch.seconds(ways[name]))
                times.processor[name][number].append(time.process_time() - before)
            order = [*order[1:], order[0]]
    return times


def paired(name: str, title: str, times: Times, over: str, under: str) -> Claimed:
    """Return how many times as long one way takes as another, by neighbours in time, as a figure."""
    ratios = _ratios(times.clock[over], times.clock[under])
    facts: dict[str, str | int | float | bool] = {}
    if all(seconds > 0 for one in times.processor[under] for seconds in one):
        facts["processor_time_ratio"] = round(_median(_ratios(times.processor[over], times.processor[under])), 3)
    return Claimed(
        name=name,
        title=title,
        unit="times",
        value=_median(ratios),
        interval=median_interval(ratios),
        n=sum(map(len, ratios)),
        sides={side: spread_of(_milliseconds(times.clock[side])) for side in (over, under)},
        parameters=facts,
    )


def ratio(name: str, title: str, rounds: Mapping[str, Sequence[Sequence[float]]], over: str, under: str) -> Claimed:
    """Return the ratio of two medians of seconds, for samples that are no neighbours, as a figure."""
    found = ratio_of(rounds[under], rounds[over], LEVEL)
    return Claimed(
        name=name,
        title=title,
        unit="times",
        value=found.estimate,
        interval=found.interval,
        n=sum(map(len, rounds[over])),
        sides={side: spread_of(_milliseconds(rounds[side])) for side in (over, under)},
    )


def _ratios(over: Rounds, under: Rounds) -> Rounds:
    return [[a / b for a, b in zip(*pair, strict=True)] for pair in zip(over, under, strict=True)]


def _median(rounds: Rounds) -> float:
    return float(np.median([value for one in rounds for value in one]))


def _milliseconds(rounds: Sequence[Sequence[float]]) -> list[float]:
    return [1000 * seconds for one in rounds for seconds in one]
