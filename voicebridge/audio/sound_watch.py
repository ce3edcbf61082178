"""Asks the sound server (PulseAudio, or PipeWire in its place) what our stream is really fed from.

A thread of its own, because a call to a server that hangs hangs with it. Nobody waits for this thread: what it knows is
one immutable value, and a call that takes too long says by itself that the server is silent. It sleeps until the server
says that something changed, and asks for an answer every few seconds to know that the server still gives one.
"""

import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voicebridge.audio.sound_server import Known, reach, socket_path
from voicebridge.domain.capture import SoundServer

if TYPE_CHECKING:
    from pulsectl import Pulse

CLIENT = "voicebridge-watch"
"""Our name at the server."""
ANSWER_SECONDS = 1.5
"""A server that has not answered by then is silent."""
ASK_SECONDS = 2.0
"""How often it is asked for an answer while nothing changes: 0.01 % of a core."""
LOOK_SECONDS = 0.5
"""How often a server that is not there is looked for."""
SETTLE_SECONDS = 0.1
"""Pause after an answer to a change, so that a storm of changes costs at most ten answers a second."""
BEGIN_SECONDS = 2.0
"""How long it holds back for the first opening of the microphone, which is not to share the processor with it."""

log = logging.getLogger(__name__)


class SoundWatch:
    """Implements SourceWatch over libpulse. It is used once: started, then stopped."""

    def __init__(
        self, environment: Mapping[str, str] = os.environ, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._environment = environment
        self._clock = clock
        self._known = Known()
        self._changed: Callable[[], None] = lambda: None
        self._asked_at: float | None = None
        self._sign: float | None = None
        self._stopping = threading.Event()
        self._begin = threading.Event()
        self._dirty = True
        self._connections = 0
        self._expected = bool(environment.get("PULSE_SERVER"))

    def start(self, changed: Callable[[], None]) -> None:
        """Begin to watch."""
        self._changed = changed
        threading.Thread(target=self._run, name="sound-watch", daemon=True).start()

    def prompt(self) -> None:
        """Begin now."""
        self._begin.set()

    def stop(self) -> None:
        """Stop watching; the thread ends within seconds, or with the process."""
        self._stopping.set()
        self._begin.set()

    def known(self) -> Known:
        """Return what is known; a call that has been under way for too long means that the server is silent."""
        known, asked_at = self._known, self._asked_at
        if asked_at is not None and self._clock() - asked_at > ANSWER_SECONDS:
            return replace(known, server=SoundServer.SILENT, server_since=asked_at)
        return known

    def sign(self) -> float | None:
        """Return when its thread last gave a sign of life; None without one, or while a silent server holds it."""
        return None if self.known().server is SoundServer.SILENT else self._sign

    def _run(self) -> None:
        self._begin.wait(BEGIN_SECONDS)
        try:
            while not self._stopping.is_set():
                self._sign = self._clock()
                self._look()
                self._stopping.wait(LOOK_SECONDS)
        except OSError as error:
            log.info("The sound server cannot be watched: %s.", error)
        except Exception:
            log.exception("watching the sound server failed")
        finally:
            self._asked_at = self._sign = None
            self._learn(Known())

    def _look(self) -> None:
        """Look for a server; if there is one, watch it for as long as it is there."""
        path = socket_path(self._environment)
        if path is None and not self._expected:
            return
        server = reach(path)
        self._say(self._follow(path) if server is SoundServer.UNKNOWN else server)

    def _follow(self, path: Path | None) -> SoundServer:
        """Watch over one connection until it ends; return how the server is then. Raises OSError without libpulse."""
        pulsectl, refused = library()
        pulse = pulsectl.Pulse(CLIENT, None if path is None else f"unix:{path}", connect=False)
        try:
            self._ask()
            # Without a time limit of ours: a server that hangs and goes on is heard at once; libpulse gives up at 30 s.
            pulse.connect(autospawn=False)
        except (pulsectl.PulseError, refused):
            if self.known().server is SoundServer.SILENT:
                return SoundServer.SILENT
            return SoundServer.ABSENT if path is None else SoundServer.UNKNOWN
        else:
            self._expected = True
            self._attend(pulse)
            return SoundServer.ABSENT
        finally:
            self._answered()
            pulse.close()

    def _attend(self, pulse: "Pulse") -> None:
        """Ask whenever something changed, and now and then, until the connection ends."""
        pulsectl, refused = library()
        self._connections += 1
        self._dirty = True
        try:
            pulse.event_callback_set(self._note)
            pulse.event_mask_set("source", "source_output", "server")
            while not self._stopping.is_set():
                self._inquire(pulse)
                if not self._dirty:
                    pulse.event_listen(ASK_SECONDS)
        except (pulsectl.PulseError, pulsectl.PulseDisconnected, refused):
            if pulse.connected:
                raise

    def _inquire(self, pulse: "Pulse") -> None:
        self._ask()
        if self._dirty:
            self._dirty = False
            self._learn(self._survey(pulse))
            self._answered()
            self._stopping.wait(SETTLE_SECONDS)
        else:
            pulse.server_info()
            self._say(SoundServer.ANSWERS)
            self._answered()

    def _ask(self) -> None:
        self._asked_at = self._sign = self._clock()

    def _answered(self) -> None:
        self._asked_at = None

    def _note(self, _event: Any) -> None:
        self._dirty = True
        raise library()[0].PulseLoopStop  # ends event_listen; where a call is under way it is taken note of and no more

    def _survey(self, pulse: "Pulse") -> Known:
        names = {source.index: str(source.name) for source in pulse.source_list()}
        ours = [
            (output.index, names.get(output.source, ""))
            for output in pulse.source_output_list()
            if output.proplist.get("application.process.id") == str(os.getpid())
        ]
        sources = frozenset(names.values())
        since = self._since(SoundServer.ANSWERS)
        if not ours:
            return Known(SoundServer.ANSWERS, since, sources=sources)
        index, source = max(ours)
        return Known(SoundServer.ANSWERS, since, (self._connections, index), source, sources)

    def _say(self, server: SoundServer) -> None:
        if server is SoundServer.ANSWERS:
            self._learn(replace(self._known, server=server, server_since=self._since(server)))
        else:
            self._learn(Known(server, self._since(server)))

    def _since(self, server: SoundServer) -> float:
        """Return since when the server has been like this; an answer that came late ends a silence."""
        now, known = self._clock(), self.known()
        return now if known.server is not server or known.server_since is None else known.server_since

    def _learn(self, known: Known) -> None:
        if known != self._known:
            self._known = known
            self._changed()


def library() -> tuple[Any, type[Exception]]:
    """Return pulsectl and what it raises when libpulse refuses a call. Raises OSError without libpulse."""
    try:
        import pulsectl
        from pulsectl import _pulsectl
    except AttributeError as error:
        raise OSError(f"libpulse lacks a function: {error}") from error
    return pulsectl, _pulsectl.pa.CallError
