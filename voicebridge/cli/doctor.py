"""`voicebridge doctor`: check everything that hearing needs."""

import dataclasses
import json
import sys
from typing import TYPE_CHECKING

import click

from voicebridge.cli.invocation import Invocation
from voicebridge.cli.service_state import for_reading
from voicebridge.domain.errors import ExitCode, SettingsError
from voicebridge.domain.text import printable
from voicebridge.settings import paths

if TYPE_CHECKING:
    from collections.abc import Iterator

    from voicebridge.daemon.checks import Finding

_COLOURS = {"ok": "green", "warning": "yellow", "error": "red"}
MAX_SECONDS = 60


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option(
    "--seconds",
    type=click.FloatRange(min=0.1, max=MAX_SECONDS),
    default=2.0,
    show_default=True,
    help="How long to listen to the microphone.",
)
@click.option("--no-microphone", is_flag=True, help="Do not open the microphone.")
@click.pass_obj
def command(invocation: Invocation, as_json: bool, seconds: float, no_microphone: bool) -> int:
    """Check everything that hearing needs, and say what to do. Nothing is changed.

    One line for each check: ok, warning (it runs, but look at it) or error (put this right first). Exit status: 0 no
    error was found, 1 there was one.
    """
    findings = []
    for finding in _findings(invocation, None if no_microphone else seconds, watched=sys.stderr.isatty()):
        findings.append(finding)
        if not as_json:
            click.echo(_line(finding))
    well = all(finding.level != "error" for finding in findings)
    if as_json:
        click.echo(json.dumps({"ok": well, "checks": [dataclasses.asdict(finding) for finding in findings]}, indent=2))
    return ExitCode.OK if well else ExitCode.FAILURE


def _findings(invocation: Invocation, microphone_seconds: float | None, *, watched: bool) -> "Iterator[Finding]":
    from voicebridge.daemon.checks import checks_of, checks_without_settings, examine

    settings_finding, usable = _settings(invocation)
    yield settings_finding
    checks = checks_of(for_reading(invocation).settings, microphone_seconds) if usable else checks_without_settings()
    for check in checks:
        if watched:
            _hint(f"… {check.name}")
        finding = examine(check)
        if watched:
            _hint("")
        yield finding


def _settings(invocation: Invocation) -> "tuple[Finding, bool]":
    """Look at the settings; also say whether they can be used."""
    from voicebridge.daemon.checks.finding import error, ok, warning

    try:
        loaded = invocation.loaded
    except SettingsError as problem:
        return error("settings", problem.message.replace("\n", " "), problem.advice.strip()), False
    files = [invocation.config] if invocation.config else [paths.SYSTEM_CONFIG, paths.user_config()]
    read = [str(file) for file in files if file.is_file()]
    changed = sum(origin != "default" for origin in loaded.origins.values())
    given = f"{changed} of {len(loaded.origins)} settings given" if changed else "every setting at its default"
    found = f"{', '.join(read) or 'there is no file'}; {given}"
    if loaded.notices:
        return warning("settings", f"{found}. {' '.join(loaded.notices)}", "Correct or remove it."), True
    return ok("settings", found), True


def _line(finding: "Finding") -> str:
    found = printable(finding.found).rstrip(".")
    advice = f". {printable(finding.advice)}" if finding.advice else ""
    return f"{click.style(f'{finding.level:<7}', fg=_COLOURS[finding.level])}  {finding.name:<15}  {found}{advice}"


def _hint(text: str) -> None:
    """Show on a terminal what is being looked at, in the place of what stood there."""
    click.echo(f"\r\x1b[2K{text}", nl=False, err=True)
