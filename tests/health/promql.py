"""Queries checked against a scrape: they parse, every selector finds a sample, every label they go by exists."""

import re
from collections.abc import Iterable

import promql_parser
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

TARGET = {"job": "voicebridge", "instance": "box:8090"}
"""What Prometheus adds to every sample of a target."""
_BY_PATTERN = [promql_parser.MatchOp.Re, promql_parser.MatchOp.NotRe]
_EXCLUDING = [promql_parser.MatchOp.NotEqual, promql_parser.MatchOp.NotRe]


def _fits(matcher: promql_parser.Matcher, wanted: str, found: str) -> bool:
    matched = re.fullmatch(wanted, found) is not None if matcher.op in _BY_PATTERN else wanted == found
    return matched != (matcher.op in _EXCLUDING)


def samples_of(scrape: str) -> list[Sample]:
    """Return the samples of a scrape as Prometheus keeps them, with `up`."""
    found = [sample for family in text_string_to_metric_families(scrape) for sample in family.samples]
    return [*(sample._replace(labels={**sample.labels, **TARGET}) for sample in found), Sample("up", TARGET, 1.0)]


def faults(query: str, samples: Iterable[Sample]) -> list[str]:
    """Return what is wrong with a query, in sentences. Raises ValueError when it is no PromQL."""
    checker = _Checker(list(samples))
    promql_parser.walk(promql_parser.parse(query), checker.visit)
    return [*checker.faults, *checker.unknown_labels()]


class _Checker:
    def __init__(self, samples: list[Sample]) -> None:
        self.faults: list[str] = []
        self._samples = samples
        self._labels: set[str] = set()
        self._grouped: set[str] = set()

    def visit(self, node: promql_parser.Expr) -> None:
        if isinstance(node, promql_parser.VectorSelector):
            self._select(node)
        elif isinstance(node, promql_parser.AggregateExpr) and node.modifier is not None:
            self._grouped.update(node.modifier.labels)
        elif isinstance(node, promql_parser.BinaryExpr) and node.modifier is not None:
            self._grouped.update(node.modifier.matching.labels if node.modifier.matching is not None else ())

    def unknown_labels(self) -> list[str]:
        return [f"no sample has the label {label}" for label in sorted(self._grouped - self._labels)]

    def _select(self, selector: promql_parser.VectorSelector) -> None:
        named = [sample for sample in self._samples if sample.name == selector.name]
        if not named:
            self.faults.append(f"there is no {selector.name}")
            return
        self._labels.update(label for sample in named for label in sample.labels)
        for matcher in selector.matchers.matchers:
            for value in _alternatives(matcher):
                if not any(_fits(matcher, value, sample.labels.get(matcher.name, "")) for sample in named):
                    self.faults.append(f"{selector.name} has no {matcher.name} like {value!r}")


def _alternatives(matcher: promql_parser.Matcher) -> list[str]:
    """Return each of the values that a list such as `a|b` names: one misspelt name in it would never be noticed."""
    return matcher.value.split("|") if matcher.op == promql_parser.MatchOp.Re else [matcher.value]
