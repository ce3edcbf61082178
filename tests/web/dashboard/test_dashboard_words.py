"""The list of what was heard: how much of it is shown, what belongs to it, and the way to older ones and back."""

import time

import pytest

from tests.web.dashboard.browser import PHONE, Page
from tests.web.dashboard.fake_api import FakeApi
from tests.web.dashboard.scenes import DAY, heard, utterance

COUNT = "return document.querySelectorAll('#utterances li').length"
FIRST = "#utterances li:first-child"
CHOOSE = "const s = document.querySelector(arguments[0]); s.value = arguments[1]; s.dispatchEvent(new Event('change'))"
DAY_OF = """
const [moment] = arguments;
const day = new Date(moment * 1000);
const two = (number) => String(number).padStart(2, '0');
return `${day.getFullYear()}-${two(day.getMonth() + 1)}-${two(day.getDate())}`;
"""


def hidden(page: Page, selector: str) -> bool:
    return bool(page.script("return document.querySelector(arguments[0]).hidden", selector))


@pytest.fixture
def talkative(page: Page, api: FakeApi) -> Page:
    """The page of a box that has heard 700 sentences."""
    api.utterances = heard(time.time(), [f"sentence {n}" for n in range(700)])
    page.open(api.address)
    page.wait(f"{COUNT} === 30")
    return page


def test_one_that_has_its_text_is_not_among_those_that_wait_any_more(page: Page, api: FakeApi) -> None:
    now = time.time()
    api.utterances.insert(0, utterance(5000, None, now - 9, status="pending"))
    page.script(CHOOSE, "#search-status", "pending")
    page.wait(f"{COUNT} === 1")
    api.hear(**utterance(5000, "here it is", now - 9))
    page.wait(f"{COUNT} === 0")
    assert page.text("#words-note") == "Nothing of that kind."


def test_one_that_comes_to_be_of_another_kind_moves_there(page: Page, api: FakeApi) -> None:
    page.script(CHOOSE, "#search-status", "rejected")
    page.wait(f"{COUNT} === 1")
    api.hear(**utterance(5000, "hm", time.time(), status="rejected"))
    page.wait(f"{COUNT} === 2")


def test_older_ones_can_be_read_to_the_very_first(talkative: Page) -> None:
    while not hidden(talkative, "#older"):
        last = talkative.text("#utterances li:last-child .text")
        talkative.click("#older")
        talkative.wait(f"return document.querySelector('#utterances li:last-child .text').textContent !== '{last}'")
        assert talkative.script(COUNT) <= 300
    assert talkative.text("#utterances li:last-child .text") == "sentence 699"


def test_who_left_the_newest_behind_comes_back_to_them(talkative: Page, api: FakeApi) -> None:
    for count in (*range(60, 301, 30), 300):
        talkative.click("#older")
        talkative.wait(f"{COUNT} === {count}")
    talkative.wait("return !document.querySelector('#newest').hidden")
    api.hear(**utterance(9000, "brand-new", time.time()))
    talkative.wait_for("#announce-words", "brand-new")
    assert talkative.text(f"{FIRST} .text") == "sentence 30", "it does not stand above what is older by hours"
    talkative.click("#newest")
    talkative.wait_for(f"{FIRST} .text", "brand-new")
    assert hidden(talkative, "#newest")


def test_what_was_said_on_a_day_is_found(page: Page, api: FakeApi) -> None:
    long_ago = time.time() - 40 * DAY
    api.utterances.append(utterance(12, "that day", long_ago))
    page.script(CHOOSE, "#search-day", page.script(DAY_OF, long_ago))
    page.wait_for(f"{FIRST} .text", "that day")
    assert page.script(COUNT) == 1
    api.hear(**utterance(5000, "today", time.time()))
    page.wait_for("#announce-words", "today")
    assert page.script(COUNT) == 1, "what is said now was not said on that day"
    page.click("#search-clear")
    page.wait_for(f"{FIRST} .text", "today")


def test_on_a_phone_few_words_stand_before_the_charts(page: Page, api: FakeApi) -> None:
    page.resize(PHONE)
    api.utterances = heard(time.time(), [f"sentence {n}" for n in range(40)])
    page.open(api.address)
    page.wait(f"{COUNT} === 6")
    api.hear(**utterance(5000, "one more", time.time()))
    page.wait_for(f"{FIRST} .text", "one more")
    assert page.script(COUNT) == 6
    above = page.script("return document.querySelector('#charts-title').getBoundingClientRect().top + scrollY")
    assert above < 2 * PHONE[1]
    page.click("#older")
    page.wait(f"{COUNT} === 36")
    api.hear(**utterance(5001, "and another", time.time()))
    page.wait_for(f"{FIRST} .text", "and another")
    assert page.script(COUNT) == 37, "who asked for older ones keeps them"
