"""The settings in force, and how they change while the daemon runs."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass

from voicebridge.domain.errors import SettingsError, VoicebridgeError
from voicebridge.domain.events import SettingsReloaded
from voicebridge.domain.ports import EventSink
from voicebridge.settings import Settings
from voicebridge.settings.live import changes, merged

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Taker:
    """A part that takes over new settings: ``apply`` is given all of them when one of its sections changed.

    It is called from the thread that reloads, and must be quick. One that raises VoicebridgeError leaves its sections
    as they were.
    """

    sections: frozenset[str]
    apply: Callable[[Settings], None]


class LiveSettings:
    """The settings in force. ``current`` may be read from every thread; ``reload`` takes time and reads files."""

    def __init__(self, settings: Settings, read: Callable[[], Settings], events: EventSink) -> None:
        self.refused = 0
        """How many reloads were refused."""
        self._current = settings
        self._read = read
        self._events = events
        self._takers: list[Taker] = []
        self._reloading = threading.Lock()

    @property
    def current(self) -> Settings:
        """The settings in force: what needs a restart stands here as it was at the start."""
        return self._current

    def on_change(self, apply: Callable[[Settings], None], *sections: str) -> None:
        """Say who takes over the changes of these sections. Changes that nobody takes over need a restart."""
        self._takers.append(Taker(frozenset(sections), apply))

    def reload(self) -> SettingsReloaded:
        """Read the settings again, as at the start, and apply what can be; publishes and returns what came of it.

        Settings with a mistake are refused as a whole: the old ones stay in force.
        """
        with self._reloading:
            try:
                wanted = self._read()
            except SettingsError as error:
                self.refused += 1
                outcome = SettingsReloaded((), (), refused=str(error))
            else:
                outcome = self._take_over(wanted)
            # Within the lock, so that the last one announced is the one in force.
            self._events.publish(outcome)
        return outcome

    def _take_over(self, wanted: Settings) -> SettingsReloaded:
        before = self._current
        can_change, needs_restart = changes(before, wanted)
        applied = tuple(key for key in can_change if self._taken(_section(key)))
        self._current = merged(before, wanted, applied)
        touched = {_section(key) for key in applied}
        failed = [taker for taker in self._takers if taker.sections & touched and not self._applied(taker)]
        left = {key for key in can_change if key not in applied or any(_section(key) in t.sections for t in failed)}
        self._current = merged(self._current, before, left)
        return SettingsReloaded(
            applied=tuple(key for key in can_change if key not in left),
            needs_restart=(*needs_restart, *(key for key in can_change if key in left)),
        )

    def _applied(self, taker: Taker) -> bool:
        try:
            taker.apply(self._current)
        except VoicebridgeError as error:
            logger.warning("%s cannot be changed now: %s", ", ".join(sorted(taker.sections)), error)
            return False
        return True

    def _taken(self, section: str) -> bool:
        return any(section in taker.sections for taker in self._takers)


def _section(key: str) -> str:
    return key.partition(".")[0]
