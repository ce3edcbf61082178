"""What is said over the control socket.

One JSON object a line, UTF-8, each way; every one holds the version of the protocol as ``v``. On connecting, the daemon
says who it is (``Greeting``) or that it does not serve this user. Then each request gets one answer, in order:

    {"v": 1, "verb": "mute", "keep": true}
    {"v": 1, "ok": true, "muted": true}
    {"v": 1, "ok": false, "code": 78, "message": "what is wrong", "advice": "what to do"}

``code`` is the exit status (sysexits.h) that a command leaves with. The verbs:

| verb | asks for | answer |
| --- | --- | --- |
| ``status`` | | ``status``: as in the status file, or null; ``muted`` |
| ``mute`` | ``keep``: over a restart, too | ``muted`` |
| ``unmute`` | | ``muted`` |
| ``reload`` | | ``applied``, ``needs_restart``: names of settings |
| ``history`` | filters, see below | ``records``: the first page; ``more``; ``cut`` |
| ``more`` | | ``records``: the next page of this connection's ``history``; ``more``; ``cut`` |
| ``follow`` | ``statuses``; ``words``: wait for them | nothing; from now on ``poll`` gives what is settled, unshown |
| ``poll`` | | ``records`` settled since the last poll |
| ``checkpoints`` | ``since``, ``until``, ``limit`` | ``records``: the newest checkpoints, oldest first |
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from voicebridge.domain.errors import ControlError, ExitCode, VoicebridgeError
from voicebridge.domain.utterance import Status, UtteranceRecord

VERSION = 1
REQUEST_BYTES = 16 * 1024
"""A longer request is refused, and its connection closed."""
ANSWER_BYTES = 8 * 1024 * 1024
"""A client believes no longer answer. A page of utterances is below 2 MB: each is 30 s of speech at most."""
PAGE_RECORDS = 50
"""Utterances in one answer."""
CHECKPOINT_RECORDS = 500
"""Checkpoints in one answer; each is about 4 kB."""
HISTORY_RECORDS = 50_000
"""Utterances that one ``history`` gives in all; ``cut`` then says that there are more."""


class _Message(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    v: Literal[1] = 1


class StatusRequest(_Message):
    """How it is."""

    verb: Literal["status"] = "status"


class MuteRequest(_Message):
    """Zero samples from now on."""

    verb: Literal["mute"] = "mute"
    keep: bool = False


class UnmuteRequest(_Message):
    """Let samples through again."""

    verb: Literal["unmute"] = "unmute"


class ReloadRequest(_Message):
    """Read the settings again."""

    verb: Literal["reload"] = "reload"


class HistoryRequest(_Message):
    """Utterances, as in voicebridge.store.search.HistoryQuery."""

    verb: Literal["history"] = "history"
    since: float | None = None
    until: float | None = None
    statuses: tuple[Status, ...] = Field(default=(), max_length=len(Status))
    session: Annotated[int, Field(ge=1, lt=2**63)] | None = None
    newest_first: bool = False
    limit: Annotated[int, Field(ge=1)] | None = None


class MoreRequest(_Message):
    """The next page."""

    verb: Literal["more"] = "more"


class FollowRequest(_Message):
    """Watch for what is settled from now on."""

    verb: Literal["follow"] = "follow"
    statuses: tuple[Status, ...] = Field(default=(), max_length=len(Status))
    words: bool = False
    """Hold a text back for a moment when its words are not there yet."""


class PollRequest(_Message):
    """What was settled since the last time."""

    verb: Literal["poll"] = "poll"


class CheckpointsRequest(_Message):
    """The newest checkpoints of a time, in seconds since the epoch."""

    verb: Literal["checkpoints"] = "checkpoints"
    since: float = 0.0
    until: float | None = None
    limit: Annotated[int, Field(ge=1, le=CHECKPOINT_RECORDS)] = 20


Request: TypeAlias = (
    StatusRequest
    | MuteRequest
    | UnmuteRequest
    | ReloadRequest
    | HistoryRequest
    | MoreRequest
    | FollowRequest
    | PollRequest
    | CheckpointsRequest
)
_REQUEST: TypeAdapter[Request] = TypeAdapter(Annotated[Request, Field(discriminator="verb")])
_RECORD: TypeAdapter[UtteranceRecord] = TypeAdapter(UtteranceRecord)


class Greeting(BaseModel):
    """Who answers. A later version may say more."""

    v: int
    pid: int
    state_dir: Path
    version: str


def encode(message: Mapping[str, Any]) -> bytes:
    """Return an answer or request as its line."""
    return json.dumps({"v": VERSION, **message}).encode() + b"\n"


def request_of(line: bytes) -> Request:
    """Return the request in a line. Raises ControlError."""
    try:
        return _REQUEST.validate_json(line)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in fault["loc"])
        detail = f"{where}: {fault['msg']}" if where else fault["msg"]
        raise ControlError(
            f"This is no request ({detail}).",
            "The daemon may be of another version than the command.",
            exit_code=ExitCode.USAGE,
        ) from error


def done(**fields: object) -> dict[str, Any]:
    """Return an answer that says yes."""
    return {"ok": True, **fields}


def refusal(error: VoicebridgeError) -> dict[str, Any]:
    """Return an answer that says no, and why."""
    return {"ok": False, "code": int(error.code), "message": error.message, "advice": error.advice}


def record_to_json(record: UtteranceRecord) -> dict[str, Any]:
    """Return an utterance as it stands in an answer: its fields by their names."""
    written: dict[str, Any] = _RECORD.dump_python(record, mode="json")
    return written


def record_from_json(content: object) -> UtteranceRecord:
    """Return the utterance that stands in an answer. Raises pydantic.ValidationError."""
    return _RECORD.validate_python(content)
