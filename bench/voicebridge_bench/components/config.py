"""Suite config: loading and validating the settings."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from voicebridge.settings.describe import described
from voicebridge.settings.layers import load
from voicebridge.settings.template import render_toml, toml_value
from voicebridge_bench.components.figure import Context, Figure, Ready, Suite, timed


@contextmanager
def _opened(context: Context) -> Iterator[Ready]:
    nowhere = context.scratch / "none"
    home = {"HOME": str(nowhere)}
    file = context.scratch / "every-setting.toml"
    file.write_text(_every_setting(), encoding="utf-8")
    variables = home | _every_variable()
    ways = {
        "config.defaults": ("Defaults: no file, no variable", partial(_load, None, home, nowhere)),
        "config.file": ("A file that sets every setting", partial(_load, file, home, nowhere)),
        "config.environment": ("Variables that set every setting", partial(_load, None, variables, nowhere)),
        "config.all": ("That file and those variables", partial(_load, file, variables, nowhere)),
    }
    settings = len(described())
    yield Ready(
        [
            Figure(name, title, "ms", timed(context.watch, call), parameters={"settings": settings})
            for name, (title, call) in ways.items()
        ]
    )


def _load(file: Path | None, environ: dict[str, str], nowhere: Path) -> None:
    load(file, (), environ, system_config=nowhere)


def _every_setting() -> str:
    """Return the template with every setting in force, at its default."""
    lines = render_toml().splitlines()
    # Its comments begin with "# ", the settings that it leaves at their default with "#".
    return "\n".join(line[1:] if line.startswith("#") and not line.startswith("# ") else line for line in lines)


def _every_variable() -> dict[str, str]:
    return {setting.environment: _text(setting.default) for setting in described().values()}


def _text(value: object) -> str:
    return toml_value(value).strip('"')


SUITE = Suite(
    "config",
    "Load and validate the settings",
    ("config.defaults", "config.file", "config.environment", "config.all"),
    _opened,
)
