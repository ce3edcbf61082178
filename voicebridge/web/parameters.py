"""The parameters of a request, each checked: what is unknown, repeated or out of its bounds is refused, saying why."""

import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus

from voicebridge.web.problems import ProblemError

_NUMBER = re.compile(r"[+-]?(\d{1,20}(\.\d{0,400})?|\.\d{1,400})([eE][+-]?\d{1,4})?", re.ASCII)
FIELD_PATTERN = r"[A-Za-z0-9_-]{1,40}(\.[A-Za-z0-9_-]{1,40}){0,3}"
_FIELD = re.compile(FIELD_PATTERN)
_WHOLE = re.compile(r"[+-]?\d{1,20}", re.ASCII)
MAX_ID = 2**63 - 1
"""Of SQLite's rows."""
MAX_ID_DIGITS = len(str(MAX_ID))
MAX_SECONDS = 1e12
"""The year 33658."""
MAX_FIELDS = 32


class Parameters:
    """What stands behind the question mark."""

    def __init__(self, pairs: Sequence[tuple[str, str]], allowed: frozenset[str]) -> None:
        self._values: dict[str, str] = {}
        for name, value in pairs:
            if name not in allowed:
                known = ", ".join(sorted(allowed)) or "none"
                raise _bad(f"There is no parameter {name[:40]!r} here; known: {known}.")
            if name in self._values:
                raise _bad(f"The parameter {name} is repeated.")
            self._values[name] = value

    def moment(self, name: str) -> float | None:
        """Return seconds since the epoch, or None where it is left out."""
        text = self._values.get(name)
        if text is None:
            return None
        if not _NUMBER.fullmatch(text) or not 0 <= float(text) <= MAX_SECONDS:
            raise _bad(f"{name} must be seconds since the epoch, from 0 to {MAX_SECONDS:g}.")
        return float(text)

    def whole(self, name: str, low: int, high: int) -> int | None:
        """Return a whole number within its bounds, or None where it is left out."""
        text = self._values.get(name)
        if text is None:
            return None
        if not _WHOLE.fullmatch(text) or not low <= int(text) <= high:
            raise _bad(f"{name} must be a whole number from {low} to {high}.")
        return int(text)

    def text(self, name: str, longest: int) -> str:
        """Return a text of at most so many characters, or nothing where it is left out."""
        text = self._values.get(name, "")
        if len(text) > longest or "\0" in text:
            raise _bad(f"{name} must be at most {longest} characters, none of them zero.")
        return text

    def choices(self, name: str, known: Sequence[str]) -> tuple[str, ...]:
        """Return those that are named, separated by commas."""
        text = self._values.get(name)
        if text is None:
            return ()
        named = tuple(text.split(","))
        if not set(named) <= set(known):
            raise _bad(f"{name} must be some of {', '.join(known)}, separated by commas.")
        return tuple(dict.fromkeys(named))

    def fields(self, name: str) -> tuple[str, ...]:
        """Return names of fields, with dots into objects, separated by commas."""
        text = self._values.get(name)
        if text is None:
            return ()
        named = tuple(text.split(","))
        if len(named) > MAX_FIELDS or not all(_FIELD.fullmatch(one) for one in named):
            raise _bad(f"{name} must be at most {MAX_FIELDS} names, with dots into objects, separated by commas.")
        return tuple(dict.fromkeys(named))


def muted_in(content: object) -> bool:
    """Return what the body of a mute request asks for. Raises ProblemError."""
    if not isinstance(content, Mapping) or set(content) != {"muted"} or not isinstance(content["muted"], bool):
        raise _bad('The body must be {"muted": true} or {"muted": false}.')
    return content["muted"]


def _bad(detail: str) -> ProblemError:
    return ProblemError(HTTPStatus.BAD_REQUEST, detail)
