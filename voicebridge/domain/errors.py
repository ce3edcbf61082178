"""Errors: one base, one subclass for each part; each says what happened, to what, and what to do about it."""

from enum import IntEnum
from typing import ClassVar


class ExitCode(IntEnum):
    """Exit statuses of the commands (documented in docs/operations.md); sysexits.h where one fits."""

    OK = 0
    FAILURE = 1
    """A check found something wrong, or nothing was found."""
    USAGE = 2
    NOT_RUNNING = 3
    """`status`: no daemon runs on this state directory (as systemctl says it)."""
    DEGRADED = 10
    """`status`: it hears, and something is wrong."""
    DEAF = 11
    """`status`: it runs, and nothing can be heard."""
    STARTING = 12
    """`status`: it has not heard anything yet."""
    STOPPING = 13
    """`status`: it is being stopped."""
    STALE = 14
    """`status`: it runs, and what it said of itself last is old: it may be stuck."""
    INPUT = 65
    """EX_DATAERR: an audio file or stream that cannot be read."""
    NO_INPUT = 66
    """EX_NOINPUT: a file or device that does not exist."""
    UNAVAILABLE = 69
    """EX_UNAVAILABLE: a device, model or hub that cannot be had now."""
    INTERNAL = 70
    """EX_SOFTWARE: our mistake; a traceback was logged."""
    STORE = 74
    """EX_IOERR: the database or the spool."""
    BUSY = 75
    """EX_TEMPFAIL: another process holds the state directory."""
    NO_PERMISSION = 77
    """EX_NOPERM: a daemon that this user may not ask."""
    SETTINGS = 78
    """EX_CONFIG: the settings."""
    STUCK = 86
    """A call that could not be cancelled outlived its deadline; the process left so that it can be started again."""
    INTERRUPTED = 130
    """Ended by Ctrl-C before its work was done."""


class VoicebridgeError(Exception):
    """Something the user can do something about.

    ``message`` says what happened and to what; ``advice`` says what to do.
    """

    exit_code: ClassVar[ExitCode] = ExitCode.FAILURE

    def __init__(self, message: str, advice: str = "", *, exit_code: ExitCode | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice
        self.code = self.exit_code if exit_code is None else exit_code

    def __str__(self) -> str:
        return f"{self.message} {self.advice}".rstrip()


class SettingsError(VoicebridgeError):
    """Settings that cannot be read or are not valid."""

    exit_code = ExitCode.SETTINGS


class AudioError(VoicebridgeError):
    """A device, file or stream that gives no audio."""

    exit_code = ExitCode.INPUT


class DeviceError(AudioError):
    """A microphone that does not exist or cannot be opened."""

    exit_code = ExitCode.UNAVAILABLE


class DetectorError(VoicebridgeError):
    """Voice activity detection that cannot run."""

    exit_code = ExitCode.UNAVAILABLE


class SpeechError(VoicebridgeError):
    """A speech engine or model that cannot be used."""

    exit_code = ExitCode.UNAVAILABLE
    transient: ClassVar[bool] = False
    """True when the engine cannot work for now, whatever it is given: no utterance is to blame."""


class EngineStarvedError(SpeechError):
    """An engine that gets no memory, process or file descriptor for now; trying again may help."""

    transient = True


class StoreError(VoicebridgeError):
    """A database or spool that cannot be used."""

    exit_code = ExitCode.STORE
    transient: ClassVar[bool] = False
    """True when the same call may succeed later without anybody's mistake being put right first."""


class StoreBusyError(StoreError):
    """A database that another process holds for now; trying again may help."""

    exit_code = ExitCode.BUSY
    transient = True


class StoreUnavailableError(StoreError):
    """A disk that does not take it for now: full, read-only or failing; trying again may help."""

    transient = True


class StoreFullError(StoreUnavailableError):
    """A disk, or a share of it, that is full."""


class DatabaseLostError(StoreUnavailableError):
    """A database that was moved or deleted while it was in use.

    What is heard stays in the spool meanwhile, until it is put back or the next start makes a new one.
    """


class StoreDamagedError(StoreError):
    """A database that is none, or that is damaged. The next start of a session sets it aside and begins a new one."""


class UnstorableError(StoreError):
    """A record that no database takes, whatever is tried: a fault of its own."""

    exit_code = ExitCode.INTERNAL


class UtteranceGoneError(StoreError):
    """An utterance that was forgotten while it was being worked on; there is nothing left to do for it."""

    exit_code = ExitCode.FAILURE


class ControlError(VoicebridgeError):
    """A daemon that cannot be asked or told, or that refuses."""

    exit_code = ExitCode.FAILURE
