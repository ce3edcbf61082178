"""Which settings change without a restart."""

from voicebridge.settings import EndpointSettings, Settings, VadSettings
from voicebridge.settings.describe import described
from voicebridge.settings.live import LIVE, RESTART, changes, keys_of, merged


def test_every_setting_is_in_exactly_one_of_the_two() -> None:
    live, restart = keys_of(LIVE), keys_of(RESTART)
    assert live | restart == set(described())
    assert not live & restart


def test_what_differs_is_named_in_the_order_of_the_schema() -> None:
    new = Settings(vad=VadSettings(mode="webrtc", silero_threshold=0.6), endpoint=EndpointSettings(hangover_ms=900))
    assert changes(Settings(), new) == (("vad.silero_threshold", "endpoint.hangover_ms"), ("vad.mode",))


def test_equal_settings_change_nothing() -> None:
    assert changes(Settings(), Settings()) == ((), ())


def test_what_cannot_be_applied_stays_as_it_was() -> None:
    new = Settings(vad=VadSettings(mode="webrtc", silero_threshold=0.6))
    in_force = merged(Settings(), new, ["vad.silero_threshold"])
    assert (in_force.vad.mode, in_force.vad.silero_threshold) == ("cascade", 0.6)
    assert merged(Settings(), new, []) == Settings()
