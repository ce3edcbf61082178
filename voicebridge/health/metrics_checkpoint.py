"""The metrics that are read from the newest checkpoint (voicebridge.health.checkpoint). Pure.

They are what costs too much to measure at every scrape, and what is of a stretch of time.
"""

from collections.abc import Callable

from voicebridge.health.metrics_family import Family, Json, Kind, Readings, Snapshot, at, listed, single

QUEUES = ("store_jobs", "decodes", "announcements", "recorder")
DECODE_KINDS = ("final", "speculative", "partial")
PERCENTILES = ("p50", "p95", "p99", "max")
WINDOWS = {"interval": "delay_interval_ms", "session": "delay_session_ms"}
PARTS = {"database": "database_bytes", "wal": "wal_bytes"}


def _figure(kind: Kind, name: str, sentence: str, *path: str) -> Family:
    return Family(name, kind, sentence, lambda seen: single(at(seen.checkpoint, *path)))


def _counter(name: str, sentence: str, *path: str) -> Family:
    return _figure(Kind.COUNTER, name, sentence, *path)


def _gauge(name: str, sentence: str, *path: str) -> Family:
    return _figure(Kind.GAUGE, name, sentence, *path)


def _cost(seen: Snapshot) -> Readings:
    cost_ms = at(seen.checkpoint, "cost_ms")
    return single(None if cost_ms is None else cost_ms / 1000)


def _each(*path: str, only: tuple[str, ...] = ()) -> Callable[[Snapshot], Readings]:
    """Return a reader of the numbers in the mapping at a path, by their keys."""

    def read(seen: Snapshot) -> Readings:
        found: Json = seen.checkpoint
        for key in path:
            found = found.get(key) or {}
        return [((key,), value) for key in only or sorted(found) if (value := at(found, key)) is not None]

    return read


def _delays(seen: Snapshot) -> Readings:
    return [
        ((window, percentile), value / 1000)
        for window, key in WINDOWS.items()
        for percentile in PERCENTILES
        if (value := at(seen.checkpoint, key, percentile)) is not None
    ]


def _database(seen: Snapshot) -> Readings:
    return [((part,), size) for part, key in PARTS.items() if (size := at(seen.checkpoint, "disk", key)) is not None]


TIME = (
    _gauge("voicebridge_checkpoint_timestamp_seconds", "When the newest checkpoint was made, since the epoch.", "at"),
    _gauge("voicebridge_checkpoint_interval_seconds", "The time that it tells of.", "interval_seconds"),
    Family(
        "voicebridge_checkpoint_cost_seconds",
        Kind.GAUGE,
        "Processor time that the one before it took to collect.",
        _cost,
    ),
)
WORK = (
    _counter(
        "voicebridge_frames_expected_total", "Frames that should have come; missing for files.", "frames", "expected"
    ),
    _gauge(
        "voicebridge_frames_ratio",
        "Frames that came over frames expected, over the interval.",
        "frames",
        "interval_ratio",
    ),
    _gauge("voicebridge_clipped_ratio", "Share of samples at full scale, over the interval.", "level", "clipped_share"),
    _gauge("voicebridge_speech_ratio", "Share of frames that were speech, over the interval.", "level", "speech_share"),
    _gauge(
        "voicebridge_ring_high_water_seconds",
        "The furthest that the listener ever was behind.",
        "ring_high_water_seconds",
    ),
    Family(
        "voicebridge_queue_length",
        Kind.GAUGE,
        "What waits in each queue.",
        _each("queues", only=QUEUES),
        {"queue": listed(QUEUES)},
    ),
    _gauge("voicebridge_queue_audio_bytes", "Audio that waits for the store.", "queues", "store_audio_bytes"),
    _gauge(
        "voicebridge_oldest_waiting_seconds", "Age of the oldest utterance without its text.", "oldest_waiting_seconds"
    ),
    Family(
        "voicebridge_decodes_total",
        Kind.COUNTER,
        "Decodes that came back, by kind: `final` after the end of an utterance, `speculative` in a pause before it, "
        "thrown away or not, `partial` while it was said. One that was done again in full counts once.",
        _each("decodes", only=DECODE_KINDS),
        {"kind": listed(DECODE_KINDS)},
    ),
    Family(
        "voicebridge_delay_percentile_seconds",
        Kind.GAUGE,
        "Percentiles of the delay from end of speech to text in which who still waits counts with its age so far.",
        _delays,
        {"window": listed(WINDOWS), "percentile": listed(PERCENTILES)},
    ),
    Family(
        "voicebridge_errors_total", Kind.COUNTER, "Errors, by kind.", _each("errors"), {"kind": "as in the checkpoint"}
    ),
)
MACHINE = (
    _gauge("voicebridge_restarts", "Sessions before this one since the machine was booted.", "restarts"),
    Family(
        "voicebridge_thread_cpu_ratio",
        Kind.GAUGE,
        "Share of one core that each thread took over the interval.",
        _each("cpu", "share_by_thread"),
        {"thread": "names of our threads, and `other`"},
    ),
    _gauge("voicebridge_uss_bytes", "Memory that would be free if the process ended.", "memory", "uss_bytes"),
    _gauge("voicebridge_heap_bytes", "Memory of Python's objects; only with health.heap.", "memory", "heap_bytes"),
    _gauge("voicebridge_threads", "Threads of the process.", "threads"),
    _gauge("voicebridge_disk_free_bytes", "Free space on the disk of the state directory.", "disk", "free_bytes"),
    Family("voicebridge_database_bytes", Kind.GAUGE, "Size of the database.", _database, {"part": listed(PARTS)}),
    _gauge("voicebridge_temperature_celsius", "The machine's hottest sensor, where it tells.", "heat", "celsius"),
    _gauge(
        "voicebridge_throttled", "1 while the processor is slowed down, where the machine tells.", "heat", "throttled"
    ),
    _counter(
        "voicebridge_clock_steps_total", "Steps of the wall clock of half a second and more.", "clock_steps", "count"
    ),
    _gauge("voicebridge_clock_step_sum_seconds", "Sum of those steps, with their signs.", "clock_steps", "seconds"),
)
FAMILIES = (*TIME, *WORK, *MACHINE)
"""Every metric that is read from the newest checkpoint."""
