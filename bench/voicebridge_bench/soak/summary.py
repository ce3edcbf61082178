"""What stands on the terminal in the end: one screen."""

import textwrap
from collections.abc import Sequence

import click

from voicebridge_bench.soak.figures import told
from voicebridge_bench.soak.judges.case import Case
from voicebridge_bench.soak.profiles import profile_of
from voicebridge_bench.soak.record import Record
from voicebridge_bench.soak.told import facts, headline, result
from voicebridge_bench.soak.verdict import Judgement, Outcome, Verdict

COLUMNS = 96
COLOURS = {"passed": "green", "failed": "red", "incomplete": "yellow"}
_LABELS = {Outcome.FAIL: "FAIL", Outcome.INCONCLUSIVE: "inconclusive", Outcome.PASS: "pass", Outcome.NOT_JUDGED: "-"}
_PAINT = {Outcome.FAIL: "red", Outcome.INCONCLUSIVE: "yellow", Outcome.PASS: "green", Outcome.NOT_JUDGED: None}


def summary(record: Record, judgement: Judgement) -> str:
    """Return the summary; coloured, where click shows colours."""
    case = Case(record, profile_of(record.header))
    known = facts(case)
    word = result(judgement)
    lines = [
        f"Soak {word.upper() if judgement.failed else word}: {headline(judgement)}",
        ", ".join([record.header.profile, known["Soaked"], known.get("Speed", ""), f"begun {known['Began']}"]).replace(
            ", , ", ", "
        ),
        "",
    ]
    lines[0] = click.style(lines[0], fg=COLOURS[word], bold=True)
    of = {outcome: [verdict for verdict in judgement.verdicts if verdict.outcome is outcome] for outcome in Outcome}
    for verdict in of[Outcome.FAIL]:
        lines += [_row(verdict), *_wrapped(verdict.sentence)]
    lines += [_row(verdict) for verdict in of[Outcome.PASS] if not _plain(verdict)]
    lines += [_row(verdict) for verdict in of[Outcome.INCONCLUSIVE]]
    lines += _also("Also passed", [verdict.title for verdict in of[Outcome.PASS] if _plain(verdict)])
    lines += _also("Not judged", [verdict.title for verdict in of[Outcome.NOT_JUDGED]])
    return "\n".join(lines)


def _plain(verdict: Verdict) -> bool:
    """Return whether nothing happened of what should not: its title says all."""
    return verdict.figure == 0 and verdict.bound == 0


def _row(verdict: Verdict) -> str:
    label = click.style(f"{_LABELS[verdict.outcome]:14}", fg=_PAINT[verdict.outcome])
    bound = "" if verdict.bound is None else f"bound {told(verdict.bound, verdict.unit)}"
    least = verdict.facts.get("smallest_told")
    if least is not None and verdict.outcome is not Outcome.FAIL:
        # What a pass, or no verdict, is worth; of a failure the sentence below says it.
        bound += f", tells {told(least, verdict.unit)}"
    return f"{label}{verdict.title:38}{told(verdict.figure, verdict.unit):>12}  {bound}".rstrip()


def _wrapped(sentence: str) -> list[str]:
    return textwrap.wrap(sentence, COLUMNS, initial_indent=" " * 14, subsequent_indent=" " * 14, max_lines=3)


def _also(what: str, titles: Sequence[str]) -> list[str]:
    if not titles:
        return []
    return textwrap.wrap(f"{what}: {'; '.join(titles)}.", COLUMNS, subsequent_indent="  ")
