"""Which settings can change while the daemon runs, and which need a restart."""

from collections.abc import Iterable, Mapping
from typing import Any

from voicebridge.settings.schema import Settings

LIVE: Mapping[str, tuple[str, ...]] = {
    "capture": (
        "stall_seconds",
        "first_block_seconds",
        "rate_tolerance",
        "frozen_seconds",
        "teardown_seconds",
        "open_seconds",
        "healthy_seconds",
    ),
    "vad": ("webrtc_aggressiveness", "silero_threshold", "silero_release"),
    "endpoint": (
        "pre_roll_ms",
        "min_speech_ms",
        "hangover_ms",
        "mode",
        "hangover_min_ms",
        "hangover_max_ms",
        "speculate_after_ms",
        "tail_ms",
        "max_utterance_ms",
        "cut_search_ms",
    ),
    "engine": ("max_attempts", "decode_deadline_seconds", "load_retry_seconds"),
    "whisper": (
        "beam_size",
        "language",
        "initial_prompt",
        "hotwords",
        "word_timestamps",
        "window",
        "window_floor_seconds",
        "window_margin_seconds",
        "partial_floor_seconds",
    ),
    "partials": ("mode", "every_ms", "load_share"),
    "gate": (
        "no_speech_prob",
        "no_speech_logprob",
        "no_speech_certain",
        "avg_logprob",
        "compression_ratio",
        "repeated_ngrams",
        "min_speech_ratio",
    ),
    "store": ("retain_audio", "max_bytes", "reserve_mb", "backups_kept"),
    "log": ("level", "transcripts", "burst"),
    "health": (
        "zero_seconds",
        "sign_of_life_seconds",
        "listener_lag_seconds",
        "low_level_dbfs",
        "low_level_seconds",
        "clipping_share",
        "backlog_seconds",
        "disk_free_mb",
        "temperature_celsius",
    ),
}
"""Settings that the running daemon can take over, by section."""

RESTART: Mapping[str, tuple[str, ...]] = {
    "audio": ("device", "rate", "channels", "block_ms", "latency_ms", "ring_seconds", "retry", "retry_max_seconds"),
    "capture": ("rate_window_seconds", "on_move"),
    "vad": ("mode",),
    "engine": ("kind", "required", "verify_model"),
    "whisper": ("model", "models_dir", "device", "compute_type", "threads"),
    "sphinx": ("model_dir",),
    "store": ("state_dir", "backlog_mb", "busy_timeout_ms"),
    "log": ("format", "burst_seconds"),
    "health": (
        "status_seconds",
        "anchor_seconds",
        "interval_seconds",
        "checkpoints_kept_days",
        "checkpoint_file_mb",
        "heap",
    ),
    "control": ("enabled", "group"),
    "http": (
        "enabled",
        "bind",
        "token",
        "token_file",
        "allowed_hosts",
        "max_connections",
        "requests_per_second",
    ),
}
"""Settings that something was built from which cannot be built anew while it hears."""


def keys_of(table: Mapping[str, tuple[str, ...]]) -> frozenset[str]:
    """Return the ``section.name`` of every setting in a table."""
    return frozenset(f"{section}.{name}" for section, names in table.items() for name in names)


LIVE_KEYS = keys_of(LIVE)


def changes(old: Settings, new: Settings) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the settings that differ, in the order of the schema: those that can be applied, those that cannot.

    One that stands in neither table needs a restart: that is never wrong.
    """
    differ = [key for key, value in _values(new).items() if _values(old)[key] != value]
    applied = tuple(key for key in differ if key in LIVE_KEYS)
    return applied, tuple(key for key in differ if key not in LIVE_KEYS)


def merged(old: Settings, new: Settings, keys: Iterable[str]) -> Settings:
    """Return the old settings with the new values of these keys."""
    updates: dict[str, dict[str, Any]] = {}
    for key in keys:
        section, name = key.split(".")
        updates.setdefault(section, {})[name] = getattr(getattr(new, section), name)
    sections = {section: getattr(old, section).model_copy(update=values) for section, values in updates.items()}
    return old.model_copy(update=sections)


def _values(settings: Settings) -> dict[str, Any]:
    return {f"{section}.{name}": value for section, content in settings for name, value in content}
