"""Installing on a device: looked at before anything is done, done once, taken back when it does not work."""

from pathlib import Path

import pytest

from tests.install.checkout import Checkout


def releases(device: Checkout) -> set[str]:
    return {place.name for place in (device.device / "opt/voicebridge/releases").iterdir()}


def in_use(device: Checkout) -> str:
    return (device.device / "opt/voicebridge/current").readlink().name


def config(device: Checkout) -> Path:
    return device.device / "etc/voicebridge/voicebridge.toml"


def tree(folder: Path) -> dict[str, bytes | None]:
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


def change(device: Checkout) -> None:
    module = device.root / "voicebridge" / "__init__.py"
    module.write_text(module.read_text() + "# changed\n")


def test_a_first_installation_brings_the_service_up(device: Checkout) -> None:
    done = device.run("install", "--sound", "alsa")
    assert done.returncode == 0, done.stderr
    assert "is installed and ready" in done.stderr
    assert done.stdout == "hearing\n"
    assert releases(device) == {in_use(device)}
    assert (device.device / "usr/local/lib/systemd/system/voicebridge.service").is_file()
    assert config(device).read_text() == (device.root / "config/voicebridge.toml").read_text()
    assert (device.device / "usr/local/bin/voicebridge").readlink() == Path("/opt/voicebridge/current/bin/voicebridge")


def test_root_without_a_mode_installs(device: Checkout) -> None:
    assert "is installed and ready" in device.run().stderr


def test_without_root_nothing_is_installed(device: Checkout) -> None:
    (device.stubs / "root").unlink()
    done = device.run("install")
    assert done.returncode == 69
    assert "sudo ./install.sh" in done.stderr


def test_a_second_run_with_nothing_new_restarts_nothing(device: Checkout) -> None:
    assert device.run("install").returncode == 0
    assert device.calls
    done = device.run("install")
    assert done.returncode == 0
    assert "Nothing new" in done.stderr
    assert device.calls == []


def test_a_check_tells_every_step_and_changes_nothing(device: Checkout) -> None:
    before = tree(device.device)
    done = device.run("--check", "--sound", "alsa")
    assert done.returncode == 0
    for told in ("build release", "system user", "every setting", "pull the model base.en", "put in place", "enable"):
        assert told in done.stderr
    assert tree(device.device) == before
    assert device.calls == []


def test_a_check_after_an_installation_finds_nothing_to_do(device: Checkout) -> None:
    device.run("install")
    assert "Nothing would be done" in device.run("install", "--check").stderr


def test_an_upgrade_says_how_long_the_service_was_down_and_keeps_the_one_before(device: Checkout) -> None:
    device.run("install")
    first = in_use(device)
    change(device)
    done = device.run("install")
    assert done.returncode == 0
    assert "down for 0.8 s" in done.stderr
    assert releases(device) == {first, in_use(device)}
    assert first != in_use(device)


def test_only_the_two_newest_releases_are_kept(device: Checkout) -> None:
    for _ in range(3):
        assert device.run("install").returncode == 0
        change(device)
    assert len(releases(device)) == 2
    assert in_use(device) in releases(device)


def test_an_upgrade_that_does_not_get_ready_is_taken_back(device: Checkout) -> None:
    device.run("install")
    first = in_use(device)
    device.say("only", first)
    change(device)
    done = device.run("install")
    assert done.returncode == 1
    assert "did not get ready" in done.stderr
    assert "  | what the service said" in done.stderr
    assert f"Release {first} runs again" in done.stderr
    assert in_use(device) == first
    assert releases(device) == {first}


def test_a_first_installation_that_does_not_get_ready_is_taken_out_again(device: Checkout) -> None:
    device.say("only", "none")
    done = device.run("install")
    assert done.returncode == 1
    assert not (device.device / "opt/voicebridge/current").exists()
    assert not (device.device / "usr/local/lib/systemd/system/voicebridge.service").exists()
    assert config(device).exists()


def test_the_database_is_put_back_with_the_release_that_made_it(device: Checkout) -> None:
    device.run("install")
    database = device.device / "var/lib/voicebridge/voicebridge.db"
    database.write_text("as the first release made it")
    device.say("only", in_use(device))
    device.say("database", "older")
    change(device)
    done = device.run("install")
    assert done.returncode == 1
    assert "changes the tables" in done.stderr
    assert database.read_text() == "as the first release made it"
    aside = [place.name for place in database.parent.iterdir() if place.name.startswith("database-of-")]
    assert len(aside) == 1
    assert aside[0] in done.stderr


def test_no_copy_of_the_database_is_left_after_an_upgrade_that_works(device: Checkout) -> None:
    device.run("install")
    database = device.device / "var/lib/voicebridge/voicebridge.db"
    database.write_text("text")
    device.say("database", "older")
    change(device)
    assert device.run("install").returncode == 0
    assert not list(database.parent.glob("before-*"))


def test_a_database_of_a_newer_version_stops_an_installation_before_anything_is_touched(device: Checkout) -> None:
    device.run("install")
    first = in_use(device)
    (device.device / "var/lib/voicebridge/voicebridge.db").write_text("text")
    device.say("database", "newer")
    change(device)
    assert device.calls
    done = device.run("install")
    assert done.returncode == 69
    assert "newer version" in done.stderr
    assert in_use(device) == first
    assert not [call for call in device.calls if call.startswith("systemctl restart")]


def test_settings_that_the_new_release_refuses_stop_an_upgrade(device: Checkout) -> None:
    device.run("install")
    first = in_use(device)
    change(device)
    device.say("failing", "settings")
    done = device.run("install")
    assert done.returncode == 69
    assert "The settings are not right for release" in done.stderr
    assert "voicebridge: the settings are wrong" in done.stderr
    assert in_use(device) == first


def test_a_configuration_is_never_written_again_and_what_is_new_is_shown(device: Checkout) -> None:
    device.run("install")
    config(device).write_text("# my own\n")
    template = device.root / "config" / "voicebridge.toml"
    template.write_text(template.read_text() + "#brand_new = 1\n")
    done = device.run("install")
    assert done.returncode == 0
    assert "  | +#brand_new = 1" in done.stderr
    assert config(device).read_text() == "# my own\n"


def test_a_failure_of_pip_leaves_what_ran(device: Checkout) -> None:
    device.run("install")
    first = in_use(device)
    change(device)
    device.say("failing", "network")
    done = device.run("install")
    assert done.returncode == 69
    assert "ERROR: the network is gone" in done.stderr
    assert "runs on as it was" in done.stderr
    assert releases(device) == {first}


def test_a_hub_that_cannot_be_reached_is_no_error_and_is_not_asked_again(device: Checkout) -> None:
    device.say("failing", "hub")
    done = device.run("install")
    assert done.returncode == 0
    assert "PocketSphinx decodes until there is one" in done.stderr
    assert "--model /media/STICK/base.en" in done.stderr
    assert "Nothing new" in device.run("install").stderr


def test_a_model_is_copied_from_a_folder_and_named_in_a_new_configuration(device: Checkout, tmp_path: Path) -> None:
    folder = tmp_path / "my-model"
    folder.mkdir()
    (folder / "model.bin").write_text("weights")
    done = device.run("install", "--model", str(folder))
    assert done.returncode == 0, done.stderr
    assert (device.device / "var/lib/voicebridge/models/my-model/model.bin").read_text() == "weights"
    assert 'model = "my-model"' in config(device).read_text().splitlines()


def test_a_model_that_does_not_exist_stops_an_installation(device: Checkout) -> None:
    done = device.run("install", "--model", "bass.en")
    assert done.returncode == 69
    assert "There is no model bass.en" in done.stderr
    assert not config(device).exists()


def test_a_model_other_than_the_configured_one_comes_with_the_line_to_write(device: Checkout) -> None:
    device.run("install")
    done = device.run("install", "--model", "tiny.en")
    assert done.returncode == 0
    assert 'model = "tiny.en"' in done.stderr
    assert (device.device / "var/lib/voicebridge/models/tiny.en/model.bin").is_file()


def test_a_device_without_systemd_is_told_so(device: Checkout) -> None:
    (device.device / "run/systemd/system").rmdir()
    done = device.run("install")
    assert done.returncode == 69
    assert "systemd does not run here" in done.stderr


def test_a_python_in_a_home_directory_is_out_of_the_services_sight(device: Checkout) -> None:
    python = device.device / "usr/bin/python3.11"
    python.unlink()
    python.symlink_to("/root/pythons/python3.11")
    done = device.run("install", "--check")
    assert "install system packages: python3-venv" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [("install", "--fly"), ("install", "--sound"), ("install", "--sound="), ("--sound", "jack"), ("uninstall", "-x")],
)
def test_wrong_options_are_wrong_usage(device: Checkout, arguments: tuple[str, ...]) -> None:
    done = device.run(*arguments)
    assert done.returncode == 2
    assert done.stderr


def test_what_is_uninstalled_leaves_settings_and_state_and_says_where(device: Checkout) -> None:
    device.run("install")
    done = device.run("uninstall")
    assert done.returncode == 0
    assert not (device.device / "opt/voicebridge").exists()
    assert not (device.device / "usr/local/bin/voicebridge").is_symlink()
    assert config(device).exists()
    assert str(device.device / "var/lib/voicebridge") in done.stderr


def test_a_purge_leaves_nothing(device: Checkout) -> None:
    device.run("install")
    assert device.run("uninstall", "--purge").returncode == 0
    left = [name for name, content in tree(device.device).items() if content is not None]
    assert left == ["usr/bin/python3.11"]
    assert "userdel voicebridge" in device.calls


def test_the_copy_of_the_installer_in_a_release_can_only_uninstall(device: Checkout) -> None:
    device.run("install")
    script = device.device / "opt/voicebridge/current/share/voicebridge/install.sh"
    assert "nothing to install" in device.run("install", script=script).stderr
    assert device.run("uninstall", script=script).returncode == 0


def test_ci_fails_where_the_system_suite_cannot_run(checkout: Checkout) -> None:
    (checkout.root / "tests/box").mkdir(parents=True)
    suite = checkout.root / "tests/box/run"
    suite.write_text("#!/bin/sh\n")
    suite.chmod(0o755)
    done = checkout.run(script=checkout.root / ".ci" / "run")
    assert done.returncode == 1
    assert "needs root, so it was NOT run" in done.stderr


def test_ci_runs_the_system_suite_after_the_tests(device: Checkout) -> None:
    (device.root / "tests/box").mkdir(parents=True)
    suite = device.root / "tests/box/run"
    suite.write_text('#!/bin/sh\necho "the box was run with: $*"\n')
    suite.chmod(0o755)
    done = device.run(script=device.root / ".ci" / "run")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines.index("3 passed, 1 skipped in 0.10s") < lines.index("the box was run with: ")
