"""From weights to a CTranslate2 folder that faster-whisper loads; needs no PyTorch.

The weights are arrays by name, as ``network.WhisperNetwork.state_dict()`` gives them; ``random_weights`` gives them for
any size, for timing and for tests of what no small model can do. Random weights say nothing about accuracy.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from voicebridge.domain.errors import SpeechError
from voicebridge.domain.units import SAMPLE_RATE
from voicebridge_bench.recipe.vocabulary import Vocabulary

Array: TypeAlias = npt.NDArray[np.float32]
Weights: TypeAlias = Mapping[str, Array]

AUDIO_POSITIONS = 1500
TEXT_POSITIONS = 448
"""Both as in every Whisper model."""


@dataclass(frozen=True, slots=True)
class Shape:
    """The size of a network; the defaults are those of whisper-commands."""

    width: int = 128
    heads: int = 4
    encoder_layers: int = 4
    decoder_layers: int = 2
    mels: int = 80


SHAPES = {
    "commands": Shape(),
    "tiny": Shape(384, 6, 4, 4),
    "base": Shape(512, 8, 6, 6),
    "small": Shape(768, 12, 12, 12),
}
"""whisper-commands, and the real models' sizes (openai/whisper, model dimensions)."""


def weight_shapes(shape: Shape, vocabulary_size: int) -> dict[str, tuple[int, ...]]:
    """Return the name and the dimensions of every weight that is exported."""
    width = shape.width
    shapes: dict[str, tuple[int, ...]] = {
        "conv1.weight": (width, shape.mels, 3),
        "conv1.bias": (width,),
        "conv2.weight": (width, width, 3),
        "conv2.bias": (width,),
        "audio_positions": (AUDIO_POSITIONS, width),
        "embedding.weight": (vocabulary_size, width),
        "text_positions": (TEXT_POSITIONS, width),
        **_norm_shapes("encoder_norm", width),
        **_norm_shapes("decoder_norm", width),
    }
    for layer in range(shape.encoder_layers):
        shapes |= _block_shapes(f"encoder.{layer}", width, ("attention",))
    for layer in range(shape.decoder_layers):
        shapes |= _block_shapes(f"decoder.{layer}", width, ("attention", "cross_attention"))
    return shapes


def _norm_shapes(name: str, width: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (width,), f"{name}.bias": (width,)}


def _block_shapes(name: str, width: int, attentions: tuple[str, ...]) -> dict[str, tuple[int, ...]]:
    shapes = _norm_shapes(f"{name}.feed_norm", width)
    for part, out, into in (("feed_in", 4 * width, width), ("feed_out", width, 4 * width)):
        shapes |= {f"{name}.{part}.weight": (out, into), f"{name}.{part}.bias": (out,)}
    for attention in attentions:
        shapes |= _norm_shapes(f"{name}.{attention}_norm", width)
        for part in ("query", "key", "value", "out"):
            shapes[f"{name}.{attention}.{part}.weight"] = (width, width)
            if part != "key":  # Whisper's keys have no bias
                shapes[f"{name}.{attention}.{part}.bias"] = (width,)
    return shapes


def sinusoids(positions: int, width: int) -> Array:
    """Return the encoder's fixed positions, shape (positions, width), as in openai/whisper (model.py)."""
    scales = np.exp(-np.log(10_000) / (width // 2 - 1) * np.arange(width // 2))
    angles = np.arange(positions)[:, None] * scales[None]
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=1).astype(np.float32)


def random_weights(shape: Shape, vocabulary_size: int, seed: int = 0) -> Weights:
    """Return weights drawn at random: good for timing only."""
    random = np.random.default_rng(seed)
    return {
        name: sinusoids(*dimensions)
        if name == "audio_positions"
        else random.normal(0, 0.05, dimensions).astype(np.float32)
        for name, dimensions in weight_shapes(shape, vocabulary_size).items()
    }


def export(weights: Weights, shape: Shape, vocabulary: Vocabulary, folder: Path, quantization: str = "int8") -> None:
    """Write config.json, model.bin, vocabulary.json, tokenizer.json and preprocessor_config.json into a folder.

    Raises SpeechError when a weight is missing or of another shape.
    """
    from ctranslate2.specs import WhisperSpec

    _check(weights, shape, vocabulary.size)
    spec = WhisperSpec(shape.encoder_layers, shape.heads, shape.decoder_layers, shape.heads)
    _fill_encoder(spec.encoder, weights)
    _fill_decoder(spec.decoder, weights)
    spec.register_vocabulary(vocabulary.tokens())
    spec.config.suppress_ids = []
    spec.config.suppress_ids_begin = []
    spec.config.lang_ids = [number for number, token in enumerate(vocabulary.tokens()) if _is_language(token)]
    later_half = range(shape.decoder_layers // 2, shape.decoder_layers)
    spec.config.alignment_heads = [(layer, head) for layer in later_half for head in range(shape.heads)]
    folder.mkdir(parents=True, exist_ok=True)
    spec.validate()
    spec.optimize(quantization=quantization)
    spec.save(str(folder))
    vocabulary.tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "preprocessor_config.json").write_text(json.dumps(_features(shape)) + "\n", encoding="utf-8")


def _features(shape: Shape) -> dict[str, int]:
    sizes = {"hop_length": 160, "chunk_length": 30, "n_fft": 400}
    return {"feature_size": shape.mels, "sampling_rate": SAMPLE_RATE, **sizes}


def _is_language(token: str) -> bool:
    name = token.removeprefix("<|").removesuffix("|>")
    return len(token) == len(name) + 4 and len(name) in {2, 3} and name.isalpha()


def _check(weights: Weights, shape: Shape, vocabulary_size: int) -> None:
    for name, dimensions in weight_shapes(shape, vocabulary_size).items():
        found = weights[name].shape if name in weights else None
        if found != dimensions:
            raise SpeechError(f"The weight {name} should have the shape {dimensions}, not {found}.")


def _fill_encoder(spec: Any, weights: Weights) -> None:
    _linear(spec.conv1, weights, "conv1")
    _linear(spec.conv2, weights, "conv2")
    spec.position_encodings.encodings = weights["audio_positions"]
    _norm(spec.layer_norm, weights, "encoder_norm")
    for number, layer in enumerate(spec.layer):
        _self_attention(layer.self_attention, weights, f"encoder.{number}.attention")
        _feed_forward(layer.ffn, weights, f"encoder.{number}")


def _fill_decoder(spec: Any, weights: Weights) -> None:
    spec.embeddings.weight = weights["embedding.weight"]
    spec.position_encodings.encodings = weights["text_positions"]
    spec.scale_embeddings = False
    _norm(spec.layer_norm, weights, "decoder_norm")
    for number, layer in enumerate(spec.layer):
        _self_attention(layer.self_attention, weights, f"decoder.{number}.attention")
        _cross_attention(layer.attention, weights, f"decoder.{number}.cross_attention")
        _feed_forward(layer.ffn, weights, f"decoder.{number}")
    spec.projection.weight = weights["embedding.weight"].copy()


def _linear(spec: Any, weights: Weights, name: str) -> None:
    spec.weight, spec.bias = weights[f"{name}.weight"], weights[f"{name}.bias"]


def _norm(spec: Any, weights: Weights, name: str) -> None:
    spec.gamma, spec.beta = weights[f"{name}.weight"], weights[f"{name}.bias"]


def _feed_forward(spec: Any, weights: Weights, name: str) -> None:
    _norm(spec.layer_norm, weights, f"{name}.feed_norm")
    _linear(spec.linear_0, weights, f"{name}.feed_in")
    _linear(spec.linear_1, weights, f"{name}.feed_out")


def _self_attention(spec: Any, weights: Weights, name: str) -> None:
    _norm(spec.layer_norm, weights, f"{name}_norm")
    _fused(spec.linear[0], weights, name, ("query", "key", "value"))
    _linear(spec.linear[1], weights, f"{name}.out")


def _cross_attention(spec: Any, weights: Weights, name: str) -> None:
    _norm(spec.layer_norm, weights, f"{name}_norm")
    _linear(spec.linear[0], weights, f"{name}.query")
    _fused(spec.linear[1], weights, name, ("key", "value"))
    _linear(spec.linear[2], weights, f"{name}.out")


def _fused(spec: Any, weights: Weights, name: str, parts: tuple[str, ...]) -> None:
    """CTranslate2 keeps these projections as one matrix."""
    no_bias = np.zeros_like(weights[f"{name}.value.bias"])
    spec.weight = np.concatenate([weights[f"{name}.{part}.weight"] for part in parts])
    spec.bias = np.concatenate([weights.get(f"{name}.{part}.bias", no_bias) for part in parts])
