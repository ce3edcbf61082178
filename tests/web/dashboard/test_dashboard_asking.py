"""What a person does on the page: search, page, play, mute."""

import time

from tests.web.dashboard.browser import Page
from tests.web.dashboard.fake_api import TOKEN, FakeApi
from tests.web.dashboard.scenes import DAY, box, heard, utterance

COUNT = "return document.querySelectorAll('#utterances li').length"


def test_a_search_shows_what_fits_and_ends_again(page: Page) -> None:
    everything = page.wait(COUNT)
    page.type("#search-words", "valve")
    page.click("#search button[type=submit]")
    page.wait_for("#words-note", "1 found for “valve”.")
    assert "the second valve is open" in page.text("#utterances")
    page.click("#search-clear")
    page.wait(f"{COUNT} === {everything}")
    assert page.text("#words-note") == ""


def test_what_comes_during_a_search_does_not_push_into_it(page: Page, api: FakeApi) -> None:
    page.type("#search-words", "valve\n")
    page.wait_for("#words-note", "1 found")
    api.hear(**utterance(5000, "something else", time.time()))
    page.wait_for("#announce-words", "something else")
    assert page.script(COUNT) == 1


def test_only_those_of_one_kind_are_shown(page: Page) -> None:
    page.script(
        "const s = document.querySelector('#search-status'); s.value = 'rejected';s.dispatchEvent(new Event('change'))"
    )
    page.wait(f"{COUNT} === 1")
    assert page.text("#utterances .kind") == "rejected"


def test_older_ones_come_a_page_at_a_time(page: Page, api: FakeApi) -> None:
    api.utterances = heard(time.time(), [f"sentence {n}" for n in range(70)])
    page.open(api.address)
    for expected in (30, 60, 70):
        page.wait(f"{COUNT} === {expected}")
        if expected < 70:
            page.click("#older")
    assert page.script("return document.querySelector('#older').hidden")
    assert (
        page.script(
            "return new Set([...document.querySelectorAll('#utterances .text')].map((e) => e.textContent)).size"
        )
        == 70
    )


def test_kept_audio_can_be_played_and_stopped(page: Page) -> None:
    page.requests()
    page.click("li[data-id='4100'] .play")
    page.wait("return document.querySelector(\"li[data-id='4100'] .play\").getAttribute('aria-label') === 'Stop'")
    assert any(address.endswith("/api/utterances/4100/audio") for address in page.requests())
    page.wait(
        "return document.querySelector(\"li[data-id='4100'] .play\").getAttribute('aria-label').startsWith('Play')"
    )


def test_what_was_not_kept_has_no_button(page: Page) -> None:
    page.wait(COUNT)
    assert page.script("return document.querySelectorAll(\"li[data-id='4099'] .play\").length") == 0


def test_mute_asks_first_and_says_what_it_does(page: Page, api: FakeApi) -> None:
    page.click("#mute-button")
    page.wait("return document.querySelector('#mute-dialog').open")
    assert page.text("#mute-title") == f"Mute Voicebridge on 127.0.0.1:{api.port}?"
    assert "USB Conference Microphone" in page.text("#mute-what")
    page.click("#mute-cancel")
    page.wait("return !document.querySelector('#mute-dialog').open")
    assert api.muted_by == []


def test_mute_with_the_token(page: Page, api: FakeApi) -> None:
    page.click("#mute-button")
    page.type("#mute-token", TOKEN)
    page.click("#mute-confirm")
    page.wait_for("#mute-button", "Unmute")
    assert api.muted_by == [{"muted": True}]
    page.click("#mute-button")
    assert not page.script("return document.querySelector('#mute-token-row').checkVisibility()"), "it is known by now"
    page.click("#mute-confirm")
    page.wait("return document.querySelector('#mute-button').textContent === 'Mute'")
    assert api.muted_by == [{"muted": True}, {"muted": False}]


def test_where_nothing_may_be_changed_the_page_says_how_it_is_done_instead(page: Page, api: FakeApi) -> None:
    api.status |= {"may_change": False}
    page.open(api.address)
    button = "document.querySelector('#mute-button')"
    page.wait(f"return {button}.disabled && {button}.textContent === 'Mute'")
    assert page.script("return document.querySelector('#mute-note').checkVisibility()")
    assert page.text("#mute-note") == "Not from here: set http.token, or use voicebridge mute."
    assert page.script(f"return {button}.getAttribute('aria-describedby')") == "mute-note"
    assert not page.script("return document.querySelector('#token-button').checkVisibility()"), "there is no token"
    api.become(muted=True)
    page.wait_for("#mute-note", "voicebridge unmute")


def test_a_wrong_token_is_told_and_forgotten(page: Page, api: FakeApi) -> None:
    page.click("#mute-button")
    page.type("#mute-token", "guess")
    page.click("#mute-confirm")
    page.wait_for("#mute-error[role=alert]", "The token is missing or wrong.")
    assert page.script("return [sessionStorage.length, document.querySelector('#mute-token').checkVisibility()]") == [
        0,
        True,
    ]
    assert api.muted_by == []


def test_the_token_is_kept_in_this_tab_only(page: Page) -> None:
    page.click("#token-button")
    page.type("#token-input", TOKEN + "\n")
    page.wait("return sessionStorage.length === 1")
    assert page.script(
        "return [localStorage.length, document.cookie, location.href.includes(arguments[0])]", TOKEN
    ) == [
        0,
        "",
        False,
    ]
    page.click("#token-button")
    page.click("#token-forget")
    page.wait("return sessionStorage.length === 0")


def test_charts_show_what_was_before_the_page_was_opened(page: Page) -> None:
    page.wait("return document.querySelectorAll('.chart polyline').length >= 7")
    told = page.script("return [...document.querySelectorAll('.chart')].map((c) => c.getAttribute('aria-label'))")
    assert [text.split(".")[0] for text in told] == ["Delay to text", "Backlog", "Processor", "Memory", "Free disk"]
    assert all("Newest: " in text for text in told)


def test_a_hole_in_the_checkpoints_is_not_drawn_over(page: Page) -> None:
    page.wait("return document.querySelector('.chart polyline')")
    assert page.script("return document.querySelectorAll('.chart-box:nth-child(2) polyline').length") == 2


def test_a_chart_can_be_read_by_key_and_as_a_table(page: Page) -> None:
    page.wait("return document.querySelector('.chart polyline')")
    page.script("document.querySelector('.chart').focus()")
    page.type(".chart", "\ue012")  # the left arrow
    page.wait("return /p50 \\d+ ms, p95 \\d+ ms/.test(document.querySelector('.summary.pointed')?.textContent)")
    page.click(".chart-box summary")
    page.wait("return document.querySelectorAll('.chart-box tbody tr').length > 20")
    assert page.script("return [...document.querySelectorAll('.chart-box thead th')].map((c) => c.textContent)") == [
        "Time",
        "p50",
        "p95",
    ]


def test_without_checkpoints_the_charts_say_so(page: Page, api: FakeApi) -> None:
    api.checkpoints = []
    page.open(api.address)
    page.wait_for(".summary", "Nothing was measured in this time.")


def test_gaps_and_outages_are_told_in_words_too(page: Page) -> None:
    page.wait("return document.querySelectorAll('.timeline .gap').length === 3")
    assert page.script("return document.querySelectorAll('.timeline .ran').length") == 2
    assert "3 gaps, 41 s lost. Not running for 48 min. 2 sessions, 1 ended badly." in page.text("#timeline")
    assert "The microphone was away: 37 s lost" in page.text(".happenings")
    assert "Session 6 ended: crashed" in page.text(".happenings")


def test_an_outage_that_goes_on_is_on_the_timeline(page: Page, api: FakeApi) -> None:
    api.status = api.status | {"state": "deaf", "deaf_seconds": 90.0}
    page.open(api.address)
    page.wait_for(".happenings", "Nothing has been heard for 1 min 3")


def test_a_new_box_shows_no_time_from_before_its_first_session(page: Page, api: FakeApi) -> None:
    now = time.time()
    api.timeline = {"sessions": [{"id": 1, "started_at": now - 1200, "ended_at": None}], "gaps": [], "events": []}
    page.open(api.address)
    page.wait("return document.querySelectorAll('.timeline .ran').length === 1")
    width = "Number(document.querySelector('.timeline {}').getAttribute('width'))"
    drawn, there = page.script(f"return [{width.format('.ran')}, {width.format('.track')}]")
    assert drawn > 0.95 * there


def test_another_span_of_time_is_asked_for(page: Page, api: FakeApi) -> None:
    api.checkpoints = [row for row in box(time.time()).checkpoints if time.time() - row["at"] > DAY / 2]
    page.script("const s = document.querySelector('#range'); s.value = '3600'; s.dispatchEvent(new Event('change'))")
    page.wait_for(".summary", "Nothing was measured in this time.")
