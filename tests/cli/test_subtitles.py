"""Transcripts as text, JSON and subtitles."""

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.cli.test_live import settled
from voicebridge.cli.subtitles import FORMS, Transcripts, timestamp
from voicebridge.domain.events import UtteranceSettled, WordsFound
from voicebridge.domain.utterance import Status, Word


def written(form: str, *texts: str | None, words: WordsFound | None = None) -> str:
    out = io.StringIO()
    transcripts = Transcripts(FORMS[form], Path("talk.wav"), out)
    for number, text in enumerate(texts, 1):
        event = settled(text, Status.DONE if text is not None else Status.REJECTED)
        assert isinstance(event, UtteranceSettled)
        transcripts.add(replace(event.record, utterance_id=number, words=(), confidence=None))
    if words is not None:
        transcripts.add_words(words)
    transcripts.finish(9.5)
    return out.getvalue()


def test_text_is_a_line_for_each_believed_utterance() -> None:
    assert written("txt", "one", None, "two\nlines") == "one\ntwo lines\n"


def test_subrip_numbers_what_it_shows() -> None:
    assert written("srt", None, "one", "two") == (
        "1\n00:00:01,000 --> 00:00:03,000\none\n\n2\n00:00:01,000 --> 00:00:03,000\ntwo\n\n"
    )


def test_webvtt_has_a_header_even_when_nothing_was_said() -> None:
    assert written("vtt") == "WEBVTT\n\n"
    assert written("vtt", "one") == "WEBVTT\n\n00:00:01.000 --> 00:00:03.000\none\n\n"


def test_what_webvtt_would_read_as_markup_is_escaped() -> None:
    assert "a &lt;b&gt; &amp; c" in written("vtt", "a <b> & c")


@pytest.mark.parametrize("form", ["srt", "vtt"])
def test_an_arrow_in_the_text_starts_no_cue(form: str) -> None:
    assert written(form, "a --> b").count("-->") == 1


def test_json_holds_every_utterance_also_those_not_believed() -> None:
    told = json.loads(written("json", "one", None))
    assert (told["file"], told["seconds"]) == ("talk.wav", 9.5)
    assert [(u["status"], u["start_seconds"], u["end_seconds"]) for u in told["utterances"]] == [
        ("done", 1.0, 3.0),
        ("rejected", 1.0, 3.0),
    ]


def test_json_has_the_words_that_come_after_a_text() -> None:
    found = WordsFound(2, (Word("two", 16_000, 20_000, 0.5),), 0.5)
    told = json.loads(written("json", "one", "two", words=found))
    assert [(u["confidence"], [word["text"] for word in u["words"]]) for u in told["utterances"]] == [
        (None, []),
        (0.5, ["two"]),
    ]


def test_words_of_what_belongs_to_no_file_here_are_left_out() -> None:
    found = WordsFound(9, (Word("nine", 16_000, 20_000, 0.5),), 0.5)
    assert written("json", "one", words=found) == written("json", "one")
    assert written("txt", "one", words=WordsFound(1, found.words, 0.5)) == "one\n"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0, "00:00:00,000"), (59.9996, "00:01:00,000"), (3661.0625, "01:01:01,062"), (360_000.0, "100:00:00,000")],
)
def test_timestamps_round_to_milliseconds(seconds: float, text: str) -> None:
    assert timestamp(seconds, ",") == text
