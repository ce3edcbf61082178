"""Faults planted in a real daemon: the judge finds each one, and nothing else."""

import threading
from pathlib import Path

import pytest

from voicebridge.domain.errors import VoicebridgeError
from voicebridge_bench.soak.journal import read_record
from voicebridge_bench.soak.judging import judge
from voicebridge_bench.soak.planted import PLANTED, plant
from voicebridge_bench.soak.profiles import profile_named
from voicebridge_bench.soak.running import Asked, begin


@pytest.mark.slow
@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_fault_turns_red_what_it_must_and_nothing_else(name: str, tmp_path: Path) -> None:
    planted = PLANTED[name]
    profile = profile_named("busy")
    begin(Asked(profile, planted.seconds, seed=5, planted=name), tmp_path, threading.Event(), lambda _progress: None)
    judgement = judge(read_record(tmp_path), profile)
    assert {verdict.code for verdict in judgement.failed} == planted.red, [
        f"{verdict.code}: {verdict.sentence}" for verdict in judgement.failed
    ]


def test_a_fault_that_there_is_not_is_told() -> None:
    with pytest.raises(VoicebridgeError, match="leak, files, threads"):
        plant("rust")
