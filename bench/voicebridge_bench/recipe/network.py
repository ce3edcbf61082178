"""Whisper's architecture in PyTorch, small enough to train on a processor. Import it only where PyTorch is installed.

The names of the parameters are those that ``export.weight_shapes`` lists; ``connectionist`` (CTC on the encoder, which
helps the cross-attention to align early) is for training only and is not exported.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from voicebridge_bench.recipe.export import AUDIO_POSITIONS, TEXT_POSITIONS, Shape, Weights, sinusoids

DROPOUT = 0.05


class Attention(nn.Module):  # type: ignore[misc]  # the project does not install PyTorch
    """Multi-head attention; keys have no bias, as in Whisper."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.heads = shape.heads
        self.query = nn.Linear(shape.width, shape.width)
        self.key = nn.Linear(shape.width, shape.width, bias=False)
        self.value = nn.Linear(shape.width, shape.width)
        self.out = nn.Linear(shape.width, shape.width)

    def forward(self, inputs: Tensor, source: Tensor, causal: bool) -> Tensor:
        """Attend from inputs, shape (batch, n, width), to a source, shape (batch, m, width)."""
        attended = functional.scaled_dot_product_attention(
            self._split(self.query(inputs)),
            self._split(self.key(source)),
            self._split(self.value(source)),
            is_causal=causal,
        )
        merged: Tensor = self.out(attended.transpose(1, 2).reshape(inputs.shape))
        return merged

    def _split(self, states: Tensor) -> Tensor:
        batch, length, width = states.shape
        return states.view(batch, length, self.heads, width // self.heads).transpose(1, 2)


class EncoderBlock(nn.Module):  # type: ignore[misc]  # the project does not install PyTorch
    """Self-attention, then two layers of feeding forward."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(shape.width)
        self.attention = Attention(shape)
        self.feed_norm = nn.LayerNorm(shape.width)
        self.feed_in = nn.Linear(shape.width, 4 * shape.width)
        self.feed_out = nn.Linear(4 * shape.width, shape.width)
        self.dropout = nn.Dropout(DROPOUT)

    def forward(self, states: Tensor) -> Tensor:
        """Return states of the same shape (batch, n, width)."""
        return self._feed(self._attend(states, causal=False))

    def _attend(self, states: Tensor, causal: bool) -> Tensor:
        normed = self.attention_norm(states)
        attended: Tensor = self.dropout(self.attention(normed, normed, causal))
        return states + attended

    def _feed(self, states: Tensor) -> Tensor:
        fed: Tensor = self.dropout(self.feed_out(functional.gelu(self.feed_in(self.feed_norm(states)))))
        return states + fed


class DecoderBlock(EncoderBlock):
    """A block that looks at earlier text only, and at the encoder's output."""

    def __init__(self, shape: Shape) -> None:
        super().__init__(shape)
        self.cross_attention_norm = nn.LayerNorm(shape.width)
        self.cross_attention = Attention(shape)

    def look(self, states: Tensor, encoded: Tensor) -> Tensor:
        """Return states of the same shape (batch, n, width)."""
        states = self._attend(states, causal=True)
        normed = self.cross_attention_norm(states)
        return self._feed(states + self.dropout(self.cross_attention(normed, encoded, causal=False)))


class WhisperNetwork(nn.Module):  # type: ignore[misc]  # the project does not install PyTorch
    """Encoder and decoder; log-mel features of any even length up to 3000 frames, text up to 448 tokens."""

    audio_positions: Tensor

    def __init__(self, shape: Shape, vocabulary_size: int, text_tokens: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(shape.mels, shape.width, 3, padding=1)
        self.conv2 = nn.Conv1d(shape.width, shape.width, 3, stride=2, padding=1)
        self.register_buffer("audio_positions", torch.from_numpy(sinusoids(AUDIO_POSITIONS, shape.width)))
        self.encoder = nn.ModuleList(EncoderBlock(shape) for _ in range(shape.encoder_layers))
        self.encoder_norm = nn.LayerNorm(shape.width)
        self.embedding = nn.Embedding(vocabulary_size, shape.width)
        self.text_positions = nn.Parameter(torch.randn(TEXT_POSITIONS, shape.width) * 0.01)
        self.decoder = nn.ModuleList(DecoderBlock(shape) for _ in range(shape.decoder_layers))
        self.decoder_norm = nn.LayerNorm(shape.width)
        self.connectionist = nn.Linear(shape.width, text_tokens + 1)
        nn.init.normal_(self.embedding.weight, std=0.02)

    def encode(self, features: Tensor) -> Tensor:
        """Return (batch, frames / 2, width) for features of shape (batch, mels, frames)."""
        states = functional.gelu(self.conv2(functional.gelu(self.conv1(features)))).transpose(1, 2)
        states = states + self.audio_positions[: states.shape[1]]
        for block in self.encoder:
            states = block(states)
        encoded: Tensor = self.encoder_norm(states)
        return encoded

    def decode(self, tokens: Tensor, encoded: Tensor) -> Tensor:
        """Return logits, shape (batch, n, vocabulary), for tokens of shape (batch, n)."""
        states = self.embedding(tokens) + self.text_positions[: tokens.shape[1]]
        for block in self.decoder:
            assert isinstance(block, DecoderBlock)
            states = block.look(states, encoded)
        logits: Tensor = self.decoder_norm(states) @ self.embedding.weight.T
        return logits

    def weights(self) -> Weights:
        """Return all weights as arrays by name, for the export."""
        return {name: tensor.detach().cpu().float().numpy() for name, tensor in self.state_dict().items()}
