"""What was measured and what happened: asked for once, then only what is new, and told without sparing anybody."""

import time
from collections.abc import Sequence
from itertools import pairwise
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.web.dashboard.browser import Page
from tests.web.dashboard.fake_api import FakeApi
from tests.web.dashboard.scenes import DEVICE_LOST, HOUR, checkpoint, status

LOADED = "return document.querySelector('.chart polyline') !== null"
HISTORY = """
const [steps, done] = arguments;
import('/static/history.js').then(async ({ Measured }) => {
  const measured = new Measured(['backlog_seconds']);
  const seen = [];
  for (const [seconds, until] of steps) {
    await measured.load(seconds, until);
    seen.push([measured.rows.map((row) => row.at), measured.every]);
  }
  done(seen);
});
"""


def asked(api: FakeApi, path: str) -> list[dict[str, str]]:
    """Return the parameters of every request for a path."""
    return [
        {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        for address in api.asked
        if urlsplit(address).path == path
    ]


def measured(page: Page, steps: Sequence[tuple[float, float]]) -> Any:
    return page.driver.execute_async_script(HISTORY, steps)


def test_the_charts_ask_for_what_they_draw_and_for_nothing_else(page: Page, api: FakeApi) -> None:
    page.wait(LOADED)
    for request in asked(api, "/api/checkpoints"):
        assert int(request["limit"]) == 500
        assert set(request["fields"].split(",")) <= {
            *("delay_interval_ms.p50", "delay_interval_ms.p95", "backlog_seconds", "cpu.share"),
            *("memory.rss_bytes", "memory.uss_bytes", "disk.free_bytes"),
        }


def test_a_second_look_asks_only_for_what_is_newer(page: Page, api: FakeApi) -> None:
    now = time.time()
    api.checkpoints = [checkpoint(now + second, now) for second in (-50, -40, 10)]
    api.asked.clear()
    first, second = measured(page, [(HOUR, now), (HOUR, now + 30)])
    assert [first[0], second[0]] == [[now - 50, now - 40], [now - 50, now - 40, now + 10]]
    assert [request.get("after") for request in asked(api, "/api/checkpoints")] == [None, repr(now - 40)]


def test_another_span_and_a_long_silence_ask_for_the_whole(page: Page, api: FakeApi) -> None:
    now = time.time()
    api.checkpoints = [checkpoint(now - 50, now)]
    api.asked.clear()
    measured(page, [(HOUR, now), (2 * HOUR, now), (2 * HOUR, now + 601)])
    assert [request.get("after") for request in asked(api, "/api/checkpoints")] == [None, None, None]


def test_what_is_added_to_thinned_records_is_thinned_as_they_are(page: Page, api: FakeApi) -> None:
    now = float(int(time.time()))
    api.checkpoints = [checkpoint(now - 2000 + n, now) for n in range(2000)]
    late = [checkpoint(now + n, now) for n in range(100)]
    steps = [(HOUR, now - 100 + 10 * n) for n in range(12)]
    api.checkpoints += late
    seen = measured(page, steps)
    rows, every = seen[-1]
    assert every == 4
    assert rows[-1] == now + 10, "the newest is always there"
    assert all(later - earlier <= 8 for earlier, later in pairwise(rows))
    assert len(rows) < 600


def test_a_page_that_nobody_sees_asks_for_nothing_but_the_feed(page: Page, api: FakeApi) -> None:
    page.wait(LOADED)
    shown = page.driver.current_window_handle
    page.driver.switch_to.new_window("tab")
    try:
        page.wait("return !document.hidden")
        before = len(api.asked)
        api.become(state="deaf", reasons=[DEVICE_LOST], deaf_seconds=4.0)
        page.driver.execute_async_script("setTimeout(arguments[0], 6000)")  # longer than from one status to the next
        assert [address for address in api.asked[before:] if not address.startswith("/api/events")] == []
    finally:
        page.driver.close()
        page.driver.switch_to.window(shown)
    page.wait("return !document.hidden")
    assert page.driver.title == "Deaf · Voicebridge", "the feed goes on: the title says the state"
    page.wait_for("#figures", "nothing is heard now")
    assert asked(api, "/api/status")


def test_what_happened_is_asked_for_again_when_there_is_news(page: Page, api: FakeApi) -> None:
    page.wait("return document.querySelectorAll('.timeline .ran').length === 2")
    assert len(asked(api, "/api/timeline")) == 1
    api.timeline["gaps"].append({"id": 9, "started_at": time.time() - 9, "seconds": 4.0, "reason": "overflow"})
    api.publish("gap", seconds=4.0, reason="overflow")
    page.wait("return document.querySelectorAll('.timeline .gap').length === 4")


def test_a_chart_of_one_record_in_many_says_so(page: Page, api: FakeApi) -> None:
    now = time.time()
    api.checkpoints = [checkpoint(now - 86_000 + 60 * n, now) for n in range(1430)]
    page.open(api.address)
    page.wait_for(".summary", "of those drawn, one record in 3.")


def test_a_chart_of_every_record_says_nothing_of_others(page: Page) -> None:
    page.wait_for(".summary", "highest")
    assert "one record in" not in page.text("#charts")


def test_a_uss_from_before_the_rss_fell_is_left_out_and_told(page: Page, api: FakeApi) -> None:
    now = time.time()
    fallen = checkpoint(now - 300, now) | {"memory": {"rss_bytes": 169_000_000, "uss_bytes": 190_000_000}}
    api.checkpoints = [checkpoint(now - 900, now), checkpoint(now - 600, now), fallen]
    page.open(api.address)
    page.wait_for("#charts", "Newest: RSS 169 MB, USS none.")
    assert "Where USS was measured before RSS fell, it is left out." in page.text("#charts")


def test_bytes_are_told_as_on_the_command_line(page: Page) -> None:
    page.wait_for("#charts", "RSS 6")
    told = page.text("#charts")
    assert "GB" in told
    assert "MB" in told
    assert "iB" not in told


def test_nothing_was_lost_is_said_only_where_nothing_was(page: Page, api: FakeApi) -> None:
    now = time.time()
    api.timeline = {"sessions": [{"id": 7, "started_at": now - 90_000, "ended_at": None}], "gaps": [], "events": []}
    page.open(api.address)
    page.wait_for("#timeline", "Nothing was lost. 1 session.")


def test_hours_without_a_daemon_are_lost_hours(page: Page, api: FakeApi) -> None:
    now = time.time()
    api.timeline = {
        "sessions": [
            {"id": 5, "started_at": now - 30 * HOUR, "ended_at": now - 10 * HOUR - 30, "ending": "clean"},
            {"id": 6, "started_at": now - 9 * HOUR, "ended_at": now - 4 * HOUR - 30, "ending": "crashed"},
            {"id": 7, "started_at": now - 2 * HOUR, "ended_at": None, "ending": None},
        ],
        "gaps": [],
        "events": [],
    }
    page.open(api.address)
    page.wait_for("#timeline", "Not running 2 times, for 3 h 1 min. 3 sessions, 1 ended badly.")
    assert page.script("return document.querySelectorAll('.timeline .pause').length") == 2
    assert "Not running for 2 h" in page.text(".happenings")
    assert "Nothing was lost" not in page.text("#timeline")


def test_while_it_is_deaf_the_outage_is_told_with_the_gaps(page: Page, api: FakeApi) -> None:
    now = time.time()
    api.timeline = {"sessions": [{"id": 7, "started_at": now - 90_000, "ended_at": None}], "gaps": [], "events": []}
    api.status = status(now) | {"state": "deaf", "deaf_seconds": 90.0, "gaps": 0, "gap_seconds": 0.0}
    page.open(api.address)
    page.wait_for("#timeline", "Nothing is heard now, for 1 min 3")
    assert "Nothing was lost" not in page.text("#timeline")
    page.wait_for("#figures", "nothing is heard now, for 1 min 30 s")


def test_gaps_that_are_not_listed_are_counted(page: Page, api: FakeApi) -> None:
    api.timeline["totals"] = {"gaps": 1002, "gap_seconds": 110.0, "sessions": 2, "events": 3}
    page.open(api.address)
    page.wait_for("#timeline", "1,002 gaps, 1 min 50 s lost. The longest 3 are drawn.")


def test_events_say_their_kind(page: Page, api: FakeApi) -> None:
    now = time.time()
    api.timeline["events"] = [
        {"id": 1, "at": now - 60, "kind": "engine_ready", "detail": "whisper whisper-commands after 179 ms"},
        {"id": 2, "at": now - 50, "kind": "muted", "detail": "HTTP from 127.0.0.1"},
        {"id": 3, "at": now - 40, "kind": "health", "detail": "deaf to deaf; began: store_trouble"},
        {"id": 4, "at": now - 30, "kind": "gaps_merged", "detail": ""},
        {"id": 5, "at": now - 20, "kind": "reloaded", "detail": "in force: log.level; after a restart: "},
    ]
    page.open(api.address)
    page.wait_for(".happenings", "Engine ready whisper-commands after 179 ms")
    told = page.text(".happenings")
    assert "Muted by HTTP from 127.0.0.1" in told
    assert "State still deaf; began: store_trouble" in told
    assert "Gaps merged" in told
    assert "Settings read again in force: log.level" in told
    assert "after a restart" not in told
