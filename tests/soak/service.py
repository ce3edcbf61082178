"""A service that says little: run as a process of its own, it speaks the control protocol on the socket it is given.

`python service.py SOCKET STATE_DIR SESSION ENGINE`. A checkpoint of SESSION, taken now, is there from its start. Each
session so far has heard one utterance, at the same place.
"""

import json
import os
import socket
import sys
import time
from contextlib import suppress
from typing import Any


def answer(request: dict[str, Any], session: int, engine: str, began: float) -> dict[str, Any]:
    """Return what is said to a request."""
    checkpoint = {
        "at": began,
        "monotonic_seconds": time.monotonic(),
        "session_id": session,
        "memory": {"heap_bytes": 1000 * session},
        "gaps": {"seconds_by_reason": {}},
        "frames": {"received": 50},
    }
    status = {"state": "hearing", "reasons": [], "session_id": session, "engine": engine, "heard_seconds": 1.0}
    answers: dict[str, dict[str, Any]] = {
        "status": {"status": status},
        "checkpoints": {"records": [checkpoint]},
        "poll": {"records": []},
        "history": {"records": [heard(number) for number in range(1, session + 1)], "more": False},
    }
    return answers.get(request["verb"], {})


def heard(session: int) -> dict[str, Any]:
    """Return the utterance of a session."""
    return {
        "utterance_id": session,
        "session_id": session,
        "start_sample": 16000,
        "end_sample": 32000,
        "status": "done",
        "delay_ms": 800.0,
        "ended_at": time.time(),
    }


def main() -> None:
    """Answer whoever connects, one after the other."""
    path, state, session, engine = sys.argv[1:]
    began = time.time() + 1  # after whoever looks at it has begun to look
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(path)
    listening.listen()
    while True:
        connection, _ = listening.accept()
        # Who has hung up meanwhile hears no answer.
        with suppress(OSError), connection, connection.makefile("rwb") as stream:
            send(stream, {"pid": os.getpid(), "state_dir": state, "version": "0"})
            for line in stream:
                send(stream, answer(json.loads(line), int(session), engine, began))


def send(stream: Any, said: dict[str, Any]) -> None:
    """Write a line."""
    stream.write(json.dumps({"v": 1, "ok": True, **said}).encode() + b"\n")
    stream.flush()


if __name__ == "__main__":
    main()
