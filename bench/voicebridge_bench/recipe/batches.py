"""From examples to what the network is trained with: log-mel features and tokens, padded to batches."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from voicebridge_bench.recipe.augment import Example, draw
from voicebridge_bench.recipe.synthesis import Clip
from voicebridge_bench.recipe.vocabulary import Vocabulary

FULL_FRAMES = 3000
"""The window of 30 s that Whisper is fed with."""
SHORT_BATCH, FULL_BATCH = 32, 6
POOL = 256
"""Examples drawn at once and sorted by length, so that a batch needs little padding."""
PLAIN_SHARE = 0.6
"""Share of texts without timestamps."""
IGNORED = -100
"""The label that PyTorch's cross entropy leaves out."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Features (batch, mels, frames), tokens and labels (batch, n), and the text tokens for CTC."""

    features: Tensor
    tokens: Tensor
    labels: Tensor
    texts: list[list[int]]


class Batches:
    """Draws batches without end; the same seed draws the same ones."""

    def __init__(self, clips: Sequence[Clip], vocabulary: Vocabulary, seed: int) -> None:
        from faster_whisper.feature_extractor import FeatureExtractor

        self._clips = clips
        self._vocabulary = vocabulary
        self._random = np.random.default_rng(seed)
        self._features = FeatureExtractor()

    def short(self) -> Iterator[Batch]:
        """Yield the batches of one pool, each as long as its longest example."""
        pool = sorted((draw(self._clips, self._random) for _ in range(POOL)), key=lambda example: len(example.audio))
        starts = self._random.permutation(np.arange(0, POOL, SHORT_BATCH))
        for start in starts:
            yield self._batch(pool[start : start + SHORT_BATCH], full=False)

    def full(self) -> Batch:
        """Return one batch of the full window."""
        return self._batch([draw(self._clips, self._random) for _ in range(FULL_BATCH)], full=True)

    def features(self, audio: np.ndarray, full: bool) -> Tensor:
        """Return the features of one clip as a batch of one."""
        mels = self._features(audio)
        return torch.from_numpy(_padded([mels], FULL_FRAMES if full else mels.shape[1] // 2 * 2))

    def _batch(self, examples: list[Example], full: bool) -> Batch:
        mels = [self._features(example.audio) for example in examples]
        longest = max(mel.shape[1] for mel in mels) + int(self._random.choice([0, 0, 0, 40, 120]))
        frames = FULL_FRAMES if full else min(math.ceil(longest / 2) * 2, FULL_FRAMES)
        sequences = [self._sequence(example) for example in examples]
        texts = [self._vocabulary.encode(example.text) if example.text else [] for example in examples]
        tokens, labels = self._tokens(sequences)
        return Batch(torch.from_numpy(_padded(mels, frames)), tokens, labels, texts)

    def _sequence(self, example: Example) -> list[int]:
        vocabulary = self._vocabulary
        start = vocabulary.special("startoftranscript")
        if example.text is None:
            return [start, vocabulary.special("nospeech"), vocabulary.end]
        text = vocabulary.encode(example.text)
        if self._random.random() < PLAIN_SHARE:
            return [start, vocabulary.special("notimestamps"), *text, vocabulary.end]
        first, last = vocabulary.timestamp(example.start_seconds), vocabulary.timestamp(example.end_seconds)
        return [start, first, *text, last, vocabulary.end]

    def _tokens(self, sequences: list[list[int]]) -> tuple[Tensor, Tensor]:
        longest = max(map(len, sequences))
        tokens = torch.full((len(sequences), longest), self._vocabulary.end)
        labels = torch.full((len(sequences), longest), IGNORED)
        for row, sequence in enumerate(sequences):
            tokens[row, : len(sequence)] = torch.tensor(sequence)
            labels[row, : len(sequence) - 1] = torch.tensor(sequence[1:])
        return tokens, labels


def _padded(mels: list[np.ndarray], frames: int) -> np.ndarray:
    batch = np.zeros((len(mels), mels[0].shape[0], frames), np.float32)
    for row, mel in enumerate(mels):
        count = min(mel.shape[1], frames)
        batch[row, :, :count] = mel[:, :count]
    return batch
