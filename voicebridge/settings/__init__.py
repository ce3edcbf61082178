"""Settings: what can be set (schema), where values come from (layers), where things are (paths)."""

from voicebridge.settings.schema import Settings

__all__ = ["Settings"]
