"""`voicebridge-bench soak`: the whole daemon for hours, under a load of its own; judged, reported."""

import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, cast

import click
from click.core import ParameterSource

from voicebridge.cli.asking import daemon_to_tell
from voicebridge.cli.invocation import Invocation
from voicebridge.domain.errors import ExitCode
from voicebridge_bench.soak.planted import planted_named
from voicebridge_bench.soak.profiles import PROFILES, EngineKind, profile_named, profile_of
from voicebridge_bench.soak.running import FAILED, Asked, Progress, Show, attach, begin, resume

if TYPE_CHECKING:
    from voicebridge_bench.soak.record import End
    from voicebridge_bench.soak.verdict import Judgement

QUICK_SECONDS = 300.0
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}
PLAIN_SECONDS = 30.0
"""Between lines where there is no terminal."""
MOST_SPEED = 200.0
_NOT_ATTACHED = {"engine": "--engine", "planted": "--planted", "seed": "--seed"}


class Duration(click.ParamType[float]):
    """A time with its unit: 8h, 90m, 300s."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return seconds."""
        if isinstance(value, float):
            return value
        found = re.fullmatch(r"(?P<count>\d+(?:\.\d+)?)(?P<unit>[smh])", str(value).strip().lower())
        if found is None or float(found["count"]) <= 0:
            self.fail(f"{value!r} is no time such as 8h, 90m or 300s.", param, ctx)
        return float(found["count"]) * _UNITS[found["unit"]]


@dataclass(frozen=True, slots=True)
class Options:
    """The options of the command, by their names."""

    duration: float
    quick: bool
    profile: str
    engine: EngineKind | None
    attached: bool
    state_dir: Path | None
    speed: float
    seed: int
    output: Path | None
    resumed: Path | None
    planted: str

    @property
    def folder(self) -> Path:
        """Where everything is written."""
        return self.output or Path(f"soak-{self.profile}-{time.strftime('%Y%m%d-%H%M%S')}")

    @property
    def asked(self) -> Asked:
        """What the soak is to be. Raises VoicebridgeError."""
        profile = profile_named(self.profile)
        if self.engine is not None:
            profile = profile.with_engine(self.engine)
        if self.planted:
            planted_named(self.planted)
        duration = QUICK_SECONDS if self.quick else self.duration
        return Asked(profile, duration, self.seed, self.speed, self.planted)


def refuse_ignored(named: Collection[str]) -> None:
    """Refuse options that would change nothing, by the names of those given. Raises UsageError."""
    if "resumed" in named and len(named) > 1:
        raise click.UsageError("--resume goes on with what was asked for then, and takes no other option.")
    if {"duration", "quick"} <= set(named):
        raise click.UsageError("--quick is five minutes: leave out --duration.")
    if "state_dir" in named and "attached" not in named:
        raise click.UsageError("--state-dir says which service to look at: it goes with --attach.")
    if "attached" in named and (useless := _NOT_ATTACHED.keys() & set(named)):
        names = ", ".join(_NOT_ATTACHED[name] for name in sorted(useless))
        raise click.UsageError(f"With --attach nothing is played, started or broken: leave out {names}.")


@click.command("soak")
@click.option("--duration", type=Duration(), default=28_800.0, metavar="TIME", help="8h (default), 90m, 300s, ...")
@click.option("--quick", is_flag=True, help="Five minutes; the same in everything else.")
@click.option("--profile", type=click.Choice(list(PROFILES)), default="office", show_default=True, help="See above.")
@click.option("--engine", type=click.Choice(["whisper", "sphinx"]), help="Instead of the profile's.")
@click.option("--attach", "attached", is_flag=True, help="Look at the service that runs; nothing is played or broken.")
@click.option("--state-dir", type=click.Path(path_type=Path), help="With --attach: whose state directory this is.")
@click.option(
    "--speed",
    type=click.FloatRange(1, MOST_SPEED),
    default=1.0,
    show_default=True,
    help="Play so many times as fast as time, where the machine can; then there are no delays.",
)
@click.option("--seed", type=int, default=1, show_default=True, help="Of what is played, and of the faults.")
@click.option("--output", type=click.Path(path_type=Path), metavar="FOLDER", help="For record, reports and daemon.")
@click.option("--resume", "resumed", type=click.Path(path_type=Path), help="Go on in the folder of a soak cut off.")
@click.option("--planted", default="", hidden=True, help="A fault that stands in the daemon: is it found?")
def command(**given: Any) -> int:
    """Soak the whole daemon: hours of speech with known words, and in the end a verdict with its reasons.

    It starts a daemon of its own in FOLDER/daemon, where that stays, and feeds it; your settings, microphone and
    database are not touched. Ctrl-C ends it early, with an honest report of what was soaked.

    Profiles: office (people now and then), busy (speech nearly without a rest), silence, noise, chaos (killed,
    stopped, starved, a decode that hangs, the disk full, the clock set wrong).

    Exit status: 0 passed, 1 failed, 130 ended early and nothing had failed.
    """
    refuse_ignored(_named(given))
    options = Options(**given)
    folder = options.resumed or options.folder
    if options.speed != 1 and options.attached:
        raise click.UsageError("Time cannot be hurried with --attach.")
    stopping = threading.Event()
    with _ending_on_signals(stopping), _shown() as show:
        if options.resumed is not None:
            resume(folder, stopping, show)
        elif options.attached:
            _attach(options, folder, stopping, show)
        else:
            begin(options.asked, folder, stopping, show)
    return report_on(folder)


def _named(given: Collection[str]) -> set[str]:
    """Return which options stand on the command line."""
    context = click.get_current_context()
    return {name for name in given if context.get_parameter_source(name) is ParameterSource.COMMANDLINE}


def report_on(folder: Path) -> int:
    """Judge what is in a folder, write the reports, show the summary; return the exit status."""
    from voicebridge_bench.soak.journal import read_record
    from voicebridge_bench.soak.judging import judge
    from voicebridge_bench.soak.report import write_reports
    from voicebridge_bench.soak.summary import summary

    record = read_record(folder)
    judgement = judge(record, profile_of(record.header))
    write_reports(record, judgement, folder)
    click.echo(summary(record, judgement))
    click.echo(f"Reports: {folder}")
    return _status_of(judgement, record.end)


def _status_of(judgement: "Judgement", end: "End | None") -> int:
    if judgement.failed or (end is not None and end.reason == FAILED):
        return ExitCode.FAILURE
    return ExitCode.OK if judgement.complete else ExitCode.INTERRUPTED


def _attach(options: Options, folder: Path, stopping: threading.Event, show: Show) -> None:
    overrides = () if options.state_dir is None else (f"store.state_dir={options.state_dir.absolute()}",)
    attach(lambda: daemon_to_tell(Invocation(overrides=overrides)), options.asked, folder, stopping, show)


@contextmanager
def _ending_on_signals(stopping: threading.Event) -> Iterator[None]:
    """Have the first Ctrl-C or SIGTERM end the soak in order; the second one ends it at once."""

    def end(number: int, frame: FrameType | None) -> None:
        del frame
        if stopping.is_set():
            raise KeyboardInterrupt
        click.echo(f"\n{signal.Signals(number).name}: ending in order; once more to end at once.", err=True)
        stopping.set()

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, cast("Callable[[int, FrameType | None], Any]", handler))


@contextmanager
def _shown() -> Iterator[Show]:
    """Show how far it is: a bar on a terminal, a line now and then elsewhere."""
    if not sys.stderr.isatty():
        yield _Lines()
        return
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (
        BarColumn(),
        TextColumn("{task.percentage:.0f} %"),
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
    )
    with Bar(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("starting", total=1.0)
        yield lambda progress: bar.update(task, completed=progress.done, description=_told(progress))


class _Lines:
    """Prints a line each half a minute."""

    def __init__(self) -> None:
        self._next = 0.0

    def __call__(self, progress: Progress) -> None:
        now = time.monotonic()
        if now >= self._next:
            self._next = now + PLAIN_SECONDS
            click.echo(f"{progress.done:6.1%}  {_left(progress.left_seconds)} left  {_told(progress)}", err=True)


def _told(progress: Progress) -> str:
    parts = [progress.state, _counted(progress.utterances, "utterance"), f"{progress.rss_bytes / 1e6:.0f} MB"]
    if progress.faults:
        parts.append(_counted(progress.faults, "fault"))
    if progress.factor > 1.5:
        parts.append(f"{progress.factor:.0f} times as fast as time")
    return ", ".join(parts)


def _counted(count: int, one: str) -> str:
    return f"{count} {one}{'' if count == 1 else 's'}"


def _left(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"
