"""Bundles: refused when they are damaged or for another device. (That they install is shown in a container.)"""

import hashlib
import platform
from pathlib import Path

import pytest

from tests.install.checkout import Checkout


@pytest.fixture
def bundle(device: Checkout) -> Path:
    """An opened bundle with a model, made by hand as `./install.sh bundle` makes it."""
    folder = device.root / "bundle"
    (folder / "wheels").mkdir(parents=True)
    (folder / "wheels/one.whl").write_text("a wheel")
    (folder / "models/small").mkdir(parents=True)
    (folder / "models/small/model.bin").write_text("weights")
    (folder / "about").write_text(f"0.1.0 python3.11 {platform.machine()}\n")
    seal(device.root)
    return folder


def seal(root: Path) -> None:
    sums = root / "bundle/SHA256SUMS"
    sums.unlink(missing_ok=True)
    files = sorted(path for path in root.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  ./{path.relative_to(root)}\n" for path in files]
    sums.write_text("".join(lines))


def test_a_whole_bundle_installs_from_its_wheels_and_its_model(device: Checkout, bundle: Path) -> None:
    done = device.run("install", "--offline", ".")
    assert done.returncode == 0, done.stderr
    pips = [call for call in device.calls if call.startswith("pip")]
    assert pips == [f"pip install --no-input --no-index --find-links {bundle}/wheels voicebridge==0.1.0"]
    assert (device.device / "var/lib/voicebridge/models/small/model.bin").is_file()


def test_a_flipped_bit_is_refused(device: Checkout, bundle: Path) -> None:
    (bundle / "wheels/one.whl").write_text("b wheel")
    done = device.run("install", "--offline", ".")
    assert done.returncode == 69
    assert "The bundle is damaged" in done.stderr
    assert "one.whl" in done.stderr
    assert device.calls == []


def test_a_file_that_was_added_is_refused(device: Checkout, bundle: Path) -> None:
    (bundle / "wheels/two.whl").write_text("a wheel of somebody else")
    done = device.run("install", "--offline", ".")
    assert done.returncode == 69
    assert "something was added" in done.stderr


def test_a_bundle_for_another_processor_is_refused(device: Checkout, bundle: Path) -> None:
    (bundle / "about").write_text("0.1.0 python3.11 riscv64\n")
    seal(device.root)
    done = device.run("install", "--offline", ".")
    assert done.returncode == 69
    assert "for riscv64" in done.stderr


def test_what_is_no_bundle_is_told_so(device: Checkout, tmp_path: Path) -> None:
    assert "is no bundle" in device.run("install", "--offline", str(tmp_path)).stderr
    rubbish = tmp_path / "rubbish.tar"
    rubbish.write_text("rubbish")
    assert "cannot be opened" in device.run("install", "--offline", str(rubbish)).stderr
    assert device.run("install", "--offline", "/nowhere").returncode == 69
