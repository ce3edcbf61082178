"""Asking a daemon over its control socket."""

import errno
import grp
import json
import socket
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pydantic import ValidationError

from voicebridge.daemon.control_peer import denied
from voicebridge.daemon.control_protocol import ANSWER_BYTES, VERSION, Greeting, encode
from voicebridge.daemon.control_socket import connect
from voicebridge.domain.errors import ControlError, ExitCode

ANSWER_SECONDS = 10.0
"""How long to wait for an answer: a reload reads files, a history asks a database."""


class Client:
    """A connection to a daemon. Raises ControlError, on connecting and in each call."""

    def __init__(self, path: Path, timeout_seconds: float = ANSWER_SECONDS) -> None:
        self._path = path
        try:
            self._stream = connect(path, timeout_seconds)
        except OSError as error:
            raise self._unreachable(error) from error
        self._received = self._stream.makefile("rb")
        try:
            self.greeting = self._greeted()
        except BaseException:
            self.close()
            raise

    def ask(self, verb: str, **fields: object) -> dict[str, Any]:
        """Send a request and return the answer. A refusal is raised, with the exit code that the daemon gave it."""
        try:
            self._stream.sendall(encode({"verb": verb, **fields}))
        except OSError as error:
            raise self._silent(error) from error
        return self._answer()

    def close(self) -> None:
        """Hang up."""
        self._received.close()
        self._stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _greeted(self) -> Greeting:
        said = self._line()
        if said.get("ok") is False:
            raise _refused(said)
        try:
            greeting = Greeting.model_validate(said)
        except ValidationError as error:
            raise ControlError(f"What listens on {self._path} is no Voicebridge.") from error
        if greeting.v != VERSION:
            raise ControlError(
                f"The daemon (version {greeting.version}) speaks another language than this command.",
                "Use the command that was installed with it, or restart it: systemctl restart voicebridge",
            )
        return greeting

    def _answer(self) -> dict[str, Any]:
        said = self._line()
        if said.get("ok") is not True:
            raise _refused(said)
        return said

    def _line(self) -> dict[str, Any]:
        try:
            line = self._received.readline(ANSWER_BYTES)
        except OSError as error:
            raise self._silent(error) from error
        if not line.endswith(b"\n"):
            raise ControlError("The daemon has hung up.", "See `systemctl status voicebridge`.")
        try:
            said = json.loads(line)
        except ValueError:
            said = None
        if not isinstance(said, dict):
            raise ControlError(f"What listens on {self._path} is no Voicebridge.")
        return said

    def _unreachable(self, error: OSError) -> ControlError:
        if error.errno in (errno.EACCES, errno.EPERM):
            return denied(_group_of(self._path))
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ECONNREFUSED):
            return ControlError(f"No daemon listens on {self._path}.", exit_code=ExitCode.NOT_RUNNING)
        return self._silent(error)

    def _silent(self, error: OSError) -> ControlError:
        if isinstance(error, socket.timeout | BlockingIOError):
            return ControlError(
                f"The daemon does not answer on {self._path}.",
                "It may be stuck: see `systemctl status voicebridge`.",
                exit_code=ExitCode.UNAVAILABLE,
            )
        return ControlError(f"The daemon cannot be asked ({error.strerror or error}).", exit_code=ExitCode.UNAVAILABLE)


def _refused(said: dict[str, Any]) -> ControlError:
    message, advice = str(said.get("message", "The daemon refuses.")), str(said.get("advice", ""))
    try:
        code = ExitCode(said.get("code", ExitCode.FAILURE))
    except ValueError:
        code = ExitCode.FAILURE  # of a newer daemon
    return ControlError(message, advice, exit_code=code)


def _group_of(path: Path) -> str:
    """Return the group whose members may connect, as far as the file tells."""
    try:
        about = path.stat()
        return grp.getgrgid(about.st_gid).gr_name if about.st_mode & 0o020 else ""
    except (OSError, KeyError):
        return ""
