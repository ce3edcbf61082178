"""A progress bar for work on a long file."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from voicebridge.domain.text import printable
from voicebridge.domain.units import samples_to_seconds

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


class FileProgress:
    """How far into a file the text reaches. Shows nothing when it is not wanted."""

    def __init__(self, path: Path, *, shown: bool) -> None:
        self._path = path
        self._shown = shown
        self._bar: tuple[Progress, TaskID] | None = None

    def __enter__(self) -> Self:
        return self

    def begin(self, total_seconds: float | None) -> None:
        """Show the bar; a length that is not known makes it one without an end."""
        if self._shown:
            self._bar = _bar(self._path, total_seconds)
            self._bar[0].start()

    def reached(self, sample_index: int) -> None:
        """Say that everything up to a sample index is text."""
        if self._bar is not None:
            progress, task = self._bar
            progress.update(task, completed=samples_to_seconds(sample_index))

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Take the bar away while text is written to the same terminal."""
        shared = self._bar is not None and sys.stdout is not None and sys.stdout.isatty()
        if self._bar is not None and shared:
            self._bar[0].stop()
        try:
            yield
        finally:
            if self._bar is not None and shared:
                self._bar[0].start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar[0].stop()


def _bar(path: Path, total_seconds: float | None) -> "tuple[Progress, TaskID]":
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.completed:.0f} s"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        redirect_stdout=False,  # the text is not to go to standard error
    )
    return progress, progress.add_task(printable(path.name), total=total_seconds)
