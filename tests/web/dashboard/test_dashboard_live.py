"""What happens shows on the page as it happens."""

import time

from selenium.webdriver.support.wait import WebDriverWait

from tests.web.dashboard.browser import PATIENCE_SECONDS, Page
from tests.web.dashboard.fake_api import FakeApi
from tests.web.dashboard.scenes import BACKLOG, DEVICE_LOST, reason, utterance
from voicebridge.web.events import KINDS

FIRST = "#utterances li:first-child"
LISTED = "return document.querySelectorAll('#utterances li').length > 0"
"""The list is there: what waits is put into it, and is in no answer of the fake."""


def test_what_is_said_appears_at_the_top(page: Page, api: FakeApi) -> None:
    api.hear(**utterance(5000, "open the second valve", time.time() - 3))
    page.wait_for(f"{FIRST} .text", "open the second valve")
    assert "text after 430 ms" in page.text(f"{FIRST} .about")


def test_new_text_is_read_out_to_who_cannot_see_it(page: Page, api: FakeApi) -> None:
    api.hear(**utterance(5000, "open the second valve", time.time() - 3))
    page.wait_for("#announce-words[aria-live=polite]", "open the second valve")


def test_an_utterance_stands_there_before_it_has_its_text(page: Page, api: FakeApi) -> None:
    now = time.time()
    page.wait(LISTED)
    api.publish("pending", utterance_id=5000, at=now, started_at=now - 3, ended_at=now - 1)
    page.wait_for(f"{FIRST} .about", "waiting for its text")
    api.hear(**utterance(5000, "open the second valve", now - 3))
    page.wait_for(f"{FIRST} .text", "open the second valve")
    assert page.script("return document.querySelectorAll('li[data-id=\"5000\"]').length") == 1


def test_one_that_was_rejected_says_why(page: Page, api: FakeApi) -> None:
    rejected = utterance(5000, "thank you for watching", time.time(), status="rejected", reasons=["too quiet"])
    api.hear(**rejected)
    page.wait_for(f"{FIRST} .about", "rejected · too quiet")


def say(api: FakeApi, stable: str, tentative: str, start_sample: int = 8000) -> None:
    api.publish("partial", session_id=7, start_sample=start_sample, stable=stable, tentative=tentative, end_sample=9000)


def test_what_is_being_said_shows_what_stays_and_what_may_change_apart(page: Page, api: FakeApi) -> None:
    say(api, "open the sec", "ond <b>valve")
    page.wait_for("#partial-text", "open the second <b>valve")
    assert (page.text("#partial .stable"), page.text("#partial .tentative")) == ("open the sec", "ond <b>valve")
    style = "const { fontStyle, textDecorationLine } = getComputedStyle(document.querySelector(arguments[0]));"
    look = f"{style} return [fontStyle, textDecorationLine];"
    assert page.script(look, "#partial .stable") == ["normal", "none"]
    assert page.script(look, "#partial .tentative") == ["italic", "underline"]
    say(api, "open the second", " valve")
    page.wait_for("#partial .stable", "open the second")


def test_what_is_being_said_stands_until_its_text_is_there(page: Page, api: FakeApi) -> None:
    now = time.time()
    page.wait(LISTED)
    say(api, "open the", " sec")
    page.wait_for("#partial", "open the sec")
    api.publish("pending", utterance_id=5000, session_id=7, start_sample=8000, at=now, started_at=now - 3, ended_at=now)
    page.wait("return document.querySelector('#partial').hidden")
    page.wait_for(f"{FIRST} .stable", "open the")
    assert page.text(f"{FIRST} .text") == "open the sec"
    api.hear(**utterance(5000, "open the second valve", now - 3) | {"session_id": 7, "start_sample": 8000})
    page.wait_for(f"{FIRST} .text", "open the second valve")
    assert page.script("return document.querySelectorAll('#utterances .tentative').length") == 0


def test_a_text_ends_what_was_being_said_and_not_what_came_after_it(page: Page, api: FakeApi) -> None:
    say(api, "and close", " it", start_sample=90_000)
    page.wait_for("#partial", "and close it")
    api.hear(**utterance(5000, "open the valve", time.time() - 3) | {"session_id": 7, "start_sample": 8000})
    page.wait_for(f"{FIRST} .text", "open the valve")
    assert not page.script("return document.querySelector('#partial').hidden")
    api.hear(**utterance(5001, "and close it", time.time() - 1) | {"session_id": 7, "start_sample": 90_000})
    page.wait("return document.querySelector('#partial').hidden")


def test_how_sure_the_words_are_is_told_when_it_is_known(page: Page, api: FakeApi) -> None:
    api.hear(**utterance(5000, "open the second valve", time.time() - 3) | {"confidence": None})
    page.wait_for(f"{FIRST} .text", "open the second valve")
    assert "confidence" not in page.text(f"{FIRST} .about")
    api.publish("words", utterance_id=5000, words=[], confidence=0.93)
    page.wait_for(f"{FIRST} .about", "confidence 93 %")
    assert "text after 430 ms" in page.text(f"{FIRST} .about")


def test_a_lost_microphone_is_told_with_its_reason_and_advice(page: Page, api: FakeApi) -> None:
    page.wait_for("#state-word", "Hearing")
    began = time.monotonic()
    api.become(state="deaf", trouble=DEVICE_LOST["sentence"], reasons=[DEVICE_LOST, BACKLOG])
    page.wait_for("#state-word", "Deaf")
    assert time.monotonic() - began < 10
    assert page.text(".reason:first-child .sentence") == DEVICE_LOST["sentence"]
    assert page.text(".reason:first-child .advice code") == "voicebridge devices"
    assert page.text(".reason:nth-child(2) code:last-child") == "backlog"
    page.wait_for("#announce-state[role=status]", "Deaf. Nothing can be heard from USB Conference Microphone")


def test_a_deaf_daemon_has_no_level(page: Page, api: FakeApi) -> None:
    api.publish("level", level=3277, speech=True)
    page.wait_for("#speech", "Speech")
    api.become(state="deaf", reasons=[DEVICE_LOST])
    page.wait_for("#speech", "No signal")
    assert page.text("#level-text") == ""
    api.publish("level", level=3277, speech=True)
    say(api, "what came", " after it")
    page.wait_for("#partial", "what came after it")
    assert page.text("#speech") == "No signal", "the last level must not look like a new one"


def test_it_hears_again(page: Page, api: FakeApi) -> None:
    api.become(state="deaf", reasons=[DEVICE_LOST])
    page.wait_for("#state-word", "Deaf")
    api.become(state="hearing", reasons=[])
    page.wait_for("#state-word", "Hearing")
    assert page.text("#reasons") == ""


def test_a_sentence_that_counts_seconds_is_read_out_once(page: Page, api: FakeApi) -> None:
    api.become(state="deaf", reasons=[reason("device_lost", "Nothing for 4 s.", "")])
    page.wait_for("#announce-state", "Nothing for 4 s.")
    api.become(reasons=[reason("device_lost", "Nothing for 9 s.", "")])
    page.wait_for(".reason .sentence", "Nothing for 9 s.")
    assert "4 s" in page.text("#announce-state")


def test_each_state_has_a_sign_of_its_own(page: Page, api: FakeApi) -> None:
    signs = set()
    for state in ("hearing", "degraded", "deaf", "starting", "stopping"):
        api.become(state=state)
        page.wait(f"return document.querySelector('#state').dataset.state === '{state}'")
        signs.add(page.script("return document.querySelector('#state-sign').getAttribute('d')"))
    assert len(signs) == 5


def test_level_and_speech_are_shown(page: Page, api: FakeApi) -> None:
    api.publish("level", level=3277, speech=True)
    page.wait_for("#speech", "Speech")
    page.wait_for("#level-text", "\N{MINUS SIGN}20 dBFS")
    assert float(page.script("return document.querySelector('#meter .fill').getAttribute('width')")) == 75.0
    api.publish("level", level=0, speech=False)
    page.wait_for("#speech", "Listening")
    page.wait_for("#level-text", "digital silence")
    page.wait("return document.querySelector('#minute').getAttribute('aria-label').includes('digital silence')")


def test_a_daemon_that_goes_is_missed_and_one_that_comes_back_is_found(page: Page, api: FakeApi) -> None:
    api.hear(**utterance(5000, "before", time.time()))
    page.wait_for(f"{FIRST} .text", "before")
    api.go()
    page.wait_for("#connection", "Lost")
    page.wait_for("#lost[role=alert]", "Out of touch since ")
    assert page.text("#state-word") == "Out of touch"
    assert "It was hearing then" in page.text("#state-hint")
    assert page.text("#speech") == "No signal"
    assert page.script("return document.querySelector('#mute-button').disabled")
    api.utterances.insert(0, utterance(5001, "meanwhile", time.time()))
    api.come()
    page.wait_for("#connection", "Live")
    page.wait_for(f"{FIRST} .text", "meanwhile")
    page.wait_for("#state-word", "Hearing")
    assert api.resumed_from[-1] == "5000"
    page.complaints()


def test_a_clock_that_is_wrong_is_told_and_used(page: Page, api: FakeApi) -> None:
    api.clock_ahead_seconds = 7230.0
    page.open(api.address)
    page.wait_for("#clock-note", "The clock of the daemon's machine is 2 h ahead of yours.")
    api.hear(**utterance(5000, "from the future", time.time() + 7229))
    page.wait_for(f"{FIRST} .ago", "just now")


def test_times_are_those_of_the_viewer(page: Page, api: FakeApi) -> None:
    page.driver.execute_cdp_cmd("Emulation.setTimezoneOverride", {"timezoneId": "Australia/Eucla"})
    try:
        page.open(api.address)
        api.hear(**utterance(5000, "now", 1_700_000_000))
        page.wait_for("#utterances li[data-id='5000'] time", "Nov 15, 2023, 06:58")
        assert page.text("#zone") == "Australia/Eucla"
    finally:
        page.driver.execute_cdp_cmd("Emulation.setTimezoneOverride", {"timezoneId": ""})


def test_the_figures_are_those_of_the_status(page: Page) -> None:
    told = page.text("#figures")
    for figure in (
        "15 h 12 min",
        "USB Conference Microphone",
        "whisper small",
        "1,127",
        "430 ms",
        "p95 1.2 s",
        "2 (4.2 s)",
    ):
        assert figure in told


def test_the_version_is_told(page: Page) -> None:
    page.wait_for("footer", "Voicebridge 1.2.3.")


def test_a_source_is_named_by_what_it_plays_and_a_model_once(page: Page, api: FakeApi) -> None:
    api.status |= {"source": "interview.wav", "capture": {"source": "replay"}, "model": "whisper-commands"}
    page.open(api.address)
    told = page.text("#figures")
    assert "interview.wav" in told
    assert "replay" not in told
    assert "whisper-commands" in told
    assert "whisper whisper" not in told


def test_the_delay_is_that_of_the_last_hour_and_of_the_session(page: Page) -> None:
    assert "510 msp95 920 ms, in the last hour; 430 ms, p95 1.2 s in this session" in page.text("#figures")


def test_an_hour_without_speech_leaves_the_delay_of_the_session(page: Page, api: FakeApi) -> None:
    api.status["delay_hour_ms"] = {"count": 0, "still_waiting": 0, "p50": None, "p95": None, "p99": None, "max": None}
    page.open(api.address)
    assert "430 msp95 1.2 s, in this session; nothing in the last hour" in page.text("#figures")


def test_in_the_first_hour_there_is_one_delay(page: Page, api: FakeApi) -> None:
    api.status |= {"uptime_seconds": 900.0}
    page.open(api.address)
    assert "430 msp95 1.2 s, in this session" in page.text("#figures")
    assert "hour" not in page.text("#figures > :nth-child(7)")


def streams(api: FakeApi) -> list[str]:
    """Return the addresses of the event streams that were asked for."""
    return [address for address in api.asked if address.startswith("/api/events")]


def test_a_page_that_nobody_sees_asks_for_no_partials_and_misses_no_text(page: Page, api: FakeApi) -> None:
    driver, seen = page.driver, page.driver.current_window_handle
    api.hear(**utterance(5000, "before", time.time()))
    page.wait_for(f"{FIRST} .text", "before")
    driver.switch_to.new_window("tab")
    try:
        WebDriverWait(driver, PATIENCE_SECONDS, 0.05).until(lambda _: "types=" in streams(api)[-1])
        unseen = streams(api)[-1].partition("=")[2].split(",")
        assert {kind for kind in KINDS if kind not in unseen} == {"partial"}
        assert api.resumed_from[-1] == "5000"
        api.hear(**utterance(5001, "meanwhile", time.time()))
    finally:
        driver.close()
        driver.switch_to.window(seen)
    page.wait("return !document.hidden")
    WebDriverWait(driver, PATIENCE_SECONDS, 0.05).until(lambda _: streams(api)[-1] == "/api/events")
    page.wait_for(f"{FIRST} .text", "meanwhile")
    say(api, "and", " after")
    page.wait_for("#partial", "and after")
    assert page.text("#connection") == "Live"
