"""Which source of the sound server a stream was opened on, and whether it is still fed from it: pure."""

from dataclasses import dataclass
from typing import Literal

from voicebridge.audio.sound_server import Known
from voicebridge.domain.capture import SoundServer

GENERIC_DEVICES = frozenset({"", "default", "pulse", "pipewire"})
"""Names that mean whatever the sound server takes for its default; nobody insists on those of itself."""


@dataclass(frozen=True, slots=True)
class Feed:
    """What a stream is fed from. ``source`` is empty while that is not known."""

    source: str = ""
    home: str = ""
    """The source that it was opened on, up to now."""
    away: bool = False
    """Fed from another source than that."""
    returned: bool = False
    """Away, and that source is there again after an absence."""
    changed: bool = False
    """The source is another one than the last time."""


class Whereabouts:
    """Follows the streams of one microphone, one after the other.

    The first source that it is fed from is its home. A stream that is opened anew and fed from elsewhere although its
    home is there has a new home: the name that was opened means another source now, and nobody is to be deaf for that.
    """

    def __init__(self, on_move: Literal["auto", "insist", "follow"]) -> None:
        self._on_move = on_move
        self._home = ""
        self._insists = False
        self._earlier: tuple[int, int] | None = None
        self._fresh = True
        self._home_was_gone = False
        self._told = ""
        self.feed = Feed()

    def insists(self, device: str) -> bool:
        """Say whether a device of this name is heard from its own source or not at all."""
        return self._on_move == "insist" or (
            self._on_move == "auto" and device.strip().casefold() not in GENERIC_DEVICES
        )

    def missing(self, device: str, known: Known) -> str:
        """Return the source that must be there before it makes sense to open the device, if it is known not to be."""
        absent = known.server is SoundServer.ANSWERS and self._home not in known.sources
        return self._home if absent and self.insists(device) else ""

    def opening(self, device: str, known: Known) -> bool:
        """Take note that a stream is about to be opened, and of what is known before it.

        Returns whether it must be looked at before it is believed: the server may lead it to a substitute.
        """
        self._insists = self.insists(device)
        self._earlier = known.stream
        self.closed()
        return self._insists and bool(self._home) and known.server is SoundServer.ANSWERS

    def closed(self) -> None:
        """Take note that the stream is closed: nothing is heard."""
        self._fresh, self._home_was_gone = True, False
        self._told = self._home
        self.feed = Feed(home=self._home)

    def look(self, known: Known) -> Feed:
        """Take what is known now; return what the stream is fed from."""
        source = known.source
        if not source or known.stream is None or (self._fresh and known.stream == self._earlier):
            self.feed = Feed(self.feed.source, self._home, self.feed.away)
            return self.feed
        home, present = self._home, self._home in known.sources
        if not home or (self._fresh and present):
            self._home = source
        self._fresh = False
        away = source != self._home
        self._home_was_gone = away and (self._home_was_gone or not present)
        returned = self._home_was_gone and present and not self._insists
        changed = bool(self._told) and source != self._told
        self._told = source
        self.feed = Feed(source, home, away, returned, changed)
        return self.feed

    @property
    def strayed(self) -> bool:
        """True when the stream is not fed from the source that we insist on."""
        return self._insists and self.feed.away
