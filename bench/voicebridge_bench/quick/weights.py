"""Whisper models of the real sizes whose weights are random: good for times, and for nothing else.

A CTranslate2 model with random weights does the same arithmetic in the same time as a trained one. Its text means
nothing, and looks so: the model is called ``random-base.en``, its words are letters drawn by lot, and a note lies
beside it. Nothing is downloaded for it.
"""

import shutil
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np

from voicebridge.domain.errors import VoicebridgeError
from voicebridge.speech.models import installing, verify
from voicebridge_bench.recipe.export import SHAPES, export, random_weights, weight_shapes
from voicebridge_bench.recipe.vocabulary import Vocabulary, special_tokens

Size: TypeAlias = Literal["tiny", "base", "small"]
SIZES: tuple[Size, ...] = ("tiny", "base", "small")
PREFIX = "random-"
"""Of the name of every such model: it stands wherever the model is named."""
ENGLISH_TOKENS, MULTILINGUAL_TOKENS = 51_864, 51_865
"""Tokens of the real vocabularies (openai/whisper, model dimensions)."""
LANGUAGES = 99
NOTE = "The weights of this model are random. What it writes means nothing; it is for measuring times only.\n"
NOTE_FILE = "MEANINGLESS.txt"
_SHORTEST, _LONGEST = 3, 8
_SEED = 6


def random_model(cache: Path, size: Size, *, multilingual: bool = False) -> Path:
    """Return the folder of such a model, int8; made now if it is not there, or not whole.

    ``cache`` holds each of the sizes at most once (120 to 250 MB for small); what else has our prefix goes. Raises
    VoicebridgeError when it cannot be written.
    """
    name = model_name(size, multilingual=multilingual)
    folder = cache / name
    _tidy(cache)
    if folder.is_dir():
        if not verify(folder) and (folder / NOTE_FILE).is_file():
            return folder
        shutil.rmtree(folder, ignore_errors=True)
    vocabulary = meaningless_vocabulary(multilingual=multilingual)
    shape = SHAPES[size]
    parameters = sum(int(np.prod(one)) for one in weight_shapes(shape, vocabulary.size).values())
    with installing(name, cache, 2 * parameters) as partial:
        export(random_weights(shape, vocabulary.size, _SEED), shape, vocabulary, partial)
        (partial / NOTE_FILE).write_text(NOTE, encoding="utf-8")
    return folder


def model_name(size: Size, *, multilingual: bool = False) -> str:
    """Return what a model is called."""
    return f"{PREFIX}{size}" + ("" if multilingual else ".en")


def is_meaningless(model: str) -> bool:
    """Say whether a model's name says that its text means nothing."""
    return model.startswith(PREFIX)


def meaningless_vocabulary(*, multilingual: bool = False) -> Vocabulary:
    """Return a vocabulary of the real size: single bytes, then words of letters drawn by lot.

    They are drawn so that a text of them can be compressed no better than a real one.
    """
    from tokenizers import Tokenizer, decoders, models
    from tokenizers.pre_tokenizers import ByteLevel

    specials = special_tokens(_languages())
    # CTranslate2 tells a multilingual vocabulary by its empty token.
    words = [*sorted(ByteLevel.alphabet()), *([""] if multilingual else [])]
    size = MULTILINGUAL_TOKENS if multilingual else ENGLISH_TOKENS
    words += _drawn(size - len(specials) - len(words))
    tokenizer = Tokenizer(models.BPE({word: number for number, word in enumerate(words)}, []))
    tokenizer.pre_tokenizer = ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(specials)
    return Vocabulary(tokenizer)


def _languages() -> list[str]:
    from faster_whisper.tokenizer import _LANGUAGE_CODES

    return [code for code in _LANGUAGE_CODES if code != "yue"][:LANGUAGES]


def _drawn(count: int) -> list[str]:
    """Return so many different words, each with the sign of byte-level BPE for a space before it."""
    random = np.random.default_rng(_SEED)
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    found: dict[str, None] = {}
    while len(found) < count:
        found["Ġ" + "".join(random.choice(letters, random.integers(_SHORTEST, _LONGEST)))] = None
    return list(found)


def _tidy(cache: Path) -> None:
    """Delete what has our prefix and is none of the models that are made now."""
    known = {model_name(size, multilingual=multilingual) for size in SIZES for multilingual in (False, True)}
    try:
        found = [path for path in cache.glob(f"{PREFIX}*") if path.name not in known]
    except OSError as error:
        raise VoicebridgeError(f"{cache} cannot be read: {error.strerror}.", "Name another with --scratch.") from error
    for path in found:
        shutil.rmtree(path, ignore_errors=True)
