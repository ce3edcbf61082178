"""Turn rules: whether somebody who pauses has finished, told by the words and the fall of the voice. Pure.

Each rule is a line that a person can read, and each verdict names the rule it came from. They are for English; of other
languages nothing is said, and the usual hangover is waited. A model that knows more goes in through TurnDetector.
"""

import re
from itertools import dropwhile

from voicebridge.domain.ports import TurnEvidence, TurnVerdict
from voicebridge.settings import EndpointSettings

FALL_DB = 3.0
"""How far the voice must fall at the close of a sentence that is done: to half its power.

By `voicebridge-bench quick --part turns` (120 synthesised commands with a pause inside), adaptive with 3 dB waits as
long at the end as 700 ms fixed (2 ms more) and cuts off 11 in 100 sentences less; with 6 dB it waits 65 ms longer, and
cuts off 2 in 100 less than that.
"""
LEAST_WORDS = 2
"""A single word, however it is punctuated, may be the beginning of anything."""

OPEN_ENDED = {
    "conjunction": "and or but nor because although if unless until till whereas whether than as",
    "preposition": "of to at for from with without into onto toward towards between among during against via per"
    " despite including regarding",
    "article": "a an the my your our their every its",
    "filler": "um uh uhm umm erm er eh hmm hm mm mhm",
}
"""Words after which a sentence goes on. Those that may close one (turn it *on*, come *in*, call *her*, never heard
of it *since*) are not here."""
MID_NUMBER = {"point", "dot", "comma", "plus", "minus"}
"""After a number, these want another one. Not ``times``: *play it three times* is done."""
WANTS_UNIT = {"for", "in", "about", "after", "every", "another", "within"}
"""A number after one of these is a quantity whose unit is still to come (a timer for twenty ...)."""

_ONES = "zero oh one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen"
_TENS = "seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred thousand million"
_NUMBERS = frozenset(f"{_ONES} {_TENS}".split())
_YEAR = re.compile(r"\d{4}")
"""Four digits are a year or a time of day more often than a quantity (it was in 2024): nothing follows from them."""
_WORD = re.compile(r"[\w]+(?:['\u2019:.,-][\w]+)*")
_UNFINISHED = re.compile(r"(?:[,;:\-\u2013\u2014\u2026]|\.\.)[\"'\u201d\u2019)]*$")
_FINISHED = re.compile(r"[.!?][\"'\u201d\u2019)]*$")
_KINDS = {word: kind for kind, words in OPEN_ENDED.items() for word in words.split()}


class TurnRules:
    """Implements TurnDetector, and Tunable for the settings of the endpoint."""

    def __init__(self, settings: EndpointSettings) -> None:
        self._settings = settings

    def apply(self, settings: EndpointSettings) -> bool:
        """Go by other bounds from now on. Always True."""
        self._settings = settings
        return True

    def judge(self, evidence: TurnEvidence) -> TurnVerdict:
        """Say how long to wait: the longest hangover for what is open, the shortest for what is done, else the usual.

        A question may end with a preposition (*what is it for?*). A row of digits may go on, unless the voice says
        that it is done; then nothing is certain.
        """
        settings, text = self._settings, evidence.text.strip()
        if evidence.language is not None and evidence.language.split("-")[0].lower() != "en":
            return TurnVerdict(settings.hangover_ms, "other language")
        if not text:
            return TurnVerdict(settings.hangover_ms, "no words")
        words = [word.lower().replace("\u2019", "'") for word in _WORD.findall(text)]
        closes = _FINISHED.search(text) is not None and evidence.fall_db >= FALL_DB
        if reason := _why_open(text, words):
            return TurnVerdict(settings.hangover_max_ms, reason)
        if words and _is_number(words[-1]):
            return self._after_number(words, closes=closes)
        if closes and len(words) >= LEAST_WORDS:
            return TurnVerdict(settings.hangover_min_ms, "sentence done")
        return TurnVerdict(settings.hangover_ms, "nothing certain")

    def _after_number(self, words: list[str], *, closes: bool) -> TurnVerdict:
        """Judge a text that ends with a number: it is never surely done (*twenty* may become *twenty-five*)."""
        others = list(dropwhile(_is_number, reversed(words)))
        if others and others[0] in WANTS_UNIT:
            return TurnVerdict(self._settings.hangover_max_ms, "unit missing")
        if len(words) - len(others) > 1 and not closes:
            return TurnVerdict(self._settings.hangover_max_ms, "mid-number")
        return TurnVerdict(self._settings.hangover_ms, "number")


def _why_open(text: str, words: list[str]) -> str:
    """Return why a text surely goes on, or nothing."""
    last = words[-1] if words else ""
    before = words[-2] if len(words) > 1 else ""
    kind = _KINDS.get(last, "")
    if kind == "preposition" and text.rstrip("\"'\u201d\u2019)").endswith("?"):
        kind = ""
    if kind:
        return kind
    if last in MID_NUMBER and _is_number(before):
        return "mid-number"
    return "comma or dash" if _UNFINISHED.search(text) else ""


def _is_number(word: str) -> bool:
    return word.partition("-")[0] in _NUMBERS or (word[:1].isdigit() and not _YEAR.fullmatch(word))
