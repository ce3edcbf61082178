"""The configuration file and its page in the documentation agree with the schema."""

import re
import tomllib
from pathlib import Path

import pytest

from voicebridge.settings import Settings
from voicebridge.settings.describe import described, docstrings, sections
from voicebridge.settings.layers import load
from voicebridge.settings.template import render_markdown, render_toml, toml_value

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("path", "rendered"),
    [("config/voicebridge.toml", render_toml()), ("docs/configuration.md", render_markdown())],
)
def test_the_file_in_the_project_is_what_the_schema_says(path: str, rendered: str) -> None:
    assert (ROOT / path).read_text() == rendered, "write it again: voicebridge config template --force --output ..."


def test_the_shipped_file_changes_nothing() -> None:
    assert load(ROOT / "config/voicebridge.toml", (), {}).settings == Settings()


def test_the_shipped_file_with_every_line_switched_on_is_the_defaults(tmp_path: Path) -> None:
    file = tmp_path / "all.toml"
    file.write_text(re.sub(r"^#(?=\w+ = )", "", render_toml(), flags=re.MULTILINE))
    result = load(file, (), {})
    assert result.settings == Settings()
    assert all(origin.startswith(f"{file}:") for origin in result.origins.values())
    assert {key for key, origin in result.origins.items() if origin != "default"} == set(described())


def test_every_setting_has_a_meaning() -> None:
    for section, model in sections(Settings).items():
        names = {setting.name for setting in described().values() if setting.section == section}
        assert set(docstrings(model)) == names


def test_every_setting_and_its_environment_variable_is_in_the_documentation() -> None:
    page = render_markdown()
    for setting in described().values():
        assert f"| `{setting.key}` |" in page
        assert f"| `{setting.environment}` |" in page


@pytest.mark.parametrize("value", ["", 'quote " and \\', "naïve", 0, -1.5, True, Path("/a b")])
def test_a_value_is_written_as_toml_reads_it(value: object) -> None:
    read = tomllib.loads(f"x = {toml_value(value)}")["x"]
    assert read == (str(value) if isinstance(value, Path) else value)


def test_no_value_is_written_as_empty_text() -> None:
    assert toml_value(None) == '""'
