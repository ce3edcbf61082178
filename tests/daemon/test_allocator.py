import subprocess
import sys

from voicebridge.daemon.allocator import use_one_arena

THREADS = """
import ctypes, re, threading
from voicebridge.daemon.allocator import use_one_arena
print(use_one_arena())
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
together = threading.Barrier(6)
def allocate():
    together.wait()
    for _ in range(2000):
        libc.malloc(5000)
threads = [threading.Thread(target=allocate) for _ in range(6)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
libc.fopen.restype = ctypes.c_void_p
libc.malloc_info.argtypes = [ctypes.c_int, ctypes.c_void_p]
libc.fclose.argtypes = [ctypes.c_void_p]
stream = libc.fopen(b"/dev/stderr", b"w")
libc.malloc_info(0, stream)
libc.fclose(stream)
"""


def arenas(**environment: str) -> tuple[str, int]:
    done = subprocess.run([sys.executable, "-c", THREADS], capture_output=True, text=True, env=environment, check=True)
    return done.stdout.strip(), done.stderr.count("<heap nr=")


def test_all_threads_allocate_from_one_arena() -> None:
    assert arenas() == ("True", 1)


def test_who_sets_the_number_of_arenas_knows_better() -> None:
    said, count = arenas(MALLOC_ARENA_MAX="4")
    assert said == "False"
    assert count > 1


def test_it_can_be_asked_for_where_it_is_set() -> None:
    assert not use_one_arena({"MALLOC_ARENA_MAX": "2"})
