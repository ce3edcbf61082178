"""The recommended settings as a configuration file that `voicebridge config check` accepts."""

import textwrap
from pathlib import Path

from voicebridge.settings.layers import load
from voicebridge_bench.tuning.results import TuneResult


def toml(result: TuneResult) -> str:
    """Return the fragment, with its reasons as comments."""
    host = result.host
    machine = f"{host.cpu} ({host.cores_usable} cores, {host.memory_gib:g} GiB)"
    about = [
        f"Recommended by voicebridge-bench tune on {result.created_at}, for {machine}, from {result.corpus}.",
        *result.reasons,
        *result.warnings,
        "Put this into voicebridge.toml, and see that `voicebridge config check` says ok.",
    ]
    lines = [
        line
        for text in about
        for line in textwrap.wrap(_plain(text), 100, initial_indent="# ", subsequent_indent="#   ")
    ]
    for section, values in result.settings.items():
        lines += ["", f"[{section}]"]
        lines += [f"{name} = {_value(value)}" for name, value in values.items()]
    return "\n".join(lines)


def check(path: Path) -> None:
    """Raise SettingsError when the file is not accepted: that is what `voicebridge config check FILE` asks."""
    load(path, (), {})


def _value(value: str | int) -> str:
    if isinstance(value, int):
        return str(value)
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in escaped) + '"'


def _plain(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)
