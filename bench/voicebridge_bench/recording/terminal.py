"""Whoever reads aloud, in a terminal. Without one its lines come from a pipe, and its end means to quit."""

from typing import Literal

from rich.console import Console
from rich.panel import Panel
from rich.text import Text

from voicebridge_bench.recording.session import Answer

ANSWERS: dict[str, Answer] = {"": "keep", "k": "keep", "r": "redo", "s": "skip", "q": "quit"}


class Terminal:
    """Implements Reader."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def prompt(self, text: str, number: int, total: int) -> Literal["speak", "skip", "quit"]:
        """Show a sentence and wait for Enter."""
        self._console.print(Panel(Text(text, style="bold"), title=f"{number} of {total}", title_align="left"))
        answer = ANSWERS[self._ask("Enter, then read it aloud (s skips, q quits): ", ("", "s", "q"))]
        return "speak" if answer == "keep" else "quit" if answer == "quit" else "skip"

    def speak(self) -> None:
        """Say that they can speak now."""
        self._console.print("[bold green]Speak.[/] It ends by itself when you are silent.")

    def decide(self, told: str) -> Answer:
        """Ask what is to become of a take."""
        self._console.print(Text(told))
        return ANSWERS[self._ask("Enter keeps it, r reads it again, s skips, q quits: ", ("", "k", "r", "s", "q"))]

    def tell(self, told: str) -> None:
        """Tell something."""
        self._console.print(Text(told, style="yellow"))

    def _ask(self, question: str, allowed: tuple[str, ...]) -> str:
        while True:
            try:
                answer = self._console.input(question).strip().lower()[:1]
            except EOFError:
                return "q"
            if answer in allowed:
                return answer
