"""Whisper models of the real sizes whose weights are random: good for times, and for nothing else.

A CTranslate2 model with random weights does the same arithmetic in the same time as a trained one. Its text means
nothing, and looks so: the model is called ``random-base.en``, its words are letters drawn by lot, and a note lies
beside it. Nothing is downloaded for it.
"""

import os
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

    ``cache`` holds each of the sizes at most once (120 to 250 MB for small). Nothing is deleted in it but such a model
    that is not whole, told by its note. Raises VoicebridgeError when it cannot be written, or when something else has
    the model's name.
    """
    name = model_name(size, multilingual=multilingual)
    folder = cache / name
    if os.path.lexists(folder):
        if not _is_ours(folder):
            raise VoicebridgeError(
                f"{folder} is there already, and is no model that this command has made: it is left alone.",
                "Name another folder with --scratch, or move it away.",
            )
        if not verify(folder):
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


def _is_ours(folder: Path) -> bool:
    """Say whether we have made it: our note lies in it, word for word."""
    if folder.is_symlink():
        return False
    try:
        return (folder / NOTE_FILE).read_text(encoding="utf-8") == NOTE
    except (OSError, ValueError):
        return False
