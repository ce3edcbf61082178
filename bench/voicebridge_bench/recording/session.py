"""A session of recording: sentence after sentence, each read, judged, and kept, read again, or skipped."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from voicebridge.domain.audio import Samples
from voicebridge_bench.recording.judging import Take, looks_of, refusal, room_warning, warning
from voicebridge_bench.recording.manifest import Folder

Answer: TypeAlias = Literal["keep", "redo", "skip", "quit"]
MAX_REFUSED = 20
"""Takes of one sentence in a row that may be refused before it is skipped."""
ROOM_SECONDS = 2.0


class Microphone(Protocol):
    """What is recorded with."""

    @property
    def name(self) -> str:
        """What it is called."""
        ...

    def take(self) -> Take:
        """Record from now on until whoever speaks is silent again, or the longest is reached."""
        ...

    def room(self, seconds: float) -> Samples:
        """Record for so long."""
        ...


class Reader(Protocol):
    """Who reads aloud, asked and told in a terminal."""

    def prompt(self, text: str, number: int, total: int) -> Literal["speak", "skip", "quit"]:
        """Show a sentence and wait until they are ready."""
        ...

    def speak(self) -> None:
        """Say that they can speak now."""
        ...

    def decide(self, told: str) -> Answer:
        """Ask what is to become of a take that can be used."""
        ...

    def tell(self, told: str) -> None:
        """Tell something."""
        ...


@dataclass(slots=True)
class Tally:
    """How a session went."""

    kept: int = 0
    skipped: int = 0
    refused: int = 0
    left: int = 0
    quit: bool = False


class Session:
    """Leads through the sentences that the folder does not have yet."""

    def __init__(self, folder: Folder, microphone: Microphone, reader: Reader) -> None:
        self.tally = Tally()
        self._folder = folder
        self._microphone = microphone
        self._reader = reader

    def run(self, sentences: Sequence[str]) -> Tally:
        """Record until all are there, or they quit. Raises VoicebridgeError."""
        wanted = [text for text in sentences if not self._folder.has(text)]
        self.tally.left = len(wanted)
        if not wanted:
            return self.tally
        self._look_at_room()
        for number, text in enumerate(wanted, len(sentences) - len(wanted) + 1):
            self._read(text, number, len(sentences))
            if self.tally.quit:
                break
        return self.tally

    def _look_at_room(self) -> None:
        self._reader.tell(f"First the room: please be quiet for {ROOM_SECONDS:g} seconds.")
        if told := room_warning(self._microphone.room(ROOM_SECONDS)):
            self._reader.tell(told)

    def _read(self, text: str, number: int, total: int) -> None:
        for _ in range(MAX_REFUSED):
            ready = self._reader.prompt(text, number, total)
            if ready != "speak":
                self._leave_out(ready)
                return
            self._reader.speak()
            take = self._microphone.take()
            if why := refusal(take):
                self.tally.refused += 1
                self._reader.tell(why)
                continue
            if self._settle(text, take):
                return
        self._reader.tell(f"That did not work {MAX_REFUSED} times; it is left out.")
        self.tally.skipped += 1

    def _settle(self, text: str, take: Take) -> bool:
        """Do with a take as they decide; False when they read it again."""
        looks = looks_of(take.samples)
        told = f"{looks.seconds:.1f} s at {looks.level_dbfs:.0f} dBFS, {looks.snr_db:.0f} dB above the room."
        answer = self._reader.decide(" ".join(filter(None, (told, warning(looks)))))
        if answer == "redo":
            return False
        if answer != "keep":
            self._leave_out(answer)
            return True
        about: dict[str, str | float] = {
            "device": self._microphone.name,
            "seconds": looks.seconds,
            "level_dbfs": round(looks.level_dbfs, 1),
            "peak_dbfs": round(looks.peak_dbfs, 1),
            "room_dbfs": round(looks.room_dbfs, 1),
        }
        self._folder.keep(text, take.samples, about)
        self.tally.kept += 1
        self.tally.left -= 1
        return True

    def _leave_out(self, answer: Literal["skip", "quit"]) -> None:
        self.tally.skipped += answer == "skip"
        self.tally.quit = answer == "quit"
