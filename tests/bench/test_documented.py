"""What docs/measuring.md tells of voicebridge-bench is all of it."""

import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from click import Group
from click.testing import CliRunner

from voicebridge.cli import COMMANDS as PRODUCT
from voicebridge_bench.cli import COMMANDS, group
from voicebridge_bench.soak.planted import PLANTED
from voicebridge_bench.soak.profiles import PROFILES
from voicebridge_bench.soak.trouble import BY_KIND

BENCH = Path(__file__).parents[2] / "bench"
DOCS = Path(__file__).parents[2] / "docs"
GUIDE = (DOCS / "measuring.md").read_text(encoding="utf-8")
OF_ALL_COMMANDS = {"--help", "--json"}


def test_every_command_is_in_the_guide() -> None:
    table = next(block for block in GUIDE.split("\n\n") if block.startswith("| command |"))
    assert set(re.findall(r"^\| \[?`(\w+)`", table, re.MULTILINE)) == set(COMMANDS)


@pytest.mark.parametrize(
    ("what", "names"),
    [("profile", tuple(PROFILES)), ("fault", tuple(BY_KIND)), ("planted fault", tuple(PLANTED))],
)
def test_every_part_of_a_soak_is_in_the_guide(what: str, names: Sequence[str]) -> None:
    assert [f"{what} {name}" for name in names if f"`{name}`" not in GUIDE] == []


def test_every_option_that_the_guide_names_exists() -> None:
    assert isinstance(group, Group)
    known = set(OF_ALL_COMMANDS)
    for name in COMMANDS:
        command = group.get_command(group.make_context("voicebridge-bench", [name]), name)
        assert command is not None
        known |= {text for option in command.params for text in (*option.opts, *option.secondary_opts)}
    assert set(re.findall(r"(?<![\w-])(--[a-z][a-z-]*)", GUIDE)) - known == set()


def _with_exit_statuses() -> set[str]:
    section = (DOCS / "operations.md").read_text(encoding="utf-8").partition("## Measurements and soaks")[2]
    first_cells = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \|", section.partition("\n## ")[0], re.MULTILINE)
    return set(re.findall(r"`(\w+)`", " ".join(first_cells)))


def test_every_command_with_an_exit_status_of_its_own_is_in_operations() -> None:
    # `try` ends as `voicebridge run` does, and `footprint` judges nothing.
    assert _with_exit_statuses() == set(COMMANDS) - {"try", "footprint"}


@pytest.mark.parametrize("name", sorted(_with_exit_statuses()))
def test_a_command_with_exit_statuses_tells_them_in_its_help(name: str) -> None:
    told = " ".join(CliRunner().invoke(group, [name, "--help"], standalone_mode=False).output.split())
    assert "Exit status: 0 " in told


def test_every_command_that_the_bench_advises_exists() -> None:
    sources = [path.read_text(encoding="utf-8") for path in BENCH.rglob("*") if path.suffix in (".py", ".jinja")]
    advised = {found for text in sources for found in re.findall(r"`(voicebridge(?:-bench)? [a-z]+)", text)}
    known = {f"voicebridge {name}" for name in PRODUCT} | {f"voicebridge-bench {name}" for name in COMMANDS}
    assert "voicebridge devices" in advised
    assert advised - known == set()
