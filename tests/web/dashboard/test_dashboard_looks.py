"""Safe, and of use to everybody: hostile text, the keyboard, contrast, narrow screens, screen readers, the network."""

import time
from urllib.parse import urlsplit

import pytest

from tests.web.dashboard.browser import DESKTOP, PHONE, Page
from tests.web.dashboard.fake_api import FakeApi
from tests.web.dashboard.looks import FOCUS, FOCUSABLE, WIDTHS, contrast, nameless, roles
from tests.web.dashboard.scenes import BACKLOG, DEVICE_LOST, reason, utterance

FIRST = "#utterances li:first-child"
HOSTILE = "<script>window.struck = 1</script><img src=x onerror='window.struck = 2'>\x1b[31m\x00\x07 \u202eback&amp;"
TAB = "\ue004"
STOPS_IN_A_DATE = 3
"""A field for a date is stopped at for its day, its month, its year and its calendar."""


def test_a_hostile_transcript_is_shown_as_text(page: Page, api: FakeApi) -> None:
    api.hear(**utterance(5000, HOSTILE, time.time(), language="<b>", reasons=[HOSTILE]))
    page.wait_for(f"{FIRST} .text", "<script>")
    shown = page.text(f"{FIRST} .text")
    assert shown.startswith("<script>window.struck = 1</script><img src=x onerror=")
    assert shown.endswith("␛[31m␀␇ ⟨U+202E⟩back&amp;")
    assert page.script(
        "return [window.struck ?? null, document.querySelectorAll('#utterances :is(script, img)').length]"
    ) == [
        None,
        0,
    ]


def test_hostile_names_and_reasons_are_text_too(page: Page, api: FakeApi) -> None:
    api.status["capture"] = {"source": HOSTILE}
    api.timeline["events"] = [{"id": 9, "at": time.time() - 60, "kind": "x", "detail": HOSTILE}]
    page.open(api.address)
    api.become(state="degraded", reasons=[reason("device_moved", HOSTILE, HOSTILE)])
    page.wait_for(".reason .sentence", "<script>")
    page.wait_for(".happenings", "<script>")
    page.click("#mute-button")
    assert "<script>" in page.text("#mute-what")
    page.click("#mute-cancel")
    assert page.script("return [window.struck ?? null, document.querySelectorAll('main img').length]") == [None, 0]


def test_nothing_is_asked_of_anybody_else_and_the_console_is_silent(page: Page, api: FakeApi) -> None:
    page.complaints()
    page.requests()
    page.open(api.address)
    api.hear(**utterance(5000, "see https://example.com/picture.png", time.time(), audio_kept=True))
    page.wait_for(f"{FIRST} .text", "https://example.com")
    asked = {address for address in page.requests() if not address.startswith("data:")}  # the calendar's own icon
    assert {urlsplit(address).netloc for address in asked} == {f"127.0.0.1:{api.port}"}
    assert any(address.endswith("/api/events") for address in asked)
    assert page.complaints() == []


@pytest.mark.parametrize("width", [320, PHONE[0], 768])
def test_a_narrow_screen_needs_no_scrolling_sideways(page: Page, api: FakeApi, width: int) -> None:
    page.resize((width, 800))
    api.status["source"] = "x" * 300
    page.open(api.address)
    api.hear(**utterance(5000, "Donaudampfschifffahrtsgesellschaft" * 9, time.time()))
    api.become(state="degraded", reasons=[reason("x", "w" * 200, "`" + "v" * 200 + "`")])
    page.wait_for(f"{FIRST} .text", "Donau")
    page.wait_for(".reason .sentence", "www")
    needed, there = page.script(WIDTHS)
    assert (needed, there) == (width, width)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("state", ["hearing", "degraded", "deaf", "starting"])
def test_every_text_has_contrast(page: Page, api: FakeApi, state: str, *, dark: bool) -> None:
    page.resize(DESKTOP, dark=dark, calm=True)
    muted = reason("muted", "Muted.", "`voicebridge unmute` ends it.", degrades=False)
    reasons = [] if state == "hearing" else [DEVICE_LOST, BACKLOG, muted]
    api.become(state=state, reasons=reasons, muted=True)
    for number, status in enumerate(("pending", "rejected", "failed")):
        api.hear(**utterance(5000 + number, None, time.time(), status=status))
    api.publish("level", level=900, speech=dark)
    api.publish("partial", session_id=7, start_sample=1, stable="open the", tentative=" valve", end_sample=9)
    page.wait_for("#partial", "open the valve")
    page.wait(f"return document.querySelector('#state').dataset.state === '{state}'")
    page.wait("return document.querySelectorAll('#utterances .kind').length >= 4")
    page.wait_for("#speech", "No signal" if state == "deaf" else "Speech" if dark else "Listening")
    seen = contrast(page)
    assert seen["texts"] > 60
    assert seen["poor"] == []


def test_a_lost_daemon_and_an_open_dialog_have_contrast(page: Page, api: FakeApi) -> None:
    page.click("#mute-button")
    assert contrast(page)["poor"] == []
    page.click("#mute-cancel")
    api.go()
    page.wait_for("#connection", "Lost")
    seen = contrast(page)
    api.come()
    assert seen["poor"] == []
    page.complaints()


def test_the_keyboard_reaches_every_control_and_shows_where_it_is(page: Page) -> None:
    page.wait("return document.querySelectorAll('.play').length > 0")
    controls = page.script(FOCUSABLE)
    page.script("document.body.focus()")
    for _ in range(controls + STOPS_IN_A_DATE):
        page.press(TAB)
        seen = page.script(FOCUS)
        assert seen["outline"] != "none", seen
        assert seen["width"] >= 2, seen
    assert seen["visited"] == controls


def test_a_dialog_is_left_with_escape_and_gives_the_focus_back(page: Page) -> None:
    page.script("document.querySelector('#mute-button').focus()")
    page.press("\ue007")
    page.wait("return document.querySelector('#mute-dialog').open")
    page.press("\ue00c")
    page.wait("return !document.querySelector('#mute-dialog').open")
    assert page.script("return document.activeElement.id") == "mute-button"


def test_a_screen_reader_finds_its_way(page: Page) -> None:
    page.wait("return document.querySelector('.chart polyline')")
    assert {"banner", "main", "contentinfo", "search", "region", "heading", "status"} <= roles(page)
    assert nameless(page) == []


def test_nothing_moves_for_who_does_not_want_it(page: Page, api: FakeApi) -> None:
    page.resize(DESKTOP, calm=True)
    api.hear(**utterance(5000, "calm", time.time()))
    page.wait_for(f"{FIRST} .text", "calm")
    assert page.script(f"return getComputedStyle(document.querySelector('{FIRST}')).animationName") == "none"


def test_events_are_the_same_however_the_stream_is_cut(page: Page) -> None:
    stream = "retry: 5\n\n: beat\n\nid: 7\nevent: utterance\ndata: {\ndata: 1}\n\r\nevent: level\r\ndata:x\r\r"
    code = """
        const [stream, done] = arguments;
        import('/static/feed.js').then(({ EventParser }) => {
          const results = [];
          for (let cut = 0; cut <= stream.length; cut += 1) {
            const found = [];
            const parser = new EventParser((type, data) => found.push([type, data]));
            parser.push(stream.slice(0, cut));
            parser.push(stream.slice(cut));
            parser.push("\\n");
            results.push(JSON.stringify([found, parser.lastId]));
          }
          done([...new Set(results)]);
        });
    """
    assert page.driver.execute_async_script(code, stream) == ['[[["utterance","{\\n1}"],["level","x"]],"7"]']
