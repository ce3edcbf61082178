"""What a soak plays: made as it is needed, from a seed."""

from itertools import islice

import numpy as np
import pytest

from voicebridge.domain.units import SAMPLE_RATE
from voicebridge_bench.playlist import Piece
from voicebridge_bench.soak.playing import STRETCH_SECONDS, Programme, Stretch, pool_for
from voicebridge_bench.soak.profiles import PROFILES, Load

LOUD = np.full(SAMPLE_RATE, 10_000, np.int16)
PIECES = [Piece("one", LOUD), Piece("two", LOUD[: SAMPLE_RATE // 2]), Piece("three", LOUD[: SAMPLE_RATE // 4])]


def played(load: Load, seconds: float, seed: int = 1) -> list[Stretch]:
    programme, found, left = Programme(load, PIECES, seed), [], seconds * SAMPLE_RATE
    while left > 0:
        found.append(next(programme))
        left -= len(found[-1].samples)
    return found


def test_the_same_seed_plays_the_same() -> None:
    first, second = (played(PROFILES["office"].load, 60, seed=7) for _ in range(2))
    assert [stretch.text for stretch in first] == [stretch.text for stretch in second]
    assert all(np.array_equal(one.samples, other.samples) for one, other in zip(first, second, strict=True))


def test_another_seed_plays_something_else() -> None:
    lengths = [[len(stretch.samples) for stretch in played(PROFILES["office"].load, 60, seed)] for seed in (1, 2)]
    assert lengths[0] != lengths[1]


def test_iterating_again_goes_on_where_it_was() -> None:
    programme, other = (Programme(PROFILES["busy"].load, PIECES, 3) for _ in range(2))
    parts = [len(stretch.samples) for _ in range(4) for stretch in islice(programme, 5)]
    assert parts == [len(stretch.samples) for stretch in islice(other, 20)]


@pytest.mark.parametrize("name", PROFILES)
def test_nothing_longer_than_a_piece_is_ever_held(name: str) -> None:
    longest = max(len(stretch.samples) for stretch in played(PROFILES[name].load, 600))
    assert longest <= SAMPLE_RATE * STRETCH_SECONDS


def test_pieces_are_kept_apart_by_more_than_the_hangover() -> None:
    quiet = SAMPLE_RATE
    for stretch in played(PROFILES["busy"].load, 300):
        if stretch.text:
            assert quiet >= 1.2 * SAMPLE_RATE
            quiet = 0
        else:
            quiet += len(stretch.samples)


def test_every_piece_comes_before_any_comes_again() -> None:
    texts = [stretch.text for stretch in played(PROFILES["busy"].load, 120) if stretch.text]
    rounds = [set(texts[start : start + 3]) for start in range(0, len(texts) - 3, 3)]
    assert rounds
    assert all(spoken == {"one", "two", "three"} for spoken in rounds)


def test_the_room_has_the_noise_of_its_profile() -> None:
    quiet = np.concatenate([stretch.samples for stretch in Programme(Load(noise_dbfs=-60.0), [], 1).quiet(5.0)])
    assert len(quiet) == 5 * SAMPLE_RATE
    assert 20 * np.log10(np.std(quiet.astype(float)) / 32768) == pytest.approx(-60, abs=0.5)


@pytest.mark.parametrize("seed", range(6))
def test_noise_is_as_loud_as_the_profile_says_and_is_no_speech(seed: int) -> None:
    load = PROFILES["noise"].load
    stretches = played(load, 120, seed)
    loud = [20 * np.log10(np.sqrt(np.mean(stretch.samples.astype(float) ** 2)) / 32768) for stretch in stretches]
    assert max(loud) == pytest.approx(load.burst_dbfs, abs=2)
    assert not any(stretch.text for stretch in stretches)


@pytest.mark.parametrize("name", ["silence", "noise"])
def test_a_room_without_people_needs_no_pieces(name: str) -> None:
    assert pool_for(PROFILES[name].load, 1, 28_800) == []


def test_what_people_said_is_taken_for_sphinx_and_fits_an_utterance() -> None:
    pieces = pool_for(PROFILES["office"].with_engine("sphinx").load, 1, 3600)
    assert len(pieces) > 5
    assert all(piece.text and len(piece.samples) <= 25 * SAMPLE_RATE for piece in pieces)


def test_a_short_soak_makes_few_commands_and_each_seed_its_own() -> None:
    office = PROFILES["office"].load
    first, second = (pool_for(office, seed, 60) for seed in (1, 2))
    assert len(first) == len(second) == 12
    assert {piece.text for piece in first} != {piece.text for piece in second}


@pytest.mark.parametrize(("name", "least", "most"), [("office", 0.1, 0.4), ("busy", 0.45, 0.7), ("silence", 0, 0)])
def test_the_share_of_speech_is_what_the_profile_says(name: str, least: float, most: float) -> None:
    assert least <= PROFILES[name].load.speech_share <= most
