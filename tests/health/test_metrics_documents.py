"""The page of the metrics, the alerts and the dashboard agree with what a real daemon tells."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.samples import Sample

from tests.health.promql import faults, samples_of
from tests.health.scraping import SENTENCES, scrape_of_a_session
from voicebridge.health.metrics import FAMILIES, SCRAPE
from voicebridge.health.metrics_page import main, with_tables

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/metrics.md"
ALERTS = ROOT / "config/prometheus-alerts.yml"
RULES = [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]
DASHBOARD = json.loads((ROOT / "config/grafana-dashboard.json").read_text())
MAY_BE_MISSING = {
    # Where the machine, or the session, has nothing of the kind.
    "voicebridge_temperature_celsius", "voicebridge_capture_rate_ratio", "voicebridge_thread_cpu_ratio",
}  # fmt: skip


def panels() -> Iterator[dict[str, Any]]:
    return (panel for panel in DASHBOARD["panels"] if panel["type"] != "row")


def queries() -> Iterator[tuple[str, str]]:
    """Yield the name and query of each target and annotation, its variables filled in as Grafana does."""
    named = [(panel["title"], target["expr"]) for panel in panels() for target in panel["targets"]]
    named += [(annotation["name"], annotation["expr"]) for annotation in DASHBOARD["annotations"]["list"]]
    for title, query in named:
        yield title, query.replace("$__rate_interval", "1m").replace("$instance", ".+")


@pytest.fixture(scope="module")
def scrape(tmp_path_factory: pytest.TempPathFactory) -> str:
    return scrape_of_a_session(tmp_path_factory.mktemp("scrape"))


@pytest.fixture(scope="module")
def samples(scrape: str) -> list[Sample]:
    return samples_of(scrape)


def test_a_real_session_is_told_as_it_was(samples: list[Sample]) -> None:
    values = {
        (s.name, *sorted(v for k, v in s.labels.items() if k not in {"job", "instance"})): s.value for s in samples
    }
    assert values["voicebridge_settled_total", "done"] == SENTENCES
    assert values["voicebridge_delay_seconds_count",] == SENTENCES
    assert values["voicebridge_delay_seconds_bucket", "+Inf"] == SENTENCES
    assert values["voicebridge_utterance_seconds_count",] == SENTENCES
    assert values["voicebridge_events_total", "UtteranceStored"] == SENTENCES


def test_the_page_is_what_the_code_says() -> None:
    assert PAGE.read_text() == with_tables(PAGE.read_text()), (
        "write it again: python -m voicebridge.health.metrics_page docs/metrics.md"
    )


def test_the_page_names_every_metric_of_a_scrape(scrape: str) -> None:
    page = PAGE.read_text()
    families = re.findall(r"^# TYPE (\S+) (\S+)$", scrape, re.MULTILINE)
    assert len(families) > 40
    for name, kind in families:
        assert f"| `{name}` | {kind} |" in page


def test_writing_the_page_again_changes_nothing(tmp_path: Path) -> None:
    copy = tmp_path / "metrics.md"
    copy.write_text(PAGE.read_text())
    main([str(copy)])
    assert copy.read_text() == PAGE.read_text()


def test_a_scrape_tells_of_every_family(scrape: str) -> None:
    told = {name for name, _ in re.findall(r"^# TYPE (\S+) (\S+)$", scrape, re.MULTILINE)}
    assert {family.name for family in (*FAMILIES, *SCRAPE)} <= told


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_asks_what_a_scrape_has(rule: dict[str, Any], samples: list[Sample]) -> None:
    assert faults(rule["expr"], samples) == []


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_says_how_grave_it_is_and_what_to_do(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}
    assert "$labels.instance" in rule["annotations"]["summary"]
    assert rule["annotations"]["description"].endswith((".", ")"))
    # What looks back over a stretch of time by itself needs to wait for nothing.
    assert "for" in rule or re.search(r"(increase|changes)\(.*\[\d+[mh]\]\)", rule["expr"])


def test_no_two_alerts_have_one_name() -> None:
    names = [rule["alert"] for rule in RULES]
    assert len(names) == len(set(names)) >= 15


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool (Debian: prometheus) is not installed")
def test_promtool_accepts_the_alerts() -> None:
    checked = subprocess.run(["promtool", "check", "rules", ALERTS], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool (Debian: prometheus) is not installed")
def test_promtool_lets_the_alerts_fire_when_they_should() -> None:
    checked = subprocess.run(
        ["promtool", "test", "rules", Path(__file__).with_name("alerts_test.yml")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize(("title", "query"), list(queries()))
def test_the_dashboard_asks_what_a_scrape_has(title: str, query: str, scrape: str, samples: list[Sample]) -> None:
    absent = {name for name in MAY_BE_MISSING if name in query and not any(s.name == name for s in samples)}
    for name in absent:
        assert f"# TYPE {name} " in scrape
    assert [fault for fault in faults(query, samples) if not any(name in fault for name in absent)] == []


def test_every_panel_has_its_place_and_its_meaning() -> None:
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(ids) == len(set(ids))
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert place["x"] + place["w"] <= 24
        assert not cells & taken, panel["title"]
        taken |= cells
        assert panel["type"] == "row" or panel["description"]


def test_the_dashboard_takes_the_data_source_that_is_chosen() -> None:
    assert (DASHBOARD["uid"], DASHBOARD["schemaVersion"]) == ("voicebridge", 41)
    assert [variable["name"] for variable in DASHBOARD["templating"]["list"]] == ["datasource", "instance"]
    for panel in panels():
        assert {target["datasource"]["uid"] for target in panel["targets"]} == {"${datasource}"}


@pytest.mark.parametrize(
    ("query", "fault"),
    [
        ("voicebridge_missing", "there is no voicebridge_missing"),
        ('voicebridge_state{state=~"deaf|daef"}', "voicebridge_state has no state like 'daef'"),
        ("sum by (colour) (voicebridge_state)", "no sample has the label colour"),
        ('rate(voicebridge_frames_total{state="x"}[5m])', "voicebridge_frames_total has no state like 'x'"),
    ],
)
def test_a_query_that_asks_for_nothing_is_noticed(query: str, fault: str, samples: list[Sample]) -> None:
    assert faults(query, samples) == [fault]
