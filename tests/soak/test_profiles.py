"""Profiles: bounds that can be reached and broken, and loads that make sense."""

import pytest

from voicebridge.domain.errors import VoicebridgeError
from voicebridge.settings.layers import load
from voicebridge_bench.soak.profiles import PROFILES, profile_named


@pytest.mark.parametrize("name", PROFILES)
def test_a_profile_is_found_by_its_name(name: str) -> None:
    assert profile_named(name).name == name


def test_an_unknown_profile_is_told_with_those_there_are() -> None:
    with pytest.raises(VoicebridgeError, match="office, busy, silence, noise, chaos"):
        profile_named("party")


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_its_settings_are_settings(profile: object) -> None:
    chosen = PROFILES[getattr(profile, "name")]  # noqa: B009
    found = load(None, [f"{name}={value}" for name, value in chosen.settings.items()], {})
    assert found.settings is not None


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_a_leak_of_100_kb_an_hour_is_above_the_bound(profile: object) -> None:
    assert PROFILES[getattr(profile, "name")].bounds.uss_bytes_per_hour < 100_000  # noqa: B009


def test_the_database_may_grow_with_what_is_stored() -> None:
    bounds = PROFILES["office"].bounds
    quiet, busy = bounds.growth(0, 300), bounds.growth(1000, 300)
    assert busy.database_bytes - quiet.database_bytes == pytest.approx(1000 * bounds.utterance_bytes)
    assert bounds.growth(0, 1).database_bytes > quiet.database_bytes
    assert bounds.growth(0, 300, anchor_seconds=1).database_bytes > quiet.database_bytes


def test_another_engine_has_its_own_material_and_bound() -> None:
    office = profile_named("office").with_engine("sphinx")
    assert office.load.engine == "sphinx"
    assert office.bounds.word_error["sphinx"] > office.bounds.word_error["whisper"]
    assert office.bounds.delay_p95_seconds > profile_named("office").bounds.delay_p95_seconds
    assert profile_named("office").load.engine == "whisper"
