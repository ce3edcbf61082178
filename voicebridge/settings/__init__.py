"""Settings: what can be set (schema), where values come from (layers), where things are (paths)."""

from voicebridge.settings.schema import (
    AudioSettings,
    EndpointSettings,
    EngineSettings,
    GateSettings,
    HealthSettings,
    LogSettings,
    PartialsSettings,
    Settings,
    SphinxSettings,
    StoreSettings,
    VadSettings,
    WhisperSettings,
)

__all__ = [
    "AudioSettings",
    "EndpointSettings",
    "EngineSettings",
    "GateSettings",
    "HealthSettings",
    "LogSettings",
    "PartialsSettings",
    "Settings",
    "SphinxSettings",
    "StoreSettings",
    "VadSettings",
    "WhisperSettings",
]
