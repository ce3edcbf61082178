"""What the pipeline announces. Announced means published after its commit."""

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from voicebridge.domain.audio import Gap
from voicebridge.domain.utterance import PendingUtterance, UtteranceKey, UtteranceRecord, Word


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """Speech began; the utterance is open."""

    start_sample: int


@dataclass(frozen=True, slots=True)
class SpeechDiscarded:
    """What began as speech was shorter than the minimum; nothing is stored."""

    start_sample: int


@dataclass(frozen=True, slots=True)
class UtteranceStored:
    """An utterance was committed as pending, with its audio."""

    pending: PendingUtterance


@dataclass(frozen=True, slots=True)
class UtteranceSettled:
    """An utterance was committed as done, rejected or failed."""

    record: UtteranceRecord


@dataclass(frozen=True, slots=True)
class WordsFound:
    """The times of an utterance's words were committed; they are looked for after its text was delivered."""

    utterance_id: int
    words: tuple[Word, ...]
    confidence: float | None


@dataclass(frozen=True, slots=True)
class PartialHeard:
    """What an open utterance says so far: ``stable + tentative``. Never stored; the final text takes its place."""

    key: UtteranceKey
    stable: str
    """Agreed on by two decodes in succession; of the next partial's stable text it is a prefix."""
    tentative: str
    """What the newest decode says after that; it may change. Begins with a space where one belongs between the two."""
    end_sample: int
    """What was said up to here."""


@dataclass(frozen=True, slots=True)
class GapNoted:
    """Audio was lost."""

    gap: Gap


@dataclass(frozen=True, slots=True)
class CaptureChanged:
    """The source was lost or came back; ``detail`` is a sentence for people.

    ``first`` is True when it is heard for the first time in the session.
    """

    hearing: bool
    source: str
    detail: str
    first: bool = False
    lost_seconds: float | None = None
    """How long nothing was heard before it came back, to a block or so; the gap has the exact bounds."""


@dataclass(frozen=True, slots=True)
class DeviceMoved:
    """The sound server changed, without a word, what the stream hears; ``source`` is what is really heard now."""

    source: str
    wanted: str
    """What was opened."""
    detail: str


@dataclass(frozen=True, slots=True)
class MuteChanged:
    """Samples are zeroed from now on, or no longer; ``by`` says who asked for it (a user's name, a signal, a file)."""

    muted: bool
    by: str


@dataclass(frozen=True, slots=True)
class SettingsReloaded:
    """The settings were read again. Names are ``section.name``."""

    applied: tuple[str, ...]
    """In force from now on."""
    needs_restart: tuple[str, ...]
    """Changed in the files, and not in force before a restart."""
    refused: str = ""
    """Why nothing was taken, if so; the old settings stay in force."""


@dataclass(frozen=True, slots=True)
class EngineReady:
    """The engine is loaded."""

    engine: str
    model: str
    load_ms: float


@dataclass(frozen=True, slots=True)
class EngineFailed:
    """The engine could not be loaded; utterances are kept as pending."""

    engine: str
    detail: str


@dataclass(frozen=True, slots=True)
class StoreChanged:
    """The store stopped taking what it is given (``detail`` says why), or takes it again."""

    working: bool
    detail: str


class StoreNoticeKind(StrEnum):
    """What the store does of itself."""

    RESERVE_GIVEN_UP = "reserve_given_up"
    """The disk is full: the file kept for that was deleted, so that the database can go on."""
    RESERVE_BACK = "reserve_back"
    """There is space again, and the reserve is made anew."""
    AUDIO_DROPPED = "audio_dropped"
    """Audio that nobody has decoded was deleted, because of `store.max_bytes`: its words are lost."""
    AUDIO_EXPIRED = "audio_expired"
    """Kept audio, or audio of failed utterances, was deleted before its time, because of `store.max_bytes`."""
    CLOCK_AHEAD = "clock_ahead"
    """The wall clock has jumped ahead: nothing is deleted by it until it has been so for a day."""
    STRAYS_FOUND = "strays_found"
    """Audio that no row told of was made pending: its commit had failed."""
    DATABASE_LOST = "database_lost"
    """The database was moved or deleted while it was in use."""
    DATABASE_DAMAGED = "database_damaged"
    """The database is damaged; the next start sets it aside, or mends it."""


@dataclass(frozen=True, slots=True)
class StoreNotice:
    """The store did, or met, something that a person should know; ``detail`` is a sentence."""

    kind: StoreNoticeKind
    detail: str


@dataclass(frozen=True, slots=True)
class HealthChanged:
    """How the daemon is has changed (voicebridge.health.probes): its state, or the reasons for it."""

    state: str
    before: str
    """The state before; the same when only reasons came or went."""
    began: tuple[tuple[str, str], ...]
    """Reasons that are new: code and sentence."""
    ended: tuple[str, ...]
    """Codes of those that apply no more."""


Event: TypeAlias = (
    SpeechStarted
    | SpeechDiscarded
    | UtteranceStored
    | UtteranceSettled
    | WordsFound
    | PartialHeard
    | GapNoted
    | CaptureChanged
    | DeviceMoved
    | MuteChanged
    | SettingsReloaded
    | EngineReady
    | EngineFailed
    | StoreChanged
    | StoreNotice
    | HealthChanged
)
