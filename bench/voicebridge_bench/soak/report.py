"""The reports of a soak: JSON for machines, one page for people, JUnit for CI, and a picture."""

import json
import math
import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Any

from voicebridge.domain.errors import ExitCode, VoicebridgeError
from voicebridge_bench.soak.figures import length_of_time, told
from voicebridge_bench.soak.judges.case import Case
from voicebridge_bench.soak.profiles import profile_of
from voicebridge_bench.soak.record import Record
from voicebridge_bench.soak.told import facts, flat, headline, outcomes, result, totals
from voicebridge_bench.soak.verdict import Judgement, Outcome, Verdict

REPORT_SCHEMA = 1
"""Grows when a field of report.json changes its meaning or goes (voicebridge_bench/schemas/soak.schema.json)."""
JSON_NAME, HTML_NAME, JUNIT_NAME, PNG_NAME = "report.json", "report.html", "junit.xml", "report.png"
WIDE_INCHES, NARROW_INCHES = 11.0, 4.3
"""The plots are drawn twice, for a desktop and for a phone: scaled down, nobody could read them."""
MOST_TOLD = 60
"""Rows of a list in the page; the record has them all."""
TOLD_KINDS = ("started", "crashed", "killed", "restarted", "hang", "went_on", "error", "resumed")
_ORDER = (Outcome.FAIL, Outcome.INCONCLUSIVE, Outcome.PASS, Outcome.NOT_JUDGED)
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write_reports(record: Record, judgement: Judgement, folder: Path) -> None:
    """Write all reports into a folder. Raises VoicebridgeError when that cannot be."""
    from voicebridge_bench.soak import plots

    case = Case(record, profile_of(record.header))
    known = facts(case)
    subtitle = f"{known['Profile'].split(':')[0]}, {known['Soaked']}, {known['Began']}. {headline(judgement)}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(content(case, judgement), indent=2, ensure_ascii=False, allow_nan=False)
        (folder / JSON_NAME).write_text(text + "\n", encoding="utf-8")
        (folder / JUNIT_NAME).write_bytes(junit(case, judgement))
        (folder / HTML_NAME).write_text(page(case, judgement), encoding="utf-8")
        plots.png(case, judgement, folder / PNG_NAME, f"Voicebridge soak: {result(judgement)}", subtitle)
    except OSError as error:
        message = f"The reports cannot be written into {folder}: {error.strerror or error}."
        raise VoicebridgeError(message, "The record is kept: `voicebridge-bench judge` writes them again.",
                               exit_code=ExitCode.STORE) from None  # fmt: skip


def content(case: Case, judgement: Judgement) -> dict[str, Any]:
    """Return what report.json holds."""
    header, record = case.record.header, case.record
    found = {
        "schema": REPORT_SCHEMA,
        "kind": "voicebridge-soak",
        "result": result(judgement),
        "complete": judgement.complete,
        "ended": None if record.end is None else {"reason": record.end.reason, "detail": record.end.detail},
        "version": header.version,
        "profile": header.profile,
        "seed": header.seed,
        "attached": header.attached,
        "began": datetime.fromtimestamp(header.began_wall, UTC).isoformat(timespec="seconds"),
        "asked_seconds": header.asked_seconds,
        "soaked_seconds": case.soaked_hours * 3600,
        "audio_seconds": case.audio_hours * 3600,
        "speed_asked": header.speed,
        "speed_reached": case.pace,
        "checkpoint_seconds": header.checkpoint_seconds,
        "host": dict(header.host),
        "settings": dict(header.settings),
        "totals": totals(case),
        "outcomes": outcomes(judgement),
        "verdicts": [{**asdict(verdict), "outcome": verdict.outcome.value} for verdict in judgement.verdicts],
        "faults": [
            {
                "kind": fault.kind,
                "after_seconds": fault.began - case.began,
                "lasted_seconds": fault.ended - fault.began,
                "recovery_seconds": None if fault.recovered is None else fault.recovered - fault.ended,
                "allowance_seconds": fault.allowance_seconds,
                "detail": fault.detail,
            }
            for fault in record.faults
        ],
    }
    cleaned: dict[str, Any] = _finite(found)
    return cleaned


def _finite(value: Any) -> Any:
    """Return a value as JSON can hold it."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(name): _finite(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return value if isinstance(value, str | int | bool | None) else str(value)


def junit(case: Case, judgement: Judgement) -> bytes:
    """Return the verdicts as JUnit XML: what could not be told is skipped, not passed."""
    counts = outcomes(judgement)
    skipped = counts[Outcome.INCONCLUSIVE.value] + counts[Outcome.NOT_JUDGED.value]
    suite = ET.Element(
        "testsuite",
        name=f"voicebridge soak {case.profile.name}",
        tests=str(len(judgement.verdicts) + 1),
        failures=str(len(judgement.failed)),
        errors=str(int(not judgement.complete)),
        skipped=str(skipped),
        time=f"{case.soaked_hours * 3600:.1f}",
    )
    whole = ET.SubElement(suite, "testcase", classname="soak", name="It came to its end")
    if not judgement.complete:
        ET.SubElement(whole, "error", message=_clean(facts(case).get("Ended", "It did not come to its end.")))
    for verdict in judgement.verdicts:
        _add_case(suite, verdict)
    every = ET.Element("testsuites")
    every.append(suite)
    ET.indent(every)
    text: bytes = ET.tostring(every, encoding="utf-8", xml_declaration=True)
    return text


def _add_case(suite: ET.Element, verdict: Verdict) -> None:
    found = ET.SubElement(suite, "testcase", classname=f"soak.{verdict.code}", name=_clean(verdict.title))
    if verdict.outcome is Outcome.FAIL:
        failure = ET.SubElement(found, "failure", message=_clean(verdict.sentence))
        failure.text = _clean(f"{told(verdict.figure, verdict.unit)}, bound {told(verdict.bound, verdict.unit)}")
    elif verdict.outcome is not Outcome.PASS:
        ET.SubElement(found, "skipped", message=_clean(f"{verdict.outcome.value}: {verdict.sentence}"))


def _clean(text: str) -> str:
    """Return a text without characters that XML cannot hold."""
    return _NO_XML.sub("?", text)


def page(case: Case, judgement: Judgement) -> str:
    """Return the report as one page that needs nothing else. Everything that came from outside is escaped."""
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    from voicebridge_bench.soak import plots

    template = resources.files("voicebridge_bench.soak").joinpath("report.html.jinja").read_text(encoding="utf-8")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["told"] = lambda verdict, name: told(getattr(verdict, name), verdict.unit)
    environment.filters["time"] = length_of_time
    label = "Memory, processor, delay, backlog, level, files and events over the time of the soak"
    drawn = {name: plots.svg(case, judgement, width, label) for name, width in _widths().items()}
    return environment.from_string(template).render(
        result=result(judgement),
        headline=headline(judgement),
        facts=facts(case),
        case=case,
        outcomes=outcomes(judgement),
        verdicts=sorted(judgement.verdicts, key=lambda verdict: _ORDER.index(verdict.outcome)),
        # Drawn by matplotlib, which escapes its texts.
        plots={name: Markup(text) for name, text in drawn.items()},  # noqa: S704
        faults=_faults(case),
        moments=_moments(case),
        host=flat(case.record.header.host),
        settings=flat(case.record.header.settings),
        totals=totals(case),
        most=MOST_TOLD,
    )


def _widths() -> Mapping[str, float]:
    return {"wide": WIDE_INCHES, "narrow": NARROW_INCHES}


def _faults(case: Case) -> Sequence[Mapping[str, str]]:
    return [
        {
            "kind": fault.kind.replace("_", " "),
            "after": length_of_time(fault.began - case.began),
            "lasted": f"{fault.ended - fault.began:.1f} s" if fault.ended > fault.began else "a moment",
            "recovered": "never" if fault.recovered is None else f"{max(0.0, fault.recovered - fault.ended):.1f} s",
            "allowance": f"{fault.allowance_seconds:g} s",
        }
        for fault in case.record.faults
    ]


def _moments(case: Case) -> Sequence[Mapping[str, str]]:
    return [
        {
            "after": length_of_time(moment.at - case.began),
            "kind": moment.kind.replace("_", " "),
            "detail": moment.detail,
        }
        for moment in sorted(case.record.happened, key=lambda moment: moment.at)
        if moment.kind in TOLD_KINDS
    ]
