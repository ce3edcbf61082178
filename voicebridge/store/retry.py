"""Queueing a failed or rejected utterance again, when its audio is still there."""

from typing import TYPE_CHECKING

from voicebridge.domain.errors import ExitCode, StoreError
from voicebridge.domain.utterance import Status, UtteranceKey, UtteranceRecord
from voicebridge.store.database import transaction
from voicebridge.store.retention import KeptAudio
from voicebridge.store.search import find
from voicebridge.store.spool import DirectorySpool
from voicebridge.store.utterances import gone, update

if TYPE_CHECKING:
    from sqlite_utils import Database

OUTCOME_COLUMNS = (
    "text language language_probability words confidence avg_logprob no_speech_prob compression_ratio temperature "
    "encoder_passes window_seconds fallback decode_kind engine model decode_ms delay_ms reasons settled_at"
)
"""What a settled utterance has and a pending one has not."""


def retry(db: "Database", spool: DirectorySpool, kept: KeptAudio, utterance_id: int) -> None:
    """Make an utterance pending again with no attempt counted; its audio is in the spool before that is committed.

    Raises StoreError: not there, pending already, done, or without audio. Works beside a running daemon.
    """
    record = find(db, utterance_id)
    if record is None:
        raise gone(utterance_id)
    if record.status not in (Status.FAILED, Status.REJECTED):
        raise StoreError(
            f"Utterance {utterance_id} is {record.status.value}.",
            "Only a failed or a rejected one can be tried again.",
            exit_code=ExitCode.FAILURE,
        )
    _bring_audio(record, spool, kept)
    empty = dict.fromkeys(OUTCOME_COLUMNS.split())
    with transaction(db):
        update(db, utterance_id, {**empty, "status": Status.PENDING.value, "attempts": 0, "recovered": 1})


def _bring_audio(record: UtteranceRecord, spool: DirectorySpool, kept: KeptAudio) -> None:
    key = UtteranceKey(record.session_id, record.start_sample)
    if spool.holds(key):
        return
    if record.audio_path is None:
        raise StoreError(
            f"The audio of utterance {record.utterance_id} is gone.",
            "With store.retain_audio it is kept for a time in future.",
            exit_code=ExitCode.NO_INPUT,
        )
    samples = kept.read(record.audio_path)
    spool.append(key, record.started_at, samples)
    spool.seal(key, len(samples))
