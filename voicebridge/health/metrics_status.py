"""The metrics that are read from the status: state and reasons, hearing, what waits, capture, store, watchdog. Pure."""

from collections.abc import Callable

from voicebridge.domain.capture import CaptureState, SoundServer
from voicebridge.domain.units import FRAMES_PER_SECOND, FULL_SCALE, SAMPLE_RATE
from voicebridge.health.metrics_family import (
    Family,
    Json,
    Kind,
    Readings,
    Snapshot,
    at,
    counter,
    gauge,
    listed,
    single,
    state_set,
)
from voicebridge.health.probes import RULES, State

CODES = tuple(rule.code for rule in RULES)
PARTIALS_PASSED_OVER = "partials_passed_over"
PARTIAL_TEXTS = ("partials_cut", "partials_stable_revisions", "partials_words_committed")
"""What became of the texts of partials, not of their decodes."""
OUTCOMES = ("done", "rejected", "failed")
_NO_BOUNDS = (
    "bytes_",
    "checkpoints_",
    "control_",
    "fallback_",
    "feed_readers",
    "http_",
    "partials_",
    "ring_overrun_samples",
    "speculation_",
    "speculative_",
    "turn_",
    "window_",
)
"""Counters in the status that are no count of a bound that was reached, or have a metric of their own."""


def _scaled(*path: str, by: float) -> Callable[[Snapshot], Readings]:
    def read(seen: Snapshot) -> Readings:
        value = at(seen.status, *path)
        return single(None if value is None else value * by)

    return read


def _text(seen: Snapshot, *path: str) -> str:
    found: object = seen.status
    for key in path:
        found = found.get(key, "") if isinstance(found, dict) else ""
    return str(found)


def _reasons(seen: Snapshot) -> Readings:
    apply = {reason["code"] for reason in seen.status["reasons"]}
    return [((code,), float(code in apply)) for code in CODES]


def _settled(seen: Snapshot) -> Readings:
    return [((outcome,), float(seen.status[outcome])) for outcome in OUTCOMES]


def _engine(seen: Snapshot) -> Readings:
    return [((str(seen.status["engine"]), str(seen.status["model"])), 1.0)]


def _signs(seen: Snapshot) -> Readings:
    return [((thread,), float(age)) for thread, age in sorted(seen.status["signs_of_life"].items())]


def _counters_named(prefix: str, *without: str) -> Callable[[Snapshot], Readings]:
    """Return what reads the counters whose names begin so, but for some that are something else."""

    def read(seen: Snapshot) -> Readings:
        counters: Json = seen.status["counters"]
        return [
            ((name.removeprefix(prefix),), float(counters[name]))
            for name in sorted(counters)
            if name.startswith(prefix) and name not in without
        ]

    return read


def _bounds(seen: Snapshot) -> Readings:
    counters: Json = seen.status["counters"]
    return [((name,), float(counters[name])) for name in sorted(counters) if not name.startswith(_NO_BOUNDS)]


STATE = (
    state_set(
        "voicebridge_state",
        "How the daemon is: 1 for its state, 0 for the others.",
        [state.value for state in State],
        lambda seen: str(seen.status["state"]),
    ),
    Family(
        "voicebridge_reason",
        Kind.GAUGE,
        "1 while this reason applies (docs/health.md says what it means and what to do), else 0.",
        _reasons,
        {"code": listed(CODES)},
    ),
    gauge(
        "voicebridge_deaf_seconds", "How long no sample has arrived, while the state is deaf; else 0.", "deaf_seconds"
    ),
    gauge("voicebridge_muted", "1 while the microphone is muted, else 0.", "muted"),
    gauge("voicebridge_session_id", "Number of the session: it changes with every start of the daemon.", "session_id"),
    gauge(
        "voicebridge_session_start_timestamp_seconds", "When the session began, seconds since the epoch.", "started_at"
    ),
    gauge("voicebridge_status_timestamp_seconds", "When what is shown here was read, since the epoch.", "written_at"),
    gauge(
        "voicebridge_first_sample_seconds",
        "From the start of the process to the first sample captured; missing before, and for files.",
        "first_sample_after_seconds",
    ),
    gauge(
        "voicebridge_engine_ready_seconds",
        "From the start of the process to the loaded engine; missing before.",
        "engine_ready_after_seconds",
    ),
    Family(
        "voicebridge_engine_info",
        Kind.GAUGE,
        "Always 1; its labels name what decodes.",
        _engine,
        {"engine": listed(("whisper", "sphinx")), "model": "as in the settings"},
    ),
    state_set(
        "voicebridge_engine_state",
        "How the engine is: 1 for its state, 0 for the others.",
        ("loading", "ready", "failed"),
        lambda seen: str(seen.status["engine_state"]),
    ),
    Family(
        "voicebridge_sign_of_life_age_seconds",
        Kind.GAUGE,
        "How long ago each thread gave a sign of life.",
        _signs,
        {"thread": "`listener`, `transcriber`, `store-writer`, `control`, ..."},
    ),
)

HEARING = (
    Family(
        "voicebridge_frames_total",
        Kind.COUNTER,
        "Frames (20 ms each) that the listener has heard.",
        _scaled("heard_seconds", by=FRAMES_PER_SECOND),
    ),
    Family(
        "voicebridge_speech_frames_total",
        Kind.COUNTER,
        "Frames that the detector called speech.",
        _scaled("speech_seconds", by=FRAMES_PER_SECOND),
    ),
    Family(
        "voicebridge_level_ratio",
        Kind.GAUGE,
        "Level (RMS) of the newest frame; 1 is full scale.",
        _scaled("level", by=1 / FULL_SCALE),
    ),
    Family(
        "voicebridge_level_peak_ratio",
        Kind.GAUGE,
        "Largest magnitude in the newest block, before mute; 1 is full scale.",
        _scaled("capture", "level_peak", by=1 / FULL_SCALE),
    ),
    Family(
        "voicebridge_listener_lag_seconds",
        Kind.GAUGE,
        "How far the listener is behind the source.",
        _scaled("listener_lag_ms", by=0.001),
    ),
    counter("voicebridge_lost_stretches_total", "Stretches of audio that were lost, whatever for.", "gaps"),
    counter(
        "voicebridge_lost_seconds_total",
        "Audio that was lost, whatever for; not yet an outage that lasts.",
        "gap_seconds",
    ),
    Family(
        "voicebridge_ring_overrun_seconds_total",
        Kind.COUNTER,
        "Audio that the ring overwrote before the listener had read it.",
        _scaled("counters", "ring_overrun_samples", by=1 / SAMPLE_RATE),
    ),
)

UTTERANCES = (
    counter("voicebridge_utterances_total", "Utterances that the listener has heard to their end.", "utterances"),
    Family(
        "voicebridge_settled_total",
        Kind.COUNTER,
        "Utterances whose decode is over and committed, by how it ended.",
        _settled,
        {"outcome": listed(OUTCOMES)},
    ),
    counter(
        "voicebridge_decode_errors_total", "Decodes that failed; most are tried again.", "counters", "decode_errors"
    ),
    counter("voicebridge_load_errors_total", "Times the engine could not be loaded.", "counters", "loads_failed"),
    gauge("voicebridge_waiting_utterances", "Utterances that wait for their decode.", "waiting"),
    gauge("voicebridge_backlog_seconds", "Audio that waits for its decode.", "backlog_seconds"),
)

CAPTURE = (
    state_set(
        "voicebridge_capture_state",
        "How the source is: 1 for its state, 0 for the others.",
        [state.value for state in CaptureState],
        lambda seen: _text(seen, "capture", "state"),
    ),
    gauge("voicebridge_capture_state_seconds", "How long the source has been in this state.", "capture", "for_seconds"),
    gauge(
        "voicebridge_capture_attempts",
        "Openings of the microphone that were tried since it was last heard.",
        "capture",
        "attempts",
    ),
    gauge(
        "voicebridge_capture_next_attempt_seconds",
        "Until the next opening is tried; missing while it hears.",
        "capture",
        "next_attempt_seconds",
    ),
    counter(
        "voicebridge_recoveries_total", "Times the microphone was heard again after a loss.", "capture", "recoveries"
    ),
    gauge(
        "voicebridge_capture_rate_ratio", "Samples that came over samples that should have.", "capture", "rate_ratio"
    ),
    gauge(
        "voicebridge_digital_silence_seconds",
        "How long nothing but zeros has come from the microphone.",
        "capture",
        "zero_seconds",
    ),
    gauge("voicebridge_capture_moved", "1 while the sound server leads us to another source.", "capture", "moved"),
    state_set(
        "voicebridge_sound_server_state",
        "Whether the sound server can be reached: 1 for its state, 0 for the others.",
        [server.value for server in SoundServer],
        lambda seen: _text(seen, "capture", "server"),
    ),
)

BOUNDS = (
    Family(
        "voicebridge_bound_reached_total",
        Kind.COUNTER,
        "How often each bound was reached, or something was given up or mended (docs/architecture.md, Bounds).",
        _bounds,
        {"bound": "`writer_refused`, `announcements_dropped`, ...: the names under `counters` in the status"},
    ),
    Family(
        "voicebridge_stored_bytes",
        Kind.GAUGE,
        "What the state directory holds, when it was last measured (once a minute).",
        _counters_named("bytes_"),
        {"kind": listed(("database", "kept", "reserve", "spool"))},
    ),
    Family(
        "voicebridge_checkpoints_total",
        Kind.COUNTER,
        "Checkpoints that were due, by what became of them.",
        _counters_named("checkpoints_"),
        {"outcome": listed(("kept", "missed", "dropped", "failed"))},
    ),
    Family(
        "voicebridge_window_decodes_total",
        Kind.COUNTER,
        "Decodes by the encoder's window, thrown away or not: `full`, `short` (and again in full where it was not "
        "believed), `partial`.",
        _counters_named("window_"),
        {"window": listed(("full", "short", "partial"))},
    ),
    Family(
        "voicebridge_fallbacks_total",
        Kind.COUNTER,
        "Short windows that were not believed and decoded again in full, by why.",
        _counters_named("fallback_"),
        {"reason": "`repetition`, `no_end`, `avg_logprob`, ..., `gate` (docs/operations.md)"},
    ),
    Family(
        "voicebridge_speculative_decodes_total",
        Kind.COUNTER,
        "Decodes in a pause that may be the end of an utterance, by what became of them; those that were "
        "`dropped` or `not_worthwhile` were not `started`.",
        _counters_named("speculative_"),
        {"outcome": listed(("started", "delivered", "void", "failed", "dropped", "not_worthwhile"))},
    ),
    Family(
        "voicebridge_speculation_wasted_seconds_total",
        Kind.COUNTER,
        "Time of the engine that went into speculative decodes whose text was not delivered.",
        _scaled("counters", "speculation_wasted_ms", by=0.001),
    ),
    Family(
        "voicebridge_turn_verdicts_total",
        Kind.COUNTER,
        "Pauses whose hangover followed what was said (`endpoint.mode = adaptive`), by the rule.",
        _counters_named("turn_"),
        {"rule": "`sentence_done`, `conjunction`, `mid-number`, `nothing_certain`, ..."},
    ),
    Family(
        "voicebridge_partials_total",
        Kind.COUNTER,
        "Decodes of what is being said, by what became of them: `decoded` came back, of these `late` ones were not "
        "told, because the utterance had ended; `dropped` ones were not begun.",
        _counters_named("partials_", PARTIALS_PASSED_OVER, *PARTIAL_TEXTS),
        {"outcome": listed(("decoded", "failed", "dropped", "late"))},
    ),
    counter(
        "voicebridge_partials_words_committed_total",
        "Words of partials that became stable.",
        "counters",
        "partials_words_committed",
    ),
    counter(
        "voicebridge_partials_stable_revisions_total",
        "Times that stable text of a partial was not the beginning of the next one: always 0; else report it.",
        "counters",
        "partials_stable_revisions",
    ),
    counter(
        "voicebridge_partials_cut_total",
        "Texts of partials longer than is looked at (docs/architecture.md, Bounds).",
        "counters",
        "partials_cut",
    ),
    counter(
        "voicebridge_partials_passed_over_total",
        "Partials that were made and not given to a reader, because a newer one, or the text, was there first.",
        "counters",
        PARTIALS_PASSED_OVER,
    ),
    Family(
        "voicebridge_control_total",
        Kind.COUNTER,
        "What happened at the control socket.",
        _counters_named("control_"),
        {"what": "`requests`, `denied`, `turned_away`, ..."},
    ),
    Family(
        "voicebridge_http_total",
        Kind.COUNTER,
        "What happened at the HTTP server.",
        _counters_named("http_"),
        {"what": "`requests`, `refused`, `turned_away`, ..."},
    ),
    gauge("voicebridge_feed_readers", "Who reads along what happens, inside the process.", "counters", "feed_readers"),
    gauge(
        "voicebridge_watchdog_period_seconds",
        "How soon systemd ends a daemon that does not ping; missing where nobody watches.",
        "watchdog",
        "period_seconds",
    ),
    counter("voicebridge_watchdog_pings_total", "Pings that systemd's watchdog got.", "watchdog", "pings"),
    counter("voicebridge_watchdog_withheld_total", "Times a ping was due and withheld.", "watchdog", "withheld"),
)

FAMILIES = (*STATE, *HEARING, *UTTERANCES, *CAPTURE, *BOUNDS)
"""Every metric that is read from the status."""
