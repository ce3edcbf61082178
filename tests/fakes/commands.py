"""Commands run as a person runs them, on a state directory."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import pytest

from voicebridge.cli import group, guarded


@dataclass(frozen=True)
class Said:
    """What a command said, and its exit status."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        """The lines on standard output."""
        return self.out.splitlines()


Transcribe: TypeAlias = Callable[..., Said]
"""Runs `voicebridge transcribe` with these arguments; ``before`` are the options that stand before it."""


def on_state(path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """Return a function that runs a command on this state directory."""
    # A file of their own, so that no configuration of this machine has a say.
    config = path.parent / "voicebridge.toml"
    config.touch()

    def run(*arguments: str) -> Said:
        capsys.readouterr()
        try:
            code = guarded(group, ["--config", str(config), "--state-dir", str(path), *arguments])
        except SystemExit as left:
            code = int(left.code or 0)
        said = capsys.readouterr()
        return Said(code, said.out, said.err)

    return run
