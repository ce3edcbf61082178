"""The catalogue of what is logged as an event: its id, its name for queries, its level, its words.

Ids never change: `journalctl MESSAGE_ID=...` and alarms of the owner refer to them.
"""

import logging
from dataclasses import dataclass

from voicebridge.domain.events import (
    CaptureChanged,
    EngineFailed,
    EngineReady,
    Event,
    GapNoted,
    StoreChanged,
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
CAPTURE_BACK = Message("capture_back", "c3c1e598c5d5487a9402c72c84e83b3f", logging.INFO, "Hearing again: {detail}")
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
            log_event(logger, capture_message(event), source=source, detail=detail)
        case EngineReady(engine, model, load_ms):
            log_event(logger, ENGINE_READY, engine=engine, model=model, load_ms=load_ms)
        case EngineFailed(engine, detail):
            log_event(logger, ENGINE_FAILED, engine=engine, detail=detail)
        case StoreChanged(working, detail):
            log_event(logger, STORE_RECOVERED if working else STORE_ALARM, detail=detail)


def capture_message(event: CaptureChanged) -> Message:
    """Return what a change of capture is called: the first sound of a session is no return from a loss."""
    if not event.hearing:
        return CAPTURE_LOST
    return CAPTURE_BEGAN if event.first else CAPTURE_BACK


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
