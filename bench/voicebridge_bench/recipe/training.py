"""Training by the clock, on a processor. Import it only where PyTorch is installed.

Two courses made whisper-commands: the first mostly with short inputs, the second going on from it with more of the full
window. ``full_share`` is what changes between them.
"""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.utils import clip_grad_norm_

from voicebridge_bench.recipe.batches import IGNORED, Batch, Batches
from voicebridge_bench.recipe.export import Shape
from voicebridge_bench.recipe.network import WhisperNetwork
from voicebridge_bench.recipe.synthesis import Clip
from voicebridge_bench.recipe.vocabulary import Vocabulary

PEAK_RATE = 1.5e-3
LEAST_SHARE = 0.02
"""Of the peak learning rate, at the end."""
WARM_UP_STEPS = 400
CONNECTIONIST_WEIGHT = 0.3
LABEL_SMOOTHING = 0.05
MAX_GRADIENT = 1.0
LONGEST_TEXT = 40
REPORT_STEPS = 100


@dataclass(frozen=True, slots=True)
class Course:
    """How long to train, and the share of batches with the full window of 30 s."""

    minutes: float
    full_share: float = 0.15
    seed: int = 0


class Trainer:
    """A network, its vocabulary and its clips."""

    def __init__(self, clips: Sequence[Clip], vocabulary: Vocabulary, shape: Shape, seed: int = 0) -> None:
        torch.manual_seed(seed)
        self.network = WhisperNetwork(shape, vocabulary.size, vocabulary.end)
        self._vocabulary = vocabulary
        self._batches = Batches(clips, vocabulary, seed)

    def go_on_from(self, path: Path) -> None:
        """Take the weights of an earlier training."""
        self.network.load_state_dict(torch.load(path, weights_only=True))

    def save(self, path: Path) -> None:
        """Keep the weights for a later training."""
        torch.save(self.network.state_dict(), path)

    def train(self, course: Course, report: Callable[[str], None]) -> int:
        """Train until the time is up; return the number of steps."""
        optimiser = torch.optim.AdamW(self.network.parameters(), lr=PEAK_RATE, betas=(0.9, 0.98), weight_decay=0.01)
        began, step = time.monotonic(), 0
        self.network.train()
        for batch in self._draw(course.full_share):
            elapsed = (time.monotonic() - began) / (60 * course.minutes)
            if elapsed >= 1:
                break
            for group in optimiser.param_groups:
                group["lr"] = learning_rate(step, elapsed)
            loss = self._loss(batch)
            loss.backward()
            clip_grad_norm_(self.network.parameters(), MAX_GRADIENT)
            optimiser.step()
            optimiser.zero_grad()
            step += 1
            if step % REPORT_STEPS == 0:
                report(f"step {step}, {elapsed:.0%} of the time, loss {loss.item():.3f}")
        return step

    def errors(self, clips: Sequence[Clip], full: bool) -> float:
        """Return the word error rate over clips, decoded greedily."""
        from voicebridge_bench.accuracy import Spoken, compare

        self.network.eval()
        with torch.inference_mode():
            pairs = [(clip, self._greedy(clip, full)) for clip in clips]
        results = [compare(Spoken("", clip.voice, clip.text, clip.samples), heard) for clip, heard in pairs]
        return sum(result.errors for result in results) / sum(result.words for result in results)

    def _draw(self, full_share: float) -> Iterator[Batch]:
        chooser = torch.Generator().manual_seed(1)
        while True:
            for batch in self._batches.short():
                yield batch
                while torch.rand(1, generator=chooser).item() < full_share:
                    yield self._batches.full()

    def _loss(self, batch: Batch) -> Tensor:
        encoded = self.network.encode(batch.features)
        logits = self.network.decode(batch.tokens, encoded)
        spoken = functional.cross_entropy(
            logits.flatten(0, 1), batch.labels.flatten(), ignore_index=IGNORED, label_smoothing=LABEL_SMOOTHING
        )
        log_probabilities = self.network.connectionist(encoded).log_softmax(-1).transpose(0, 1)
        aligned = functional.ctc_loss(
            log_probabilities,
            torch.tensor([token for text in batch.texts for token in text], dtype=torch.long),
            torch.full((len(batch.texts),), encoded.shape[1]),
            torch.tensor([len(text) for text in batch.texts]),
            blank=self._vocabulary.end,
            zero_infinity=True,
        )
        return spoken + CONNECTIONIST_WEIGHT * aligned

    def _greedy(self, clip: Clip, full: bool) -> str:
        features = self._batches.features(clip.samples.astype("float32") / 32768, full)
        encoded = self.network.encode(features)
        prompt = [self._vocabulary.special("startoftranscript"), self._vocabulary.special("notimestamps")]
        tokens = list(prompt)
        while len(tokens) < LONGEST_TEXT:
            best = int(self.network.decode(torch.tensor([tokens]), encoded)[0, -1].argmax())
            if best == self._vocabulary.end:
                break
            tokens.append(best)
        return self._vocabulary.decode(tokens[len(prompt) :])


def learning_rate(step: int, elapsed: float) -> float:
    """Return the learning rate: a linear warm-up in steps, then half a cosine over the time (0 to 1)."""
    return PEAK_RATE * min(1, (step + 1) / WARM_UP_STEPS) * max(LEAST_SHARE, 0.5 * (1 + math.cos(math.pi * elapsed)))
