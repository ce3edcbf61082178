"""What is wrong with a setting, in words: which, its value, where it stands, what would be right."""

import difflib
from collections.abc import Collection, Sequence

from voicebridge.settings.describe import Setting

_SHOWN_CHARACTERS = 80
"""A wrong value is shown up to this length."""


def complaint(problems: Sequence[str]) -> str:
    """Return one message from all problems."""
    if len(problems) == 1:
        return f"The settings are wrong: {_sentence(problems[0])}"
    head = f"The settings are wrong in {len(problems)} places:"
    return "\n".join((head, *(f"  {_sentence(problem)}" for problem in problems)))


def wrong_value(setting: Setting, value: object, origin: str, why: str = "") -> str:
    """Return what is wrong with a value; a secret one is not shown."""
    return f"{setting.key} = {shown(setting, value)} ({origin}): {why or f'must be {setting.allowed}'}"


def unknown_key(key: str, origin: str, known: Collection[str]) -> str:
    """Return that there is no such setting, and which was probably meant."""
    meant = nearest(key, known)
    return f"{key!r} ({origin}): there is no such setting" + (f"; did you mean {meant}?" if meant else "")


def nearest(key: str, known: Collection[str]) -> str | None:
    """Return the known key that is most like this one, if any is: as a whole, or by its name in another section."""
    if close := difflib.get_close_matches(key, known, n=1, cutoff=0.7):
        return close[0]
    names = {whole.rpartition(".")[2]: whole for whole in known}
    close = difflib.get_close_matches(key.rpartition(".")[2], names, n=1, cutoff=0.75)
    return names[close[0]] if close else None


def shown(setting: Setting, value: object) -> str:
    """Return a value as an error message shows it: as Python writes it, not too long, not if it is secret."""
    if setting.secret:
        return "********"
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 3] + "..."


def _sentence(problem: str) -> str:
    return problem if problem.endswith((".", "?")) else f"{problem}."
