"""A folder of recordings with what they say, in the forms that such folders come in.

Three forms are known, and may stand beside each other: NAME.wav with NAME.txt, a transcripts.tsv (file, tab, text), and
LibriSpeech's *.trans.txt (name without ending, blank, text). Folders inside are looked into. A recording that two of
them tell of must say the same in both.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from voicebridge.domain.errors import ExitCode, VoicebridgeError
from voicebridge.domain.units import samples_to_seconds
from voicebridge_bench.accuracy import Spoken
from voicebridge_bench.corpora.audio_file import read_audio
from voicebridge_bench.words import normalised

ENDINGS = (".wav", ".flac", ".ogg", ".opus", ".mp3", ".m4a", ".aiff", ".webm")
TABLE = "transcripts.tsv"
HEADERS = frozenset({"file", "path", "filename", "name", "audio"})
"""First words of a table's first line that make it a header."""
MAX_FILES = 20_000
MAX_TEXT_BYTES = 16_000_000
MAX_TOTAL_SECONDS = 4 * 3600.0
"""All recordings are held in memory: 460 MB."""
_FORMS = (
    "A corpus holds NAME.wav with NAME.txt, or a transcripts.tsv (file, tab, text), or LibriSpeech's *.trans.txt; "
    "`voicebridge-bench record FOLDER` makes one in your own room."
)


@dataclass(frozen=True, slots=True)
class Listed:
    """A recording and what it says; not read yet."""

    path: Path
    text: str


@dataclass(frozen=True, slots=True)
class Corpus:
    """What a folder holds. ``left_out`` says what was passed over, in sentences."""

    name: str
    spoken: list[Spoken]
    left_out: list[str]

    @property
    def seconds(self) -> float:
        """Length of all recordings."""
        return sum(samples_to_seconds(len(item.samples)) for item in self.spoken)


def read_corpus(folder: Path) -> Corpus:
    """Read all recordings. Raises VoicebridgeError for a folder that holds none, and for the first that is unusable."""
    listed, left_out = look_through(folder)
    spoken: list[Spoken] = []
    seconds = 0.0
    for item in listed:
        samples = read_audio(item.path)
        seconds += samples_to_seconds(len(samples))
        if seconds > MAX_TOTAL_SECONDS:
            raise _unusable(f"{folder} holds more than {MAX_TOTAL_SECONDS / 3600:g} hours.", "Measure on a part of it.")
        place = item.path.relative_to(folder)
        spoken.append(
            Spoken(str(place.parent) if place.parent != Path() else folder.name, place.name, item.text, samples)
        )
    return Corpus(str(folder), spoken, left_out)


def look_through(folder: Path) -> tuple[list[Listed], list[str]]:
    """Return the recordings of a folder with their texts, by path, and what is passed over."""
    files = _files(folder)
    texts: dict[Path, str] = {}
    for table in (path for path in files if path.name == TABLE):
        _put(texts, _from_table(table))
    for table in (path for path in files if path.name.endswith(".trans.txt")):
        _put(texts, _from_librispeech(table))
    audio = [path for path in files if path.suffix.lower() in ENDINGS]
    for path in audio:
        if (beside := path.with_suffix(".txt")).is_file():
            _put(texts, [Listed(path, " ".join(_text(beside).split()))])
    if not texts:
        found = f"{len(audio)} recordings without a transcript" if audio else "no recordings"
        raise VoicebridgeError(f"{folder} holds {found}.", _FORMS, exit_code=ExitCode.NO_INPUT)
    for path, text in texts.items():
        if not normalised(text):
            raise _unusable(f"The transcript of {path} has no words.", "Write down what is said in it, or delete both.")
    without = [path for path in audio if path not in texts]
    left_out = [f"{len(without)} recordings have no transcript, such as {without[0].name}."] if without else []
    return [Listed(path, texts[path]) for path in sorted(texts)], left_out


def _files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise VoicebridgeError(f"There is no folder {folder}.", _FORMS, exit_code=ExitCode.NO_INPUT)
    found: list[Path] = []
    try:
        for path in folder.rglob("*"):
            found.append(path)
            if len(found) > MAX_FILES:
                raise _unusable(f"{folder} holds more than {MAX_FILES} files.", "Measure on a part of it.")
    except OSError as error:
        raise _unusable(f"{error.filename} cannot be read: {error.strerror}.", "Check who owns it.") from error
    return sorted(found)


def _put(texts: dict[Path, str], listed: "Iterator[Listed] | list[Listed]") -> None:
    for item in listed:
        known = texts.setdefault(item.path, item.text)
        if normalised(known) != normalised(item.text):
            raise _unusable(
                f"{item.path} has two transcripts: {known[:60]!r} and {item.text[:60]!r}.", "Delete the wrong one."
            )


def _from_table(table: Path) -> Iterator[Listed]:
    for number, line in enumerate(_text(table).splitlines(), 1):
        if not line.strip():
            continue
        name, tab, text = line.partition("\t")
        if not tab:
            raise _unusable(f"{table}, line {number}: there is no tab.", "Write file, tab, text in each line.")
        if number == 1 and name.strip().lower() in HEADERS:
            continue
        yield Listed(_inside(table, name.strip(), number), " ".join(text.split()))


def _from_librispeech(table: Path) -> Iterator[Listed]:
    for number, line in enumerate(_text(table).splitlines(), 1):
        name, _, text = line.strip().partition(" ")
        if not name:
            continue
        found = next(
            (table.parent / f"{name}{ending}" for ending in ENDINGS if (table.parent / f"{name}{ending}").is_file()),
            None,
        )
        if found is None:
            raise _unusable(
                f"{table}, line {number}: there is no recording {name} beside it.", "Add it, or delete the line."
            )
        yield Listed(found, " ".join(text.split()))


def _inside(table: Path, name: str, number: int) -> Path:
    """Return a file that a table names; one outside of the table's folder is none of the corpus."""
    path = table.parent / name
    if not path.is_file():
        raise _unusable(f"{table}, line {number}: there is no file {name!r}.", "Add it, or delete the line.")
    if not path.resolve().is_relative_to(table.parent.resolve()):
        raise _unusable(f"{table}, line {number}: {name!r} is not inside the folder.", "Copy it there.")
    return path


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_TEXT_BYTES + 1)
        if len(data) > MAX_TEXT_BYTES:
            raise _unusable(f"{path} is too long for a transcript.", _FORMS)
        return data.decode("utf-8-sig")
    except OSError as error:
        raise _unusable(f"{path} cannot be read: {error.strerror}.", "Check who owns it.") from error
    except UnicodeDecodeError as error:
        raise _unusable(f"{path} is not text in UTF-8.", "Save it as UTF-8.") from error


def _unusable(message: str, advice: str) -> VoicebridgeError:
    return VoicebridgeError(message, advice, exit_code=ExitCode.INPUT)
