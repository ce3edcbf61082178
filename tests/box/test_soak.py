"""`voicebridge-bench soak --attach` looks at the installed service: its words, its checkpoints, its unit's journal."""

import json
from pathlib import Path
from typing import Any

from tests.box.figures import Figures
from tests.box.machine import Box
from tests.box.service import Service

SECONDS = 40
KILLED_AFTER_SECONDS = 15.0
FOLDER = "/var/tmp/attached"


def verdicts(box: Box, *, killed: bool) -> tuple[int, dict[str, dict[str, Any]]]:
    """Soak the running service; return the exit status and the verdicts by their codes."""
    box.run("rm", "-rf", FOLDER)
    soak = box.popen("voicebridge-bench", "soak", "--attach", "--duration", f"{SECONDS}s", "--output", FOLDER)
    if killed:
        record = Path(box.root) / FOLDER.lstrip("/") / "record.jsonl"
        box.wait_until(record.exists, "the soak's beginning", 60.0)
        box.rest(KILLED_AFTER_SECONDS)
        box.systemctl("kill", "--signal=KILL", "voicebridge.service")
    status = soak.wait(SECONDS + 120)
    report = json.loads((Path(box.root) / FOLDER.lstrip("/") / "report.json").read_text())
    return status, {verdict["code"]: verdict for verdict in report["verdicts"]}


def test_a_healthy_service_is_seen_to_be_healthy(service: Service, speech: Path, figures: Figures) -> None:
    status, found = verdicts(service.box, killed=False)
    failed = {code for code, verdict in found.items() if verdict["outcome"] == "fail"}
    outcomes = {code: verdict["outcome"] for code, verdict in found.items()}
    told = f"exit {status}, failed: {', '.join(sorted(failed)) or 'nothing'}; errors: {outcomes['errors']}"
    passed = status == 0 and not failed and outcomes["errors"] == outcomes["crashes"] == "pass"
    figures.note("soak attached to the service", 1, told, "passed, its journal read", passed)
    assert passed, found


def test_a_service_that_was_killed_is_seen_to_have_crashed(service: Service, speech: Path, figures: Figures) -> None:
    status, found = verdicts(service.box, killed=True)
    failed = {code for code, verdict in found.items() if verdict["outcome"] == "fail"}
    passed = status == 1 and "crashes" in failed and not failed & {"lost", "doubled", "integrity"}
    told = f"exit {status}, failed: {', '.join(sorted(failed)) or 'nothing'}"
    figures.note("soak attached, kill -9", 1, told, "crashes, none lost, none doubled", passed)
    assert passed, found
