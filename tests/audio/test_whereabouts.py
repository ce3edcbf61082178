"""Which source a stream is fed from, against the one it was opened on."""

from typing import Literal

import pytest

from voicebridge.audio.sound_server import Known
from voicebridge.audio.whereabouts import Feed, Whereabouts
from voicebridge.domain.capture import SoundServer

BOTH = "desk decoy"


def known(source: str = "", stream: int = 1, sources: str = BOTH) -> Known:
    where = (1, stream) if source else None
    return Known(SoundServer.ANSWERS, 1.0, where, source, frozenset(sources.split()))


def opened_on_desk(on_move: Literal["auto", "insist", "follow"], device: str = "Desk") -> Whereabouts:
    whereabouts = Whereabouts(on_move)
    assert not whereabouts.opening(device, Known())
    whereabouts.look(known("desk"))
    return whereabouts


@pytest.mark.parametrize(
    ("on_move", "device", "insists"),
    [
        ("auto", "Desk", True),
        ("auto", "", False),
        ("auto", " Default ", False),
        ("auto", "pulse", False),
        ("insist", "", True),
        ("follow", "Desk", False),
    ],
)
def test_a_named_device_is_insisted_on_unless_the_settings_say_otherwise(
    on_move: Literal["auto", "insist", "follow"], device: str, insists: bool
) -> None:
    assert Whereabouts(on_move).insists(device) is insists


def test_the_first_source_is_home() -> None:
    whereabouts = opened_on_desk("insist")
    assert whereabouts.feed == Feed("desk", "")
    assert whereabouts.look(known("desk")) == Feed("desk", "desk")
    assert not whereabouts.strayed


def test_a_server_that_says_nothing_changes_nothing() -> None:
    whereabouts = opened_on_desk("follow")
    whereabouts.look(known("decoy", sources="decoy"))
    assert whereabouts.look(Known()) == Feed("decoy", "desk", away=True)


def test_a_move_is_told_once() -> None:
    whereabouts = opened_on_desk("follow")
    assert whereabouts.look(known("decoy")).changed
    assert not whereabouts.look(known("decoy")).changed
    assert whereabouts.look(known("desk")).changed
    assert whereabouts.look(known("desk")) == Feed("desk", "desk")


def test_who_follows_goes_back_when_the_source_was_gone_and_is_there_again() -> None:
    whereabouts = opened_on_desk("follow")
    assert not whereabouts.look(known("decoy")).returned  # somebody moved it on purpose: its source is still there
    assert not whereabouts.look(known("decoy", sources="decoy")).returned
    assert whereabouts.look(known("decoy")).returned


def test_who_insists_strays_instead() -> None:
    whereabouts = opened_on_desk("insist")
    feed = whereabouts.look(known("decoy", sources="decoy"))
    assert (feed.away, feed.returned, whereabouts.strayed) == (True, False, True)
    assert not whereabouts.look(known("decoy")).returned


def test_a_stream_that_was_closed_says_nothing_of_the_new_one() -> None:
    whereabouts = opened_on_desk("insist")
    whereabouts.look(known("decoy", 1, "decoy"))
    whereabouts.closed()
    assert not whereabouts.strayed
    assert whereabouts.opening("Desk", known("decoy", 1))
    assert whereabouts.look(known("decoy", 1)) == Feed(home="desk")
    assert whereabouts.look(known("desk", 2)) == Feed("desk", "desk")


def test_a_substitute_is_not_believed_while_the_home_is_absent() -> None:
    whereabouts = opened_on_desk("insist")
    whereabouts.opening("Desk", known("desk", 1))
    whereabouts.look(known("decoy", 2, "decoy"))
    assert whereabouts.strayed


def test_a_name_that_leads_elsewhere_although_its_home_is_there_has_a_new_home() -> None:
    whereabouts = opened_on_desk("insist")
    whereabouts.opening("Desk", known("desk", 1))
    assert whereabouts.look(known("decoy", 2)) == Feed("decoy", "desk", changed=True)
    assert not whereabouts.strayed
    assert whereabouts.look(known("decoy", 2)) == Feed("decoy", "decoy")


@pytest.mark.parametrize(
    ("on_move", "now", "missing"),
    [
        ("insist", known(sources="decoy"), "desk"),
        ("insist", known(sources=""), "desk"),
        ("insist", known(), ""),
        ("follow", known(sources="decoy"), ""),
        ("insist", Known(), ""),
    ],
)
def test_what_is_insisted_on_must_be_listed_by_a_server_that_answers(
    on_move: Literal["insist", "follow"], now: Known, missing: str
) -> None:
    assert opened_on_desk(on_move).missing("Desk", now) == missing


def test_before_anything_was_heard_nothing_is_missing() -> None:
    assert Whereabouts("insist").missing("Desk", known(sources="decoy")) == ""
