"""System packages: installed where that is allowed, a clear list where it is not."""

import shutil

from tests.install.checkout import STUBS, TEST_PACKAGES, TRY_PACKAGES, Checkout


def test_without_root_the_missing_packages_are_listed_with_the_command(checkout: Checkout) -> None:
    checkout.say("installed", "espeak-ng")
    done = checkout.run("try")
    assert done.returncode == 69
    assert "  - libportaudio2\n  - pocketsphinx-testdata\n" in done.stderr
    assert "apt-get install --no-install-recommends libportaudio2 pocketsphinx-testdata\n" in done.stderr
    assert checkout.calls == []


def test_root_installs_exactly_what_is_missing(checkout: Checkout) -> None:
    checkout.say("root")
    checkout.say("installed", "espeak-ng")
    checkout.run("try")
    installs = [call for call in checkout.calls if call.startswith("apt-get") and " install " in call]
    assert len(installs) == 1
    assert installs[0].endswith("install --yes --no-install-recommends libportaudio2 pocketsphinx-testdata")


def test_sudo_without_a_password_is_used(checkout: Checkout) -> None:
    checkout.say("sudoer")
    checkout.say("installed")
    checkout.run("try")
    calls = checkout.calls
    assert calls[:2] == ["sudo", "sudo"]
    assert calls[-2].startswith("venv") or calls[-1].startswith("pip")


def test_a_trial_asks_for_no_test_packages(checkout: Checkout) -> None:
    checkout.say("installed", *TRY_PACKAGES)
    assert checkout.run("try").returncode == 7


def test_the_tests_ask_for_their_own_packages_too(checkout: Checkout) -> None:
    checkout.say("installed", *TRY_PACKAGES)
    done = checkout.run("test")
    assert done.returncode == 69
    assert all(f"  - {name}\n" in done.stderr for name in set(TEST_PACKAGES) - set(TRY_PACKAGES))


def test_where_no_python_runs_its_package_is_asked_for(checkout: Checkout) -> None:
    for name in ("python3.11", "python3"):
        shutil.copy2(STUBS / "no-python", checkout.stubs / "bin" / name)
    done = checkout.run("try")
    assert done.returncode == 69
    assert "  - python3-venv\n" in done.stderr


def test_a_system_whose_python_is_too_old_is_told_so(checkout: Checkout) -> None:
    for name in ("python3.11", "python3"):
        shutil.copy2(STUBS / "no-python", checkout.stubs / "bin" / name)
    checkout.say("installed", *TRY_PACKAGES, "python3-venv")
    done = checkout.run("try")
    assert done.returncode == 69
    assert "There is no Python 3.11 or later" in done.stderr


def test_a_python_that_was_asked_for_is_not_replaced_by_another(checkout: Checkout) -> None:
    done = checkout.run("try", PYTHON="/nowhere/python3.14")
    assert done.returncode == 69
    assert "PYTHON=/nowhere/python3.14" in done.stderr
    assert checkout.calls == []
