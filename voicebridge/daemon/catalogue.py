"""Makes what `journalctl -x` shows and a table of docs/operations.md out of the messages and their explanations.

    python -m voicebridge.daemon.catalogue        # in the repository: writes both files anew

The format is described at https://systemd.io/CATALOG/.
"""

import logging
import re
import textwrap
from pathlib import Path

from voicebridge.daemon.explanations import EXPLANATIONS, Explanation
from voicebridge.daemon.messages import Message

CATALOGUE = Path("systemd/voicebridge.catalog")
GUIDE = Path("docs/operations.md")
BEGIN = "<!-- begin of the messages: made by `python -m voicebridge.daemon.catalogue` -->"
END = "<!-- end of the messages -->"
COLUMNS = 100
_HEAD = """\
# Made by `python -m voicebridge.daemon.catalogue` from the messages of Voicebridge; shown by `journalctl -x`.
"""
_DOCUMENTATION = "file:///opt/voicebridge/current/share/voicebridge/docs/operations.md"
_PRIORITIES = {
    logging.CRITICAL: "crit",
    logging.ERROR: "err",
    logging.WARNING: "warning",
    logging.INFO: "info",
    logging.DEBUG: "debug",
}
"""As journalctl calls them; debug entries are written with priority 7."""
_FIELD = re.compile(r"{(\w+)[^}]*}")
_COMMAND = re.compile(r"`[^`]+`")
_JOINT = "\0"
_FILLED_IN = re.compile(r"@VB_(\w+)@")


def catalogue() -> str:
    """Return the source of journald's message catalogue."""
    return "\n".join([_HEAD, *(_entry(message, told) for message, told in EXPLANATIONS.items())])


def table() -> str:
    """Return what each message means, as a Markdown table."""
    head = "| VB_EVENT | priority | what is said | what it means | what to do |\n| --- | --- | --- | --- | --- |\n"
    return head + "".join(_row(message, told) for message, told in EXPLANATIONS.items())


def with_table(guide: str) -> str:
    """Return the guide with the table between its markers made anew. Raises ValueError when they are not there."""
    before, begin, rest = guide.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the markers {BEGIN} and {END} are missing")
    return f"{before}{begin}\n\n{table()}\n{end}{after}"


def write(root: Path) -> None:
    """Write both files of a repository anew."""
    (root / CATALOGUE).write_text(catalogue(), encoding="utf-8")
    guide = root / GUIDE
    guide.write_text(with_table(guide.read_text(encoding="utf-8")), encoding="utf-8")


def _entry(message: Message, told: Explanation) -> str:
    head = [
        f"-- {message.message_id}",
        f"Subject: {told.subject}",
        "Defined-By: Voicebridge",
        f"Documentation: {_DOCUMENTATION}",
    ]
    body = [_wrapped(part) for part in (told.meaning, told.advice) if part]
    return "\n".join([*head, "", "\n\n".join(body), ""])


def _wrapped(text: str) -> str:
    """Break a text into lines, but no command: it is there to be copied."""
    whole = _COMMAND.sub(lambda command: command[0].replace(" ", _JOINT), text)
    lines = textwrap.wrap(whole, COLUMNS, break_long_words=False, break_on_hyphens=False)
    return "\n".join(lines).replace(_JOINT, " ")


def _row(message: Message, told: Explanation) -> str:
    cells = (
        f"`{message.event}`",
        _PRIORITIES[message.level],
        _FIELD.sub(lambda field: field[1].upper(), message.template),
        _in_words(told.meaning),
        _in_words(told.advice),
    )
    return f"| {' | '.join(cell.replace('|', '¦') for cell in cells)} |\n"


def _in_words(text: str) -> str:
    """Return a text in which a field stands by its name instead of being filled in."""
    return _FILLED_IN.sub(lambda field: field[1], text)


if __name__ == "__main__":
    write(Path())
