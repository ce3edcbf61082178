"""Wheels for the boxes, downloaded once for each lock file and Python, so that installing needs little network."""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from tests.box.image import BUILD, ROOT, locked

PYTHONS = {"bookworm": "3.11", "trixie": "3.13"}
"""The Python of each release."""
BUILDERS = ("setuptools", "wheel", "hatchling", "pip")
"""What pip fetches to build systemd-python and Voicebridge itself."""


def wheels(suite: str) -> Path:
    """Return the folder with everything that pip needs on a release; downloads it first where it is not there yet."""
    lock = ROOT / "requirements/test.lock"
    recipe = lock.read_bytes() + " ".join([*BUILDERS, *_needs()]).encode()
    folder = BUILD / "wheels" / f"{suite}-{hashlib.sha256(recipe).hexdigest()[:12]}"
    with locked(BUILD / "wheels" / ".lock"):
        if not folder.is_dir():
            for old in folder.parent.glob(f"{suite}-*"):
                shutil.rmtree(old)
            partial = folder.with_suffix(".partial")
            partial.mkdir(parents=True)
            _download(partial, PYTHONS[suite], lock)
            partial.rename(folder)
    return folder


def _download(folder: Path, python: str, lock: Path) -> None:
    pip = [sys.executable, "-m", "pip", "download", "--no-input", "--dest", str(folder), "--constraint", str(lock)]
    foreign = ["--python-version", python, "--only-binary=:all:"]
    with (BUILD / "pip-download.log").open("w") as log:
        for wanted in (
            [*foreign, *_needs()],
            [*foreign, *BUILDERS],
            ["--no-deps", "--no-binary=:all:", "systemd-python"],  # it has no wheels
        ):
            subprocess.run([*pip, *wanted], check=True, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT)


def _needs() -> list[str]:
    import tomllib

    with (ROOT / "pyproject.toml").open("rb") as file:
        return [str(need) for need in tomllib.load(file)["project"]["dependencies"]]
