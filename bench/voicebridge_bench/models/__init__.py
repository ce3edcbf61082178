"""Models that come with the benches; `whisper-commands` is for tests and the demonstration only."""

from pathlib import Path

WHISPER_COMMANDS = Path(__file__).parent / "whisper-commands"
"""A small CTranslate2 Whisper for synthesised commands; see its README."""
