"""What root means who names no state directory, and as whom root writes: tried as root, in processes of their own."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.fakes.commands import Said
from tests.fakes.states import State, state_in
from voicebridge.domain.errors import ExitCode
from voicebridge.domain.utterance import Status
from voicebridge.store.lock import StateLock

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can go on as somebody else")

NOBODY = 65534
CALL = """
import sys
from importlib import import_module
from pathlib import Path
from voicebridge.cli import guarded
from voicebridge.cli.invocation import Invocation
folder, named, name, *arguments = sys.argv[1:]
overrides = (f"store.state_dir={named}",) if named else ()
place = Path(folder)
invocation = Invocation(place / "voicebridge.toml", overrides, place / "control", place / "service")
sys.exit(guarded(import_module(f"voicebridge.cli.{name}").command, arguments, obj=invocation))
"""
Run = Callable[..., Said]


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that every user can enter, as the one above a service's state directory is."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        place.chmod(0o755)
        (place / "voicebridge.toml").touch()
        yield place


@pytest.fixture
def service(folder: Path) -> Path:
    """The state directory of an installed service that does not run; it belongs to the user nobody."""
    with state_in(folder / "service") as state:
        state.hear("turn on the light", 1.0)
        state.hear(start=10.0, status=Status.FAILED)
    with StateLock(state.path):
        pass
    give_to_nobody(state.path)
    return state.path


@pytest.fixture
def run(folder: Path) -> Run:
    """Run a command as root, whose home is in the folder."""
    home = folder / "home"
    home.mkdir()
    unset = ("STATE_DIRECTORY", "RUNTIME_DIRECTORY", "XDG_RUNTIME_DIR", "XDG_STATE_HOME", "XDG_CONFIG_HOME")
    environment = {name: value for name, value in os.environ.items() if name not in unset} | {"HOME": str(home)}

    def call(name: str, *arguments: str | Path, state: Path | None = None) -> Said:
        words = [sys.executable, "-c", CALL, str(folder), str(state or ""), name, *map(str, arguments)]
        done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=60, check=False)
        return Said(done.returncode, done.stdout, done.stderr)

    return call


def give_to_nobody(state: Path) -> None:
    for path in (state, *state.rglob("*")):
        os.chown(path, NOBODY, NOBODY)


def first_line(error: str) -> str:
    """Return what was said first: when coverage is measured, it complains that another user cannot write its data."""
    return error.partition("\n")[0]


def of_root(state: Path) -> list[Path]:
    """List what in a state directory belongs to root."""
    return [path for path in (state, *state.rglob("*")) if path.stat().st_uid == 0]


def test_what_the_service_heard_is_found_and_root_is_told_where(run: Run, service: Path) -> None:
    said = run("search", "light")
    assert "turn on the light" in said.out
    assert said.err == f"With the state directory of the system's service, {service}.\n"
    assert of_root(service) == []


def test_what_it_heard_can_be_written_where_only_root_can(run: Run, service: Path, folder: Path) -> None:
    target = folder / "home" / "heard.jsonl"
    assert run("export", "-o", target).code == ExitCode.OK
    assert target.stat().st_uid == 0


def test_doctor_looks_at_the_services_state(run: Run, service: Path) -> None:
    said = run("doctor", "--no-microphone")
    assert f"{service}, of nobody" in said.out
    assert "2 utterances" in said.out
    assert said.err.startswith(f"With the state directory of the system's service, {service}.\n")


def test_a_service_that_does_not_run_is_the_one_that_is_told_of(run: Run, service: Path) -> None:
    said = run("status")
    assert (said.code, said.lines[0]) == (ExitCode.NOT_RUNNING, f"not running (state directory {service})")
    assert said.lines[1].startswith("last session, 1, ")
    assert f"No daemon runs (state directory {service})." in run("mute").err


@pytest.mark.parametrize(
    ("command", "said"), [(["retry", "2"], "1 utterance queued"), (["forget", "1", "--yes"], "1 utterance")]
)
def test_what_changes_the_store_is_done_as_its_owner(run: Run, service: Path, command: list[str], said: str) -> None:
    done = run(*command)
    assert done.code == ExitCode.OK
    assert first_line(done.err) == f"With the state directory of the system's service, {service}, as the user nobody."
    assert said in done.out
    assert of_root(service) == []


def test_backups_of_the_service_are_its_own(run: Run, service: Path) -> None:
    assert run("backup").code == ExitCode.OK
    assert run("backup", service / "mine.db").code == ExitCode.OK
    assert len(list((service / "backups").iterdir())) == 1
    assert of_root(service) == []


def test_a_backup_to_a_place_of_roots_is_roots_and_can_be_put_back(run: Run, service: Path, folder: Path) -> None:
    target = folder / "home" / "copy.db"
    assert run("backup", target).code == ExitCode.OK
    assert target.stat().st_uid == 0
    assert run("restore", "--yes", target).code == ExitCode.OK
    assert of_root(service) == []


def test_models_are_brought_as_the_owner_and_from_where_the_owner_can_read(
    run: Run, service: Path, folder: Path
) -> None:
    closed = folder / "home" / "small"
    closed.mkdir(parents=True)
    (folder / "home").chmod(0o700)
    said = run("models", "add", closed)
    assert said.code == ExitCode.NO_PERMISSION
    assert f"The user nobody may not read {closed}." in said.err
    assert f"No models in {service / 'models'}." in run("models", "list").out
    assert of_root(service) == []


def test_a_state_directory_that_was_named_is_written_as_its_owner_too(run: Run, service: Path) -> None:
    said = run("retry", "2", state=service)
    assert first_line(said.err) == f"As the user nobody, to whom {service} belongs."
    assert of_root(service) == []


def test_roots_own_state_directory_comes_first(run: Run, service: Path, folder: Path) -> None:
    own = folder / "home" / ".local" / "state" / "voicebridge"
    with state_in(own) as state:
        heard_at_home(state)
    said = run("search", "home")
    assert (said.code, said.err) == (ExitCode.OK, "")
    assert run("retry", "2").err == ""
    assert of_root(service) == []


def test_without_a_service_root_is_a_user_like_any_other(run: Run, folder: Path) -> None:
    said = run("search", "light")
    assert said.code == ExitCode.NO_INPUT
    assert str(folder / "home") in said.err


def heard_at_home(state: State) -> None:
    state.hear("at home", 1.0)
    state.hear(start=10.0, status=Status.FAILED)
