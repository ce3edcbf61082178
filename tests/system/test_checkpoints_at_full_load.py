import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from voicebridge.domain.errors import ExitCode
from voicebridge_bench.commands.checkpoints import command

SHORT = ["--seconds", "20", "--interval", "1"]
"""The short form; `voicebridge-bench checkpoints` is the long one."""


@pytest.mark.slow
def test_checkpoints_at_full_load_are_in_time_and_true(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    done = CliRunner().invoke(command, [*SHORT, "--json", str(file)], standalone_mode=False, catch_exceptions=False)
    print(done.output)
    written = json.loads(file.read_text())
    assert [line for line in written["lines"] if not line["ok"]] == []
    assert len(written["checkpoints"]) >= 20
    assert done.return_value == ExitCode.OK
