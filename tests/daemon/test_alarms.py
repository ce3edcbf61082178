import logging

import pytest

from voicebridge.daemon.alarms import Alarms
from voicebridge.daemon.messages import log_announced
from voicebridge.domain.events import StoreChanged, StoreNotice, StoreNoticeKind
from voicebridge.health.probes import RULES


def test_a_reserve_that_was_given_up_is_an_alarm_until_it_is_back() -> None:
    alarms = Alarms()
    alarms.heed(StoreNotice(StoreNoticeKind.RESERVE_GIVEN_UP, "The disk is full."))
    assert alarms.standing == {"reserve_given_up": "The disk is full."}
    alarms.heed(StoreChanged(working=True, detail="it works again"))
    assert alarms.standing == {"reserve_given_up": "The disk is full."}
    alarms.heed(StoreNotice(StoreNoticeKind.RESERVE_BACK, "There is space."))
    assert alarms.standing == {}


def test_a_database_that_was_moved_is_an_alarm_until_the_store_works() -> None:
    alarms = Alarms()
    alarms.heed(StoreNotice(StoreNoticeKind.DATABASE_LOST, "It was moved."))
    alarms.heed(StoreChanged(working=False, detail="It was moved."))
    assert alarms.standing == {"database_lost": "It was moved."}
    alarms.heed(StoreChanged(working=True, detail="it works again"))
    assert alarms.standing == {}


def test_what_is_done_in_good_order_is_no_alarm() -> None:
    alarms = Alarms()
    alarms.heed(StoreNotice(StoreNoticeKind.AUDIO_EXPIRED, "Some audio went."))
    assert alarms.standing == {}


def test_every_alarm_has_its_row_in_the_table_of_reasons() -> None:
    codes = {rule.code for rule in RULES}
    assert {"database_lost", "database_damaged", "database_set_aside", "reserve_given_up"} <= codes


@pytest.mark.parametrize("kind", StoreNoticeKind)
def test_what_the_store_notes_is_logged_in_its_own_words(
    kind: StoreNoticeKind, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        log_announced(logging.getLogger("voicebridge.test"), StoreNotice(kind, "It went like this."))
    (record,) = caplog.records
    assert record.getMessage() == "It went like this."
    assert getattr(record, "vb", {})["event"] == kind.value
