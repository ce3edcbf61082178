"""docs/health.md says what the code does."""

import re
from dataclasses import fields

import pytest

from tests.install.checkout import ROOT
from voicebridge.health.checkpoint import SCHEMA, Checkpoint
from voicebridge.health.probes import RULES
from voicebridge.health.table import DOCUMENT, with_table


def test_the_document_holds_the_table_of_the_rules() -> None:
    document = (ROOT / DOCUMENT).read_text(encoding="utf-8")
    assert document == with_table(document), "run python -m voicebridge.health.table"


def test_the_document_names_every_field_of_a_checkpoint() -> None:
    document = (ROOT / DOCUMENT).read_text(encoding="utf-8")
    missing = [field.name for field in fields(Checkpoint) if f"`{field.name}`" not in document]
    assert missing == []
    assert f"`schema` is {SCHEMA}." in document


def test_the_document_says_of_every_reason_how_it_is_tried() -> None:
    _, _, after = (ROOT / DOCUMENT).read_text(encoding="utf-8").partition("### How each reason is tried\n")
    rows = [line.split(" | ") for line in after.partition("\n## ")[0].splitlines() if line.startswith("| `")]
    assert [row[0].strip("| `") for row in rows] == [rule.code for rule in RULES]
    for code, *_, where in rows:
        tests = re.findall(r"`(tests/\S+\.py)::(\w+)`", where)
        assert tests, code
        for path, name in tests:
            assert f"\ndef {name}(" in (ROOT / path).read_text(encoding="utf-8"), f"{path} has no {name}"


def test_a_document_without_the_markers_is_refused() -> None:
    with pytest.raises(ValueError, match="markers"):
        with_table("# Health")


def test_every_rule_has_a_code_of_its_own_an_advice_and_a_condition() -> None:
    assert len({rule.code for rule in RULES}) == len(RULES)
    assert all(rule.advice.endswith(".") and rule.when.endswith(".") for rule in RULES)


def test_what_is_told_late_is_told_and_taken_back_within_ten_seconds() -> None:
    look_seconds, clipping_or_backlog_seconds = 3, 8
    slowest = max(max(rule.hold.after_seconds, rule.hold.lingers_seconds) for rule in RULES)
    assert slowest + look_seconds < 10
    clipping = next(rule for rule in RULES if rule.code == "clipping")
    assert clipping.hold.lingers_seconds + clipping_or_backlog_seconds + 1 < 10
