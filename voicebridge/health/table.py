"""Makes the table of docs/health.md out of the rules.

    python -m voicebridge.health.table        # in the repository: writes the file anew

The table stands between markers; the rest of the document is written by hand.
"""

from pathlib import Path

from voicebridge.health.probes import RULES, Rule

DOCUMENT = Path("docs/health.md")
BEGIN = "<!-- begin of the reasons: made by `python -m voicebridge.health.table` -->"
END = "<!-- end of the reasons -->"


def table() -> str:
    """Return every reason there is, as a Markdown table."""
    head = "| code | when | told after, taken back after | what to do |\n| --- | --- | --- | --- |\n"
    return head + "".join(_row(rule) for rule in RULES)


def with_table(document: str) -> str:
    """Return the document with the table between its markers made anew. Raises ValueError when they are not there."""
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the markers {BEGIN} and {END} are missing")
    return f"{before}{begin}\n\n{table()}\n{end}{after}"


def write(root: Path) -> None:
    """Write the document of a repository anew."""
    path = root / DOCUMENT
    path.write_text(with_table(path.read_text(encoding="utf-8")), encoding="utf-8")


def _row(rule: Rule) -> str:
    code = f"`{rule.code}`" if rule.degrades else f"`{rule.code}` (degrades nothing)"
    hold = rule.hold
    cells = (code, rule.when, f"{_told(hold.after_seconds)}, {_told(hold.lingers_seconds)}", rule.advice)
    return f"| {' | '.join(cell.replace('|', '¦') for cell in cells)} |\n"


def _told(seconds: float) -> str:
    return f"{seconds:g} s" if seconds else "at once"


if __name__ == "__main__":
    write(Path())
