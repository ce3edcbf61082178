"""Suite text: what happens to a transcript, and to every line of the log."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from voicebridge.daemon.log_forms import LogContext, journal_fields
from voicebridge.domain.text import printable
from voicebridge.pipeline.gate import judge
from voicebridge.settings import GateSettings

# The engine's own last step on every text; it has no public name, and a copy of it would be measured in its place.
from voicebridge.speech.whisper_words import normalised
from voicebridge.store.rows import columns_of_outcome
from voicebridge_bench.components.figure import Context, Figure, Ready, Suite, timed
from voicebridge_bench.components.texts import outcome, some_words, transcript

COMMAND_WORDS = 6
LONGEST_WORDS = 90
"""28 s of quick speech."""
SPEECH_RATIO = 0.8
SHARE = 10.0


@contextmanager
def _opened(context: Context) -> Iterator[Ready]:
    yield Ready([*_transcripts(context), *_logs(context)])


def _transcripts(context: Context) -> Iterator[Figure]:
    limits = GateSettings()
    for name, words in (("command", COMMAND_WORDS), ("longest", LONGEST_WORDS)):
        text = some_words(words)
        heard = transcript(text)
        settled = outcome(1, heard)
        parameters = {"words": words}
        yield Figure(
            f"text.normalise.{name}",
            f"Normalise a transcript of {words} words",
            "µs",
            timed(context.watch, partial(normalised, f"  {text}\n")),
            SHARE,
            warm_up=20,
            parameters=parameters,
        )
        yield Figure(
            f"text.gate.{name}",
            f"Quality gate on a transcript of {words} words",
            "µs",
            timed(context.watch, partial(judge, heard, SPEECH_RATIO, limits)),
            SHARE if words == COMMAND_WORDS else 2.0,
            warm_up=5,
            parameters=parameters,
        )
        yield Figure(
            f"text.row.{name}",
            f"Make a row of a transcript of {words} words",
            "µs",
            timed(context.watch, partial(columns_of_outcome, settled)),
            SHARE,
            warm_up=20,
            parameters=parameters,
        )


def _logs(context: Context) -> Iterator[Figure]:
    text = some_words(LONGEST_WORDS)
    hostile = f"\x1b[31m{text}\u202e\r\n\x07"
    record = logging.LogRecord("voicebridge", logging.INFO, __file__, 1, "Heard utterance %d", (7,), None)
    record.vb = {"utterance": 7, "text": hostile, "delay_ms": 512.3, "engine": "whisper"}
    shown = LogContext(transcripts=True, session=3)
    yield Figure(
        "text.printable",
        f"Make a hostile text of {LONGEST_WORDS} words harmless",
        "µs",
        timed(context.watch, lambda: printable(hostile)),
        SHARE,
        warm_up=20,
        parameters={"characters": len(hostile)},
    )
    yield Figure(
        "text.log_entry",
        "Make a journal entry of such a text",
        "µs",
        timed(context.watch, lambda: journal_fields(shown, record)),
        SHARE,
        warm_up=20,
        parameters={"characters": len(hostile)},
    )


SUITE = Suite(
    "text",
    "Transcripts and log lines",
    (
        *(f"text.{what}.{length}" for what in ("normalise", "gate", "row") for length in ("command", "longest")),
        *("text.printable", "text.log_entry"),
    ),
    _opened,
)
