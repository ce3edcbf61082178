"""The catalogue of what is logged as an event: its id, its name for queries, its level, its words.

Ids never change: `journalctl MESSAGE_ID=...` and alarms of the owner refer to them.
"""

import logging
from dataclasses import dataclass

from voicebridge.domain.events import (
    CaptureChanged,
    DeviceMoved,
    EngineFailed,
    EngineReady,
    Event,
    GapNoted,
    HealthChanged,
    MuteChanged,
    SettingsReloaded,
    StoreChanged,
    StoreNotice,
    StoreNoticeKind,
    UtteranceSettled,
    UtteranceStored,
)
from voicebridge.domain.utterance import Status, UtteranceRecord


@dataclass(frozen=True, slots=True)
class Message:
    """One kind of event: ``event`` is its VB_EVENT, ``message_id`` its MESSAGE_ID, ``template`` is for str.format."""

    event: str
    message_id: str
    level: int
    template: str
    limited: bool = True
    """False for what speech itself bounds (37 utterances in 30 s at the most), so that none is missing in the log."""


STARTED = Message(
    "started",
    "a0780521dfac466d9f09911f64878e9b",
    logging.INFO,
    "Voicebridge {version} started, session {session}, hearing {source}; {engine_reason}",
)
RECOVERED = Message(
    "recovered",
    "2070ae41678c45a1b511a0f4b55ac5f8",
    logging.WARNING,
    "The process before this one left something behind: {detail}",
)
STOPPING = Message("stopping", "3a2e0dd3f0cc49978a49953d6a943f27", logging.INFO, "Stopping: {reason}")
STOPPED = Message(
    "stopped", "85ec3319ebb34e26aeb5911613dcfd23", logging.INFO, "Stopped after {seconds:.0f} s: {reason}"
)
UTTERANCE_STORED = Message(
    "utterance_stored",
    "ebe5c163aebd4cde852602e099efaf59",
    logging.DEBUG,
    "Utterance {utterance} stored, {seconds:.1f} s long",
    limited=False,
)
UTTERANCE_DONE = Message(
    "utterance",
    "e5a87b51b823447792735cddfbbe9c58",
    logging.INFO,
    "Utterance {utterance} transcribed, {seconds:.1f} s long",
    limited=False,
)
UTTERANCE_REJECTED = Message(
    "utterance",
    "d26a74bb4a5049bab1c2255196ea28b5",
    logging.INFO,
    "Utterance {utterance} rejected: {reasons}",
    limited=False,
)
UTTERANCE_FAILED = Message(
    "utterance",
    "15e99f17344e4a31936ea1f0187ae701",
    logging.ERROR,
    "Utterance {utterance} failed and is kept with its audio: {reasons}",
    limited=False,
)
GAP = Message("gap", "cb7e3fcb061c46799b029946a377b9fa", logging.WARNING, "Gap of {seconds:.3f} s: {reason}")
CAPTURE_BEGAN = Message("capture_began", "d0c1f2a64e0b4b0c8d2f1a77f7a3f1d5", logging.INFO, "{detail}")
CAPTURE_LOST = Message("capture_lost", "b36b878d58bd4e1a86593cdb510e9088", logging.WARNING, "Deaf: {detail}")
CAPTURE_BACK = Message(
    "capture_back",
    "c3c1e598c5d5487a9402c72c84e83b3f",
    logging.INFO,
    "Hearing again after {lost_seconds:.1f} s: {detail}",
)
ENGINE_READY = Message(
    "engine_ready",
    "97e0351af52544f08baa2df28fd153a4",
    logging.INFO,
    "Engine {engine} is ready with model {model} after {load_ms:.0f} ms",
)
ENGINE_FAILED = Message(
    "engine_failed",
    "56587e20adc7494989a51a8ff1706fa3",
    logging.ERROR,
    "Engine {engine} could not be loaded, utterances are kept as pending: {detail}",
)
ENGINE_FALLBACK = Message(
    "engine_fallback",
    "b3b4827dc4eb4f69a943fe28d60fbead",
    logging.WARNING,
    "Decoding with less than whisper: {engine_reason}",
)
STORE_ALARM = Message(
    "store_alarm",
    "cf454612b95d4df68051c2a98e3b80f4",
    logging.ERROR,
    "The store does not take what it is given: {detail}",
)
STORE_RECOVERED = Message(
    "store_recovered",
    "86dbe52a60f7412ea5cc5f0651272f4c",
    logging.WARNING,
    "The store takes again what it is given: {detail}",
)
DEVICE_MOVED = Message(
    "device_moved",
    "b17f2e220c49438fa4810ff0379711ac",
    logging.WARNING,
    "The sound server moved the stream from {wanted} to {source}: {detail}",
)
DIGITAL_SILENCE = Message(
    "digital_silence",
    "ccdb14dcfbce448b80d04cc83cf58a52",
    logging.WARNING,
    "Nothing but zeros comes from {source}: it may be muted or unplugged at its socket",
)
SOUND_AGAIN = Message(
    "sound_again",
    "b11b6fe7aaf648b6bb52678a5d8b80ea",
    logging.INFO,
    "{source} delivers more than zeros again",
)
MUTED = Message(
    "muted",
    "49602686216d4e2a9de970f9ce94d801",
    logging.WARNING,
    "Muted by {by}: silence is stored in place of what the microphone hears",
)
UNMUTED = Message(
    "unmuted",
    "29802782d2294e8b9f07cf1f65328a46",
    logging.WARNING,
    "Unmuted by {by}: what the microphone hears is stored again",
)
RELOADED = Message(
    "reloaded",
    "c49283b0d3744a32812b937374ce7542",
    logging.INFO,
    "Settings read again; in force: {applied}; only after a restart: {needs_restart}",
)
RELOAD_REFUSED = Message(
    "reload_refused",
    "55eb1d35735a41308c371062931c50b2",
    logging.ERROR,
    "The settings were not taken, the old ones stay in force: {detail}",
)
WATCHDOG_WITHHELD = Message(
    "watchdog_withheld",
    "e435d58f62704eceb98cc7e243c14dc1",
    logging.ERROR,
    "The watchdog is not fed, and systemd starts this process again in {period:.0f} s at most: {reason}",
)
WATCHDOG_RESUMED = Message(
    "watchdog_resumed",
    "ecc3fa35e341418da7fe4a396ef2cb6b",
    logging.WARNING,
    "The watchdog is fed again after {seconds:.0f} s",
)
HEALTH_WORSE = Message(
    "health_worse",
    "0c8b1f1d8d7e4c5f9a8a63c70f0d6f51",
    logging.WARNING,
    "{change}: {detail}",
)
HEALTH_BETTER = Message(
    "health_better",
    "5be3b2a25f9c4d0f8cdb4c9a1d1c7b8e",
    logging.INFO,
    "{change}; over: {ended}",
)
CHECKPOINT_MISSED = Message(
    "checkpoint_missed",
    "b9e6a0b4a1f44c9d9c6c0e9e0c4b7d23",
    logging.WARNING,
    "{count} checkpoints were due in {seconds:.1f} s and could not be made",
)
STUCK_LEAVING = Message(
    "stuck_leaving",
    "344ba3176b1b47659c082c16151a5b83",
    logging.CRITICAL,
    "{reason}; leaving with status {status}, to be started again",
)
DATABASE_SET_ASIDE = Message(
    "database_set_aside",
    "5a8a1e1339034c77895e91906c620fca",
    logging.ERROR,
    "{detail}",
)
BACKUP_MADE = Message(
    "backup_made",
    "cd68aef5c8b646afaa3a6dfe3540db6e",
    logging.INFO,
    "A backup was made: {path}",
)
BACKUP_FAILED = Message(
    "backup_failed",
    "8111fb58d2a54b3893d9655ca7509563",
    logging.ERROR,
    "No backup could be made: {detail}",
)
SUPPRESSED = Message(
    "suppressed",
    "7cfcfae107de44349cc2163493a23a06",
    logging.WARNING,
    "{count} more in {period:g} s, not logged, like: {like}",
)
LOG_LOST = Message(
    "log_lost",
    "222aff3ea050450c9424b9f53aa87738",
    logging.WARNING,
    "{count} log entries were lost: they could not be written without waiting",
)
STORE_NOTICES = {
    kind: Message(kind.value, message_id, level, "{detail}")
    for kind, message_id, level in (
        (StoreNoticeKind.RESERVE_GIVEN_UP, "76c8acf49bc34cbf8b54640db0d11497", logging.ERROR),
        (StoreNoticeKind.RESERVE_BACK, "62fe953e1077439b916a875ea1bb92ce", logging.INFO),
        (StoreNoticeKind.AUDIO_DROPPED, "7b28479413f646cfbd3a3ac99e91d09d", logging.ERROR),
        (StoreNoticeKind.AUDIO_EXPIRED, "f33b678c038443b8abb5421935f62062", logging.WARNING),
        (StoreNoticeKind.CLOCK_AHEAD, "c363b035e02c4f3db3438b945f750be5", logging.WARNING),
        (StoreNoticeKind.STRAYS_FOUND, "7d1b1f9ba0e543f28c71f96fca1c6993", logging.WARNING),
        (StoreNoticeKind.DATABASE_LOST, "3c2066e7c3524934bf6202bf8a153087", logging.ERROR),
        (StoreNoticeKind.DATABASE_DAMAGED, "d9d98f7c58ba430daac249f05db83de4", logging.ERROR),
    )
}
"""What the store does, or meets, of itself: its own sentence is the message."""

CATALOGUE = (
    STARTED,
    RECOVERED,
    STOPPING,
    STOPPED,
    UTTERANCE_STORED,
    UTTERANCE_DONE,
    UTTERANCE_REJECTED,
    UTTERANCE_FAILED,
    GAP,
    CAPTURE_BEGAN,
    CAPTURE_LOST,
    CAPTURE_BACK,
    ENGINE_READY,
    ENGINE_FAILED,
    ENGINE_FALLBACK,
    STORE_ALARM,
    STORE_RECOVERED,
    DEVICE_MOVED,
    DIGITAL_SILENCE,
    SOUND_AGAIN,
    MUTED,
    UNMUTED,
    RELOADED,
    RELOAD_REFUSED,
    WATCHDOG_WITHHELD,
    WATCHDOG_RESUMED,
    HEALTH_WORSE,
    HEALTH_BETTER,
    CHECKPOINT_MISSED,
    STUCK_LEAVING,
    DATABASE_SET_ASIDE,
    BACKUP_MADE,
    BACKUP_FAILED,
    SUPPRESSED,
    LOG_LOST,
    *STORE_NOTICES.values(),
)
_OF_STATUS = {
    Status.DONE: UTTERANCE_DONE,
    Status.REJECTED: UTTERANCE_REJECTED,
    Status.FAILED: UTTERANCE_FAILED,
}


class _Unknown:
    def __format__(self, specification: str) -> str:
        return "unknown"


class _Given(dict[str, object]):
    def __missing__(self, name: str) -> object:
        return _Unknown()


def log_event(
    logger: logging.Logger, message: Message, error: BaseException | None = None, /, **fields: object
) -> None:
    """Log an event; every field becomes VB_NAME in the journal, those that are None are left out.

    A field ``text`` holds what was heard; it is written only where ``log.transcripts`` is set. ``error`` brings its
    traceback. What the template names and nobody gave reads "unknown".
    """
    if not logger.isEnabledFor(message.level):
        return
    given = {name: value for name, value in fields.items() if value is not None}
    logger.log(
        message.level,
        "%s",
        message.template.format_map(_Given(given)),
        exc_info=error,
        extra={"vb": {"event": message.event, **given}, "vb_message": message},
        stacklevel=2,
    )


def log_announced(logger: logging.Logger, event: Event) -> None:
    """Log what the pipeline announced; the start and discarding of speech are not logged."""
    match event:
        case UtteranceStored(pending):
            log_event(logger, UTTERANCE_STORED, utterance=pending.utterance_id, seconds=pending.ended.span.seconds)
        case UtteranceSettled(record) if record.status in _OF_STATUS:
            log_event(logger, _OF_STATUS[record.status], None, **_settled(record))
        case GapNoted(gap):
            bounds = {"start_sample": gap.span.start, "end_sample": gap.span.end}
            log_event(logger, GAP, None, seconds=gap.span.seconds, reason=gap.reason.value, **bounds)
        case CaptureChanged(_, source, detail):
            lost_seconds = event.lost_seconds
            log_event(logger, capture_message(event), source=source, detail=detail, lost_seconds=lost_seconds)
        case EngineReady(engine, model, load_ms):
            log_event(logger, ENGINE_READY, engine=engine, model=model, load_ms=load_ms)
        case EngineFailed(engine, detail):
            log_event(logger, ENGINE_FAILED, engine=engine, detail=detail)
        case StoreChanged(working, detail):
            log_event(logger, STORE_RECOVERED if working else STORE_ALARM, detail=detail)
        case HealthChanged():
            _log_health(logger, event)
        case DeviceMoved() | MuteChanged() | SettingsReloaded() | StoreNotice():
            _log_change(logger, event)


def capture_message(event: CaptureChanged) -> Message:
    """Return what a change of capture is called: the first sound of a session is no return from a loss."""
    if not event.hearing:
        return CAPTURE_LOST
    return CAPTURE_BEGAN if event.first else CAPTURE_BACK


def _log_change(logger: logging.Logger, event: DeviceMoved | MuteChanged | SettingsReloaded | StoreNotice) -> None:
    match event:
        case StoreNotice(kind, detail):
            log_event(logger, STORE_NOTICES[kind], detail=detail)
        case DeviceMoved(source, wanted, detail):
            log_event(logger, DEVICE_MOVED, source=source, wanted=wanted, detail=detail)
        case MuteChanged(muted, by):
            log_event(logger, MUTED if muted else UNMUTED, by=by)
        case SettingsReloaded():
            _log_reloaded(logger, event)


def _log_health(logger: logging.Logger, event: HealthChanged) -> None:
    # The state often stays while its reasons change: "now deaf (was deaf)" would read as no change.
    change = f"Still {event.state}" if event.state == event.before else f"Now {event.state} (was {event.before})"
    ended = ", ".join(event.ended) or "nothing"
    named = {"change": change, "state": event.state, "before": event.before, "ended": ended}
    if event.began:
        codes, sentences = zip(*event.began, strict=True)
        log_event(logger, HEALTH_WORSE, None, detail=" ".join(sentences), reasons=", ".join(codes), **named)
    elif event.ended:
        log_event(logger, HEALTH_BETTER, None, **named)


def _log_reloaded(logger: logging.Logger, event: SettingsReloaded) -> None:
    if event.refused:
        log_event(logger, RELOAD_REFUSED, detail=event.refused)
        return
    named = {"applied": event.applied, "needs_restart": event.needs_restart}
    log_event(logger, RELOADED, None, **{name: ", ".join(keys) or "none" for name, keys in named.items()})


def _settled(record: UtteranceRecord) -> dict[str, object]:
    return {
        "utterance": record.utterance_id,
        "status": record.status.value,
        "seconds": record.span.seconds,
        "delay_ms": record.delay_ms,
        "decode_ms": record.decode_ms,
        "engine": record.engine,
        "model": record.model,
        "language": record.language,
        "confidence": record.confidence,
        "reasons": "; ".join(record.reasons),
        "text": record.text,
    }
