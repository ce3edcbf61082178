"""The C library's allocator, told to keep the process small for months."""

import ctypes
import os
from collections.abc import Mapping

M_ARENA_MAX = -8
"""mallopt(3), glibc."""


def use_one_arena(environment: Mapping[str, str] = os.environ) -> bool:
    """Have all threads allocate from one arena; before threads are started. False where that is not to be had.

    glibc otherwise gives the threads up to eight arenas for each core, and audio that one thread allocates and another
    frees leaves holes in all of them: over an hour of speech 20 MB more were seen. Decodes cost the same with one.
    Whoever sets MALLOC_ARENA_MAX knows better.
    """
    if "MALLOC_ARENA_MAX" in environment:
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none, and no arenas
    return mallopt is not None and mallopt(M_ARENA_MAX, 1) == 1
