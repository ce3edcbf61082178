import dataclasses
import json
import xml.etree.ElementTree as ET
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.soak import records
from tests.soak.records import BEGAN, HOUR, MB
from voicebridge.domain.errors import VoicebridgeError
from voicebridge_bench.soak.judges.case import Case
from voicebridge_bench.soak.judging import judge
from voicebridge_bench.soak.profiles import profile_named
from voicebridge_bench.soak.record import End, Fault, Happened, Lost, Record
from voicebridge_bench.soak.report import content, junit, page, write_reports

NASTY = '<script>alert("x")</script> & "quotes" \x00\x1b'


def troubled() -> Record:
    """A little of everything, with texts that would break out of a page."""
    record = records.grow(records.healthy(0.5), uss_bytes=400 * MB)
    record.header = dataclasses.replace(record.header, host={"cpu": NASTY, "load": [1, 2], "memory_bytes": 8 << 30})
    record.happened += [Happened(BEGAN + 700, "error", 1, NASTY), Happened(BEGAN + 800, "hang", 1, NASTY)]
    record.faults += [
        Fault("stop", BEGAN + 300, BEGAN + 305, BEGAN + 305.4, 5.0, 1),
        Fault("source_loss", BEGAN + 400, BEGAN + 410, None, 5.0, 1, NASTY),
    ]
    record.lost.append(Lost(1, 1, 16_000, 48_000, "overflow", BEGAN + 900))
    record.end = End(BEGAN + HOUR / 2, "interrupted", NASTY)
    return record


def case_of(record: Record) -> Case:
    return Case(record, profile_named(record.header.profile))


def schema() -> Any:
    return json.loads(resources.files("voicebridge_bench.schemas").joinpath("soak.schema.json").read_text("utf-8"))


def cut_off() -> Record:
    record = records.healthy(0.2)
    record.end = None
    record.heard.clear()
    return record


def nothing() -> Record:
    record = records.healthy(0.1)
    return Record(record.header)


@pytest.mark.parametrize("make", [records.healthy, troubled, cut_off, nothing])
def test_the_json_keeps_to_its_schema(make: Any) -> None:
    record = make()
    found = content(case_of(record), judge(record, profile_named("office")))
    jsonschema.Draft202012Validator.check_schema(schema())
    jsonschema.validate(json.loads(json.dumps(found, allow_nan=False)), schema())


def test_all_reports_are_written_also_for_a_record_that_holds_next_to_nothing(tmp_path: Path) -> None:
    record = nothing()
    write_reports(record, judge(record, profile_named("office")), tmp_path / "reports")
    written = {path.name: path.read_bytes() for path in (tmp_path / "reports").iterdir()}
    assert set(written) == {"report.json", "report.html", "junit.xml", "report.png"}
    assert written["report.png"].startswith(b"\x89PNG")
    assert json.loads(written["report.json"])["result"] != "passed"


def test_reports_that_cannot_be_written_say_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    record = nothing()
    with pytest.raises(VoicebridgeError, match="cannot be written"):
        write_reports(record, judge(record, profile_named("office")), tmp_path / "file")


def test_the_page_escapes_what_came_from_outside() -> None:
    record = troubled()
    text = page(case_of(record), judge(record, profile_named("office")))
    assert "<script" not in text
    assert "&lt;script&gt;" in text


def test_the_page_needs_nothing_from_elsewhere() -> None:
    record = records.healthy(0.5)
    text = page(case_of(record), judge(record, profile_named("office")))
    # Names of XML namespaces are no addresses; what a plot refers to is in it.
    rest = text.replace("http://www.w3.org/", "")
    assert "http:" not in rest
    assert "https:" not in rest
    assert 'src="' not in rest
    assert "@import" not in rest
    assert "#010101" not in rest


def test_the_page_begins_with_the_result_and_what_failed_stands_first() -> None:
    record = records.grow(records.healthy(), uss_bytes=1 * MB)
    text = page(case_of(record), judge(record, profile_named("office")))
    assert text.index("Failed") < text.index("Memory (USS)") < text.index("No crash") < text.index("Over time")


def test_junit_counts_failures_and_skips_what_could_not_be_told() -> None:
    record = troubled()
    judgement = judge(record, profile_named("office"))
    suite = ET.fromstring(junit(case_of(record), judgement)).find("testsuite")
    assert suite is not None
    assert len(suite.findall("testcase")) == len(judgement.verdicts) + 1 == int(suite.attrib["tests"])
    assert len(suite.findall("testcase/failure")) == len(judgement.failed) == int(suite.attrib["failures"])
    assert len(suite.findall("testcase/skipped")) == int(suite.attrib["skipped"]) > 0
    assert suite.attrib["errors"] == "1"


def test_junit_of_a_healthy_soak_has_nothing_red() -> None:
    record = records.healthy(0.5)
    suite = ET.fromstring(junit(case_of(record), judge(record, profile_named("office"))))
    assert not suite.findall(".//failure")
    assert not suite.findall(".//error")
