"""What a reader is told is so."""

import re

from tests.install.checkout import ROOT
from tests.install.guide import GUIDE, recipes
from voicebridge.cli import COMMANDS
from voicebridge.daemon.messages import CATALOGUE
from voicebridge.domain.errors import ExitCode
from voicebridge.settings import Settings

FEWEST_COMMANDS = 20


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


def test_every_command_of_the_guide_can_be_run_and_checked() -> None:
    assert len(recipes()) == GUIDE.read_text().count("```console\n") >= FEWEST_COMMANDS
    for recipe in recipes():
        assert recipe.command.startswith("journalctl -u voicebridge")
        assert recipe.shows
        assert recipe.sample


def test_every_event_that_the_guide_asks_for_is_logged() -> None:
    asked = {value for recipe in recipes() for name, value in recipe.shows if name == "VB_EVENT"}
    assert asked <= {message.event for message in CATALOGUE}


def test_a_command_asks_for_the_events_that_it_must_show() -> None:
    for recipe in recipes():
        asked = {value for name, value in recipe.shows if name == "VB_EVENT"}
        assert asked == set(re.findall(r"VB_EVENT=(\w+)", recipe.command))


def test_only_tools_of_a_minimal_debian_are_asked_for() -> None:
    tools = {part.split()[0] for recipe in recipes() for part in recipe.command.split(" | ")}
    assert tools <= {"journalctl", "sed", "sort", "head"}


def test_every_event_that_the_guide_names_exists() -> None:
    known = {message.event for message in CATALOGUE}
    assert set(re.findall(r"VB_EVENT=(\w+)", GUIDE.read_text())) <= known


def test_every_setting_that_the_guide_names_exists() -> None:
    sections = "|".join(Settings.model_fields)
    named = set(re.findall(rf"`((?:{sections})\.\w+)", GUIDE.read_text()))
    known = {f"{section}.{key}" for section, value in Settings() for key in type(value).model_fields}
    assert named - known == set()


def test_every_section_that_a_page_links_to_is_there() -> None:
    missing = []
    for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        for target, section in re.findall(r"\]\(([^)#:]*)#([\w-]+)\)", page.read_text()):
            text = (page.parent / target if target else page).read_text()
            titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
            headings = {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
            if section not in headings:
                missing.append(f"{page.name}: {target}#{section}")
    assert missing == []
