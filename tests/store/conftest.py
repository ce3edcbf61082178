"""A state directory for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.states import FOR_EVER, State, state_in


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    with state_in(tmp_path / "state") as state:
        yield state


@pytest.fixture
def keeping(tmp_path: Path) -> Iterator[State]:
    """One that keeps audio for ever."""
    with state_in(tmp_path / "state", FOR_EVER) as state:
        yield state
