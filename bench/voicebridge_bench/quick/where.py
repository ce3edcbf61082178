"""Where both sides of a comparison decode: the same device and the same type of numbers, given to each of them."""

import json
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from voicebridge.domain.errors import ExitCode, SpeechError
from voicebridge.settings import WhisperSettings
from voicebridge_bench.components.results import Host

Device: TypeAlias = Literal["auto", "cpu", "cuda"]


@dataclass(frozen=True, slots=True)
class Where:
    """As `whisper.device` and `whisper.compute_type`."""

    device: Device = "auto"
    compute_type: str = "default"

    def settings(self, **more: Any) -> WhisperSettings:
        """Return the settings of an engine here."""
        return WhisperSettings.model_validate({"device": self.device, "compute_type": self.compute_type, **more})

    def overrides(self) -> tuple[str, ...]:
        """Return the same for a daemon, as KEY=VALUE."""
        return (
            f"whisper.device={json.dumps(self.device)}",
            f"whisper.compute_type={json.dumps(self.compute_type)}",
        )

    def used(self, host: Host) -> Literal["cpu", "cuda"]:
        """Return what decodes: `auto` takes a CUDA device where there is one."""
        if self.device == "auto":
            return "cuda" if host.gpus else "cpu"
        return self.device

    def require(self, host: Host) -> None:
        """Raise SpeechError when it is not here."""
        if self.device == "cuda" and not host.gpus:
            raise SpeechError(
                "CTranslate2 sees no CUDA device here.",
                "Leave out --device, or run it on a machine that has one.",
                exit_code=ExitCode.UNAVAILABLE,
            )
