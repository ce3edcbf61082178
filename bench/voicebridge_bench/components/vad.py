"""Suite vad: each detector and the segmenter per frame, and the whole hot loop per second of audio."""

import itertools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from functools import partial

from voicebridge.audio.ring import Ring
from voicebridge.domain.audio import Frame, Gap, Samples
from voicebridge.domain.errors import SpeechError, VoicebridgeError
from voicebridge.domain.ports import Detector, FrameReader
from voicebridge.domain.units import FRAME_SAMPLES, FRAMES_PER_SECOND
from voicebridge.pipeline.events import EventStream
from voicebridge.pipeline.listener import Ears, Listener, ListenerHooks
from voicebridge.pipeline.recorder import Recorder, Shelf
from voicebridge.pipeline.session_clock import SessionClock
from voicebridge.pipeline.store_writer import StoreWriter
from voicebridge.settings import EndpointSettings, VadSettings
from voicebridge.store.sessions import SqliteSessionLog
from voicebridge.vad.factory import build_detector
from voicebridge.vad.segmenter import Segmenter
from voicebridge_bench.components import sounds
from voicebridge_bench.components.figure import Context, Figure, LeftOut, Parameters, Pool, Ready, Suite, timed
from voicebridge_bench.components.scratch_state import scratch_state

MODES = ("webrtc", "silero", "cascade")
SOUND_SECONDS = 20.0
SOUNDS = ("silence", "speech", "noise")
SHARE = 10.0
JOIN_SECONDS = 120.0
BACKLOG_BYTES = 64_000_000


@contextmanager
def _opened(context: Context) -> Iterator[Ready]:
    heard: dict[str, Samples] = {"silence": sounds.silence(SOUND_SECONDS), "noise": sounds.noise(SOUND_SECONDS)}
    left_out: list[LeftOut] = []
    facts: Parameters = {}
    try:
        heard["speech"], material = sounds.speech(SOUND_SECONDS)
        facts = {"speech": material}
    except SpeechError as missing:
        left_out.append(LeftOut("everything on speech", str(missing)))
    material = str(facts.get("speech", ""))
    with _hot_loops(context, heard, material) as loops:
        yield Ready([*_detectors(context, heard, material), *_segmenter(context), *loops], left_out, facts)


def _detectors(context: Context, heard: Mapping[str, Samples], material: str) -> Iterator[Figure]:
    for mode, sound in itertools.product(MODES, (name for name in SOUNDS if name in heard)):
        detector = build_detector(VadSettings.model_validate({"mode": mode}))
        feed = _Feed(detector, heard[sound])
        yield Figure(
            f"vad.{mode}.{sound}",
            f"{mode} on a frame of {sound}",
            "µs",
            timed(context.watch, feed.judge, feed.next),
            SHARE,
            warm_up=FRAMES_PER_SECOND,
            parameters=_of(sound, material),
        )


class _Feed:
    """Gives a detector one frame after the other, in order, round and round."""

    def __init__(self, detector: Detector, audio: Samples) -> None:
        self._detector = detector
        frames = audio[: len(audio) // FRAME_SAMPLES * FRAME_SAMPLES].reshape(-1, FRAME_SAMPLES)
        self._frames = itertools.cycle([frame.copy() for frame in frames])
        self._frame = next(self._frames)

    def next(self) -> None:
        """Lay the next frame ready."""
        self._frame = next(self._frames)

    def judge(self) -> None:
        """Have the detector judge it."""
        self._detector.is_speech(self._frame)


def _segmenter(context: Context) -> Iterator[Figure]:
    # Two seconds of speech, one of silence: utterances begin, pause and end as in a conversation.
    talk = [frame % (3 * FRAMES_PER_SECOND) < 2 * FRAMES_PER_SECOND for frame in range(3 * FRAMES_PER_SECOND)]
    for name, title, says in (
        ("vad.segmenter.silence", "Segmenter on a frame without speech", [False]),
        ("vad.segmenter.talk", "Segmenter on a frame of talk", talk),
    ):
        yield Figure(
            name,
            title,
            "µs",
            timed(context.watch, _segmenting(Segmenter(EndpointSettings()), says), per=FRAMES_PER_SECOND),
            warm_up=5,
            parameters={"frames_per_sample": FRAMES_PER_SECOND},
        )


def _segmenting(segmenter: Segmenter, says: Sequence[bool]) -> Callable[[], None]:
    words = itertools.cycle(says)
    starts = itertools.count(0, FRAME_SAMPLES)

    def second() -> None:
        for _ in range(FRAMES_PER_SECOND):
            segmenter.push(next(starts), FRAME_SAMPLES, next(words), 100.0)

    return second


@contextmanager
def _hot_loops(context: Context, heard: Mapping[str, Samples], material: str) -> Iterator[list[Figure]]:
    with scratch_state(context.scratch / "hot-loop") as state:
        shelf = Shelf(state.spool, state.store, SqliteSessionLog(state.db, state.session_id))
        yield [_hot_loop(sound, heard[sound], shelf, material) for sound in SOUNDS if sound in heard]


def _hot_loop(sound: str, audio: Samples, shelf: Shelf, material: str) -> Figure:
    pool = Pool(partial(_listen, audio, shelf))
    return Figure(
        f"vad.hot_loop.{sound}",
        f"Whole hot loop on a second of {sound}",
        "ms",
        pool,
        warm_up=0,
        parameters=_of(sound, material) | {"vad_mode": VadSettings().mode},
        begin=pool.clear,
    )


def _listen(audio: Samples, shelf: Shelf) -> list[float]:
    """Let a real listener hear audio as fast as it can; return seconds of work for each second of it.

    What it hands to the store writer is queued and never written: that is another thread's work.
    """
    ring = Ring(len(audio) + FRAME_SAMPLES)
    events = EventStream()
    writer = StoreWriter(events, BACKLOG_BYTES)
    recorder = Recorder(ring, writer, shelf, events, lambda _: None)
    ring.write(audio)
    ring.close()
    with closing(ring.reader(start=0)) as frames:
        reader = _Stamping(frames)
        ears = Ears(reader, build_detector(VadSettings()), Segmenter(EndpointSettings()))
        hooks = ListenerHooks(on_anchor=lambda _: None)
        listener = Listener(1, ears, recorder, SessionClock(ring, paced=True, anchor_seconds=60.0), events, hooks)
        listener.start()
        done = listener.join(JOIN_SECONDS)
    if not done or listener.failure is not None:
        raise VoicebridgeError(f"The listener did not come to its end: {listener.failure or 'it hangs'}.")
    stamps = reader.stamps
    # The first second has the thread's start in it and the detector's first frames.
    return [after - before for before, after in itertools.pairwise(stamps)][1:]


class _Stamping:
    """Implements FrameReader: notes when each second of audio had been dealt with."""

    def __init__(self, reader: FrameReader) -> None:
        self.stamps: list[float] = []
        self._reader = reader
        self._frames = 0

    def read(self, timeout_seconds: float, at_least_samples: int = 0) -> Frame | Gap | None:
        """Return what the real reader returns."""
        if self._frames % FRAMES_PER_SECOND == 0:
            self.stamps.append(time.perf_counter())
        self._frames += 1
        return self._reader.read(timeout_seconds, at_least_samples)

    @property
    def ended(self) -> bool:
        """As the real one."""
        return self._reader.ended

    @property
    def lag_samples(self) -> int:
        """As the real one."""
        return self._reader.lag_samples


def _of(sound: str, material: str) -> dict[str, str | int | float | bool]:
    return {"sound": material if sound == "speech" else sound}


SUITE = Suite(
    "vad",
    "Detectors, segmenter, hot loop",
    (
        *(f"vad.{mode}.{sound}" for mode in MODES for sound in SOUNDS),
        *("vad.segmenter.silence", "vad.segmenter.talk"),
        *(f"vad.hot_loop.{sound}" for sound in SOUNDS),
    ),
    _opened,
)
