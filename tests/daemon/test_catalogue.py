"""What `journalctl -x` and the operations guide say of each message is complete, and made from one source."""

import logging
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.install.checkout import ROOT
from voicebridge.daemon import catalogue, messages
from voicebridge.daemon.catalogue import BEGIN, CATALOGUE, END, GUIDE
from voicebridge.daemon.explanations import EXPLANATIONS
from voicebridge.daemon.log_forms import LogContext, journal_fields
from voicebridge.daemon.log_handler import NeverBlockingHandler
from voicebridge.daemon.rate_limit import RateLimit

LONGEST_FILLED_IN_BYTES = 255
"""journalctl fills no longer value in (REPLACE_VAR_MAX in sd-journal.c of systemd 252 and 257)."""
JOURNALCTL = shutil.which("journalctl")


def test_every_message_is_explained() -> None:
    assert set(EXPLANATIONS) == set(messages.CATALOGUE)


def test_every_message_there_is_stands_in_the_catalogue() -> None:
    constants = {value for value in vars(messages).values() if isinstance(value, messages.Message)}
    assert constants <= set(messages.CATALOGUE)


def test_no_two_messages_have_one_id() -> None:
    ids = [message.message_id for message in messages.CATALOGUE]
    assert len(ids) == len(set(ids))
    assert all(re.fullmatch(r"[0-9a-f]{32}", message_id) for message_id in ids)


def test_whoever_is_warned_is_told_what_to_do() -> None:
    good_ends = {"store_recovered", "watchdog_resumed", "unmuted", "strays_found"}
    silent = {
        message.event
        for message, told in EXPLANATIONS.items()
        if message.level >= logging.WARNING and not told.advice and message.event not in good_ends
    }
    assert silent == set()


def test_a_subject_is_one_line_without_an_end() -> None:
    for told in EXPLANATIONS.values():
        assert "\n" not in told.subject
        assert not told.subject.endswith(".")


def test_only_short_fields_are_asked_for() -> None:
    asked = set(re.findall(r"@(\w+)@", catalogue.catalogue()))
    assert asked == {"VB_SESSION", "VB_BY", "VB_COUNT", "VB_UTTERANCE", "VB_STATUS"}
    longest_user_name = 32
    assert longest_user_name < LONGEST_FILLED_IN_BYTES


def test_no_line_of_the_catalogue_breaks_a_command() -> None:
    for line in catalogue.catalogue().splitlines():
        assert line.count("`") % 2 == 0


def test_the_catalogue_is_as_its_source_says() -> None:
    assert (ROOT / CATALOGUE).read_text() == catalogue.catalogue(), "run python -m voicebridge.daemon.catalogue"


def test_the_guide_says_what_each_message_means() -> None:
    guide = (ROOT / GUIDE).read_text()
    assert guide == catalogue.with_table(guide), "run python -m voicebridge.daemon.catalogue"


def test_a_row_names_a_field_where_the_journal_fills_it_in() -> None:
    row = next(line for line in catalogue.table().splitlines() if "15e9" not in line and "`muted`" in line)
    assert "Muted by BY: silence" in row
    assert "@" not in catalogue.table()


def test_a_table_has_as_many_cells_in_every_row() -> None:
    assert {line.count("|") for line in catalogue.table().splitlines()} == {6}


def test_both_files_are_written_anew(tmp_path: Path) -> None:
    for name in (CATALOGUE, GUIDE):
        (tmp_path / name).parent.mkdir()
    (tmp_path / GUIDE).write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    catalogue.write(tmp_path)
    catalogue.write(tmp_path)
    assert (tmp_path / CATALOGUE).read_text() == catalogue.catalogue()
    assert (tmp_path / GUIDE).read_text() == f"before\n{BEGIN}\n\n{catalogue.table()}\n{END}\nafter\n"


def test_a_guide_without_markers_is_not_written_over() -> None:
    with pytest.raises(ValueError, match="markers"):
        catalogue.with_table("nothing")


@pytest.mark.skipif(JOURNALCTL is None, reason="no journalctl here")
def test_journalctl_takes_the_catalogue(tmp_path: Path) -> None:
    assert JOURNALCTL is not None
    place = tmp_path / "usr/lib/systemd/catalog"
    place.mkdir(parents=True)
    (tmp_path / "var/lib/systemd/catalog").mkdir(parents=True)
    shutil.copy(ROOT / CATALOGUE, place)
    root = f"--root={tmp_path}"
    subprocess.run([JOURNALCTL, root, "--update-catalog"], check=True, capture_output=True)
    listed = subprocess.run([JOURNALCTL, root, "--list-catalog"], check=True, capture_output=True, text=True).stdout
    subjects = {line[:32]: line[33:] for line in listed.splitlines()}
    assert subjects == {message.message_id: f"Voicebridge: {told.subject}" for message, told in EXPLANATIONS.items()}


def test_a_count_of_repeats_is_a_message_with_its_fields() -> None:
    reports: list[logging.LogRecord] = []
    limit = RateLimit(1, 10.0, reports.append, lambda: 100.0)
    for _ in range(3):
        limit.filter(logging.LogRecord("voicebridge.x", logging.ERROR, __file__, 1, "again {}", (), None))
    limit.flush(everything=True)
    fields = journal_fields(LogContext(transcripts=False, session=4), reports[0])
    assert fields["MESSAGE"] == "2 more in 10 s, not logged, like: again {}"
    assert fields["MESSAGE_ID"] == messages.SUPPRESSED.message_id
    assert (fields["VB_EVENT"], fields["VB_COUNT"], fields["PRIORITY"]) == ("suppressed", "2", "3")


def test_lost_entries_are_a_message_with_its_fields() -> None:
    sent: list[dict[str, str]] = []
    takes = iter((False, False, True, True))

    class Journal:
        def send(self, _: bytes) -> bool:
            return next(takes)

        def close(self) -> None: ...

    def render(record: logging.LogRecord) -> bytes:
        sent.append(journal_fields(LogContext(transcripts=False), record))
        return b""

    handler = NeverBlockingHandler(render, Journal())
    for _ in range(2):
        handler.put(logging.LogRecord("voicebridge.x", logging.INFO, __file__, 1, "something", (), None))
    told = [fields for fields in sent if fields.get("VB_EVENT") == "log_lost"]
    assert {fields["MESSAGE_ID"] for fields in told} == {messages.LOG_LOST.message_id}
    assert told[0]["VB_COUNT"] == "1"
