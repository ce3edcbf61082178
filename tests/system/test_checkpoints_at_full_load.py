import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from voicebridge.domain.errors import ExitCode
from voicebridge_bench.commands.checkpoints import command

SHORT = ["--seconds", "20", "--interval", "1"]
"""The short form; `voicebridge-bench checkpoints` is the long one."""
OF_SPEED = (
    *("engine decoding", "first after", "taken after", "seen in the file", "cost", "uptime", "resident"),
    *("frames received, s", "frames expected, s"),
)
"""How the figures begin that a machine which others use, too, may miss."""


@pytest.mark.slow
def test_checkpoints_at_full_load_are_all_there_and_true(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    done = CliRunner().invoke(command, [*SHORT, "--json", str(file)], standalone_mode=False, catch_exceptions=False)
    print(done.output)
    written = json.loads(file.read_text())
    wrong = [line for line in written["lines"] if not line["ok"]]
    assert [line for line in wrong if not line["figure"].startswith(OF_SPEED)] == []
    assert len(written["checkpoints"]) >= 20
    assert done.return_value == (ExitCode.FAILURE if wrong else ExitCode.OK)
