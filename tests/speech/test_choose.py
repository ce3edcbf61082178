import subprocess
import sys
from pathlib import Path

import pytest

from voicebridge.domain.errors import ExitCode, SpeechError
from voicebridge.settings import Settings
from voicebridge.speech.choose import Choice, choose_engine
from voicebridge.speech.models import add_folder
from voicebridge_bench.models import WHISPER_COMMANDS


def _choose(models_dir: Path, kind: str, model: str = "base.en") -> Choice:
    return choose_engine(Settings.model_validate({"engine": {"kind": kind}, "whisper": {"model": model}}), models_dir)


def test_auto_takes_whisper_when_its_model_is_on_disk(model_folder: Path, models_dir: Path) -> None:
    add_folder(model_folder, models_dir, "base.en")
    choice = _choose(models_dir, "auto")
    assert (choice.engine.info.engine, choice.engine.info.model) == ("whisper", "base.en")
    assert choice.reason == "engine whisper, because its model base.en is on disk"


def test_auto_takes_sphinx_without_a_model_and_says_how_to_get_one(models_dir: Path) -> None:
    choice = _choose(models_dir, "auto")
    assert choice.engine.info.engine == "sphinx"
    assert "base.en is not on disk" in choice.reason
    assert "voicebridge models pull base.en" in choice.reason
    assert "\n" not in choice.reason


def test_auto_takes_sphinx_when_the_model_is_damaged_and_says_so(model_folder: Path, models_dir: Path) -> None:
    (add_folder(model_folder, models_dir, "base.en") / "tokenizer.json").unlink()
    choice = _choose(models_dir, "auto")
    assert choice.engine.info.engine == "sphinx"
    assert "missing tokenizer.json" in choice.reason


def test_whisper_without_its_model_is_refused_with_the_way_to_get_it(models_dir: Path) -> None:
    with pytest.raises(SpeechError, match=r"base\.en is not on disk\. `voicebridge models pull base\.en`") as caught:
        _choose(models_dir, "whisper")
    assert caught.value.code == ExitCode.UNAVAILABLE


def test_an_unknown_model_is_refused_without_a_pull_that_cannot_work(models_dir: Path) -> None:
    with pytest.raises(SpeechError, match="gigantic is not on disk") as caught:
        _choose(models_dir, "whisper", "gigantic")
    assert "pull gigantic" not in str(caught.value)


def test_whisper_with_a_damaged_model_is_refused(model_folder: Path, models_dir: Path) -> None:
    (model_folder / "model.bin").unlink()
    with pytest.raises(SpeechError, match=r"missing model\.bin"):
        _choose(models_dir, "whisper", str(model_folder))


@pytest.mark.parametrize("kind", ["auto", "whisper"])
def test_a_folder_is_used_as_it_is(models_dir: Path, kind: str) -> None:
    choice = _choose(models_dir, kind, str(WHISPER_COMMANDS))
    assert (choice.engine.info.engine, choice.engine.info.model) == ("whisper", "whisper-commands")


def test_sphinx_is_taken_when_asked_for(models_dir: Path) -> None:
    choice = _choose(models_dir, "sphinx", str(WHISPER_COMMANDS))
    assert (choice.engine.info.engine, choice.reason) == ("sphinx", "engine sphinx, as engine.kind says")


def test_choosing_imports_nothing_heavy() -> None:
    program = f"""
import sys
from pathlib import Path
from voicebridge.settings import Settings
from voicebridge.speech.choose import choose_engine
choose_engine(Settings.model_validate({{"whisper": {{"model": {str(WHISPER_COMMANDS)!r}}}}}), Path("/nowhere"))
heavy = {{"faster_whisper", "ctranslate2", "pocketsphinx", "huggingface_hub", "tokenizers", "av", "onnxruntime"}}
sys.exit(f"imported {{heavy & set(sys.modules)}}" if heavy & set(sys.modules) else 0)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
