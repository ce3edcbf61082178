"""Keep the sound libraries' own chatter off our standard error.

ALSA and JACK print a dozen lines about devices that do not exist whenever PortAudio looks for devices. Both take a
function to call instead. Ours is ``getpid`` of the C library: it ignores its arguments, does nothing and needs no
Python on the sound libraries' threads.
"""

import ctypes

_SETTERS = (
    ("libasound.so.2", "snd_lib_error_set_handler"),
    ("libjack.so.0", "jack_set_error_function"),
    ("libjack.so.0", "jack_set_info_function"),
)


def hush_sound_libraries() -> None:
    """Silence ALSA and JACK for this process; does nothing where they are absent."""
    harmless = ctypes.cast(ctypes.CDLL(None).getpid, ctypes.c_void_p)
    for library, setter in _SETTERS:
        try:
            getattr(ctypes.CDLL(library), setter)(harmless)
        except (OSError, AttributeError):
            continue
