"""The checkout that the tests of the set-up work on."""

import shutil
from pathlib import Path

import pytest

from tests.install.checkout import COPIED, ROOT, STUBS, TEST_PACKAGES, Checkout


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """Every package installed, an ordinary user without sudo, a Python that serves; a path with a space."""
    root = tmp_path / "check out"
    root.mkdir()
    for name in COPIED:
        source = ROOT / name
        (root / name).parent.mkdir(exist_ok=True)
        (shutil.copytree if source.is_dir() else shutil.copy2)(source, root / name)
    (root / "bench" / "voicebridge_bench").mkdir(parents=True)
    stubs = tmp_path / "stubs"
    binaries = stubs / "bin"
    shutil.copytree(STUBS, binaries)
    for name in ("python3.13", "python3.12"):
        shutil.copy2(STUBS / "no-python", binaries / name)
    for name in ("python3.11", "python3"):
        shutil.copy2(STUBS / "python", binaries / name)
    scratch = Checkout(root, stubs)
    scratch.say("installed", *TEST_PACKAGES)
    return scratch


@pytest.fixture
def device(checkout: Checkout) -> Checkout:
    """A device with systemd and a Python of its own; we are root."""
    checkout.say("root")
    (checkout.device / "run" / "systemd" / "system").mkdir(parents=True)
    binaries = checkout.device / "usr" / "bin"
    binaries.mkdir(parents=True)
    shutil.copy2(STUBS / "python", binaries / "python3.11")
    return checkout
