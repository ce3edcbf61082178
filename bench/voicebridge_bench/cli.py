"""`voicebridge-bench`: figures measured on the owner's own hardware."""

import os
from typing import Any

import click

from voicebridge import __version__
from voicebridge.cli import guarded
from voicebridge.cli.lazy import LazyGroup
from voicebridge.cli.leaving import leave

COMMANDS = {
    "try": "Hear live in the terminal; without a microphone a demonstration.",
    "run": "What each part costs here, against targets.",
    "compare": "Two results of `run`, side by side.",
    "latency": "From the end of speech to the text, through a whole daemon.",
    "quick": "How quick text is: against plain faster-whisper, and with what makes it quick on and off.",
    "profile": "Where a second of processor time goes, in silence, in speech and in decodes.",
    "accuracy": "Word error rates, under noise too, and what is heard where nobody speaks.",
    "record": "Read sentences into your own microphone, for the measurements.",
    "tune": "Find the settings that suit this machine and your voice.",
    "survive": "Kill the daemon at random moments and see what is lost.",
    "endure": "Hold the engine at full load while speech runs on.",
    "footprint": "CPU in silence, memory, time to the first sample.",
    "checkpoints": "Health checkpoints at full load, against what is seen from outside.",
    "soak": "The whole daemon for hours: played to, watched, judged.",
    "judge": "Judge what a soak has written down again, and report it anew.",
    "overhead": "What health and HTTP cost, in silence and with a crowd.",
}


class Group(LazyGroup):
    """Says in a line that a command was ended early, where it has nothing more to say of it."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            click.echo("Ended early.", err=True)
            raise


@click.group(
    name="voicebridge-bench",
    cls=Group,
    table=COMMANDS,
    package="voicebridge_bench.commands",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, "-V", "--version")
def group() -> None:
    """Measure Voicebridge on this machine."""


def main(args: list[str] | None = None) -> None:
    """Run a command and leave with its exit status."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    leave(guarded(group, args))
