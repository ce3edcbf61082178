"""What a reader is told is so."""

import re

from tests.install.checkout import ROOT
from voicebridge.cli import COMMANDS
from voicebridge.domain.errors import ExitCode


def test_every_exit_status_is_documented() -> None:
    rows = re.findall(r"^\| (\d+) \| (\w+) \|", (ROOT / "docs" / "operations.md").read_text(), re.MULTILINE)
    assert rows == [(str(code.value), code.name) for code in ExitCode]


def test_every_command_is_in_the_readme() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.+) \|$", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert dict(rows) == COMMANDS


def test_every_link_of_a_page_leads_somewhere() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    missing = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in pages
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text())
        if not (page.parent / target).exists()
    ]
    assert missing == []
