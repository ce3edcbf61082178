"""Every setting: its name, default, bounds and meaning (the line under it, which template and documentation show)."""

import re
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, model_validator


def _none_for_empty(value: object) -> object:
    if isinstance(value, str) and "\0" in value:
        raise ValueError("a path cannot hold a zero byte")
    return None if value == "" else value


OptionalPath: TypeAlias = Annotated[Path | None, BeforeValidator(_none_for_empty)]
"""A path, or empty for the default that the setting's description names (TOML has no null)."""


def _is_retention(text: str) -> str:
    if not re.fullmatch(r"until_transcribed|forever|\d{1,5}\s*(d|days?)?", text.strip().lower()):
        raise ValueError("must be `until_transcribed`, `forever`, or a number of days such as `30 days`")
    return text


class Section(BaseModel):
    """A table of the configuration file; unknown keys are errors and values never change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class AudioSettings(Section):
    """Where the audio comes from."""

    device: str = ""
    """Microphone: part of its name, its index from `voicebridge devices`, or empty for the system's default."""
    rate: Annotated[int, Field(ge=0, le=384_000)] = 0
    """Samples per second to open the device with; 0 takes the device's own rate. Resampled to 16000 either way."""
    channels: Annotated[int, Field(ge=0, le=64)] = 0
    """Channels to open the device with; 0 takes one where the device offers it. They are mixed to one."""
    block_ms: Annotated[int, Field(ge=5, le=100)] = 40
    """Length of the blocks asked of the device, in milliseconds. Half of it costs a third more CPU in silence."""
    latency_ms: Annotated[int, Field(ge=0, le=2000)] = 80
    """Device buffer asked for, in milliseconds; 0 takes the device's own default for robust recording."""
    ring_seconds: Annotated[int, Field(ge=40, le=3600)] = 60
    """How much audio the ring holds for a listener that is late. 60 s is 1.9 MB."""
    retry: bool = False
    """Keep trying when the microphone cannot be opened at the start, instead of leaving with an error."""
    retry_max_seconds: Annotated[float, Field(ge=0.1, le=300)] = 30.0
    """Longest pause between two attempts to open a microphone that is gone."""


class CaptureSettings(Section):
    """When a microphone counts as lost, and how it is looked for."""

    stall_seconds: Annotated[float, Field(ge=1, le=60)] = 2.5
    """A stream that delivers nothing for this long is stalled: it is torn down and opened again. With the look and the
    telling it is known within 3 s."""
    first_block_seconds: Annotated[float, Field(ge=1, le=60)] = 6.0
    """The same before the first block: an idle PulseAudio source was seen to take 2.2 s to begin."""
    rate_tolerance: Annotated[float, Field(ge=0.01, le=0.9)] = 0.1
    """Share of the nominal rate by which samples may come too fast or too slow."""
    rate_window_seconds: Annotated[float, Field(ge=2, le=300)] = 10.0
    """Time over which the rate is measured."""
    frozen_seconds: Annotated[float, Field(ge=0.5, le=300)] = 5.0
    """A constant value that is not zero, or the same block over and over, for this long is a frozen device."""
    teardown_seconds: Annotated[float, Field(ge=0.5, le=60)] = 2.0
    """A teardown that takes longer is stuck in the sound library: the process leaves (status 86)."""
    open_seconds: Annotated[float, Field(ge=2, le=300)] = 10.0
    """An opening that takes longer, although the sound server answers others or is gone, is stuck likewise."""
    healthy_seconds: Annotated[float, Field(ge=0.5, le=600)] = 5.0
    """Hearing for this long makes the next loss a new one: its retries begin with short pauses again."""
    on_move: Literal["auto", "insist", "follow"] = "auto"
    """When the sound server moves the stream to another source: `insist` on the one that was opened and look for it, or
    `follow`; `auto` insists when `audio.device` names one."""


class VadSettings(Section):
    """Voice activity detection."""

    mode: Literal["webrtc", "silero", "cascade"] = "cascade"
    """`webrtc` is cheapest, `silero` is best, `cascade` asks silero only where webrtc hears speech."""
    webrtc_aggressiveness: Annotated[int, Field(ge=0, le=3)] = 2
    """0 calls most sounds speech, 3 the fewest."""
    silero_threshold: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """Probability at which silero says speech."""
    silero_release: Annotated[float, Field(gt=0, lt=1)] = 0.35
    """Probability under which silero says that speech is over; lower than the threshold, against flutter."""

    @model_validator(mode="after")
    def _release_is_below_threshold(self) -> "VadSettings":
        if self.silero_release > self.silero_threshold:
            raise ValueError("silero_release must not be above silero_threshold")
        return self


class EndpointSettings(Section):
    """Where an utterance starts and ends."""

    pre_roll_ms: Annotated[int, Field(ge=0, le=2000)] = 300
    """Audio kept from before the first speech frame."""
    min_speech_ms: Annotated[int, Field(ge=0, le=2000)] = 100
    """Less speech than this, before a hangover of silence, is not an utterance."""
    hangover_ms: Annotated[int, Field(ge=100, le=5000)] = 700
    """Silence that ends an utterance. With `mode = "adaptive"`: while nothing else is known."""
    mode: Literal["fixed", "adaptive"] = "fixed"
    """`adaptive` waits `hangover_min_ms` where text and voice say that the sentence is done, `hangover_max_ms` where
    they say that it is not, and `hangover_ms` otherwise. It needs a `speculate_after_ms` below `hangover_ms`."""
    hangover_min_ms: Annotated[int, Field(ge=100, le=5000)] = 400
    """See `mode`."""
    hangover_max_ms: Annotated[int, Field(ge=100, le=10_000)] = 1500
    """See `mode`."""
    speculate_after_ms: Annotated[int, Field(ge=0, le=5000)] = 150
    """Silence after which the utterance is decoded while the hangover runs, so that its text is there when it ends;
    `tail_ms` where that is longer. 0 decodes after the end only."""
    tail_ms: Annotated[int, Field(ge=0, le=2000)] = 140
    """Audio kept from after the last speech frame; at most the hangover."""
    max_utterance_ms: Annotated[int, Field(ge=2000, le=30_000)] = 28_000
    """Longer speech is cut here and goes on as the next utterance. Whisper hears at most 30 s at once."""
    cut_search_ms: Annotated[int, Field(ge=100, le=10_000)] = 5000
    """The cut is made at the quietest frame of this last stretch."""

    @model_validator(mode="after")
    def _fits_together(self) -> "EndpointSettings":
        if self.tail_ms > self.hangover_ms:
            raise ValueError("tail_ms must not be above hangover_ms")
        if self.mode == "adaptive":
            if not self.speculate_after_ms:
                raise ValueError(
                    'mode = "adaptive" needs speculate_after_ms: the text tells whether a sentence is done'
                )
            if not self.tail_ms <= self.hangover_min_ms <= self.hangover_ms <= self.hangover_max_ms:
                raise ValueError("tail_ms, hangover_min_ms, hangover_ms and hangover_max_ms must not fall")
            if max(self.speculate_after_ms, self.tail_ms) >= self.hangover_ms:
                raise ValueError(
                    'mode = "adaptive" needs speculate_after_ms and tail_ms below hangover_ms: the text is decoded then'
                )
        if self.cut_search_ms + self.pre_roll_ms + self.min_speech_ms >= self.max_utterance_ms:
            raise ValueError("cut_search_ms, pre_roll_ms and min_speech_ms together must stay below max_utterance_ms")
        return self


class EngineSettings(Section):
    """Which engine turns speech into text."""

    kind: Literal["auto", "whisper", "sphinx"] = "auto"
    """`auto` takes whisper when its model is on disk, else sphinx (PocketSphinx, English only, no download)."""
    required: bool = True
    """Leave with an error when the engine cannot be loaded; false goes on hearing and keeps what it hears pending."""
    max_attempts: Annotated[int, Field(ge=1, le=10)] = 3
    """Decodes of one utterance that may die or fail before it is set aside as failed, with its audio kept."""
    decode_deadline_seconds: Annotated[float, Field(ge=5, le=3600)] = 120.0
    """A decode that takes longer is stuck: the process leaves with status 86 and decodes it after its restart."""
    verify_model: bool = True
    """Compare the model's files with their checksums, where those are known, before it is loaded."""
    load_retry_seconds: Annotated[float, Field(ge=1, le=3600)] = 60.0
    """Pause before a model that could not be loaded is tried again, where `required` is false."""


class WhisperSettings(Section):
    """The whisper engine (faster-whisper)."""

    model: str = "base.en"
    """Name of a pulled model, or a folder that holds a CTranslate2 Whisper model."""
    models_dir: OptionalPath = None
    """Where pulled models are; by default `models` in the state directory."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where it runs."""
    compute_type: str = "default"
    """CTranslate2 arithmetic: `default`, `int8`, `float16`, `int8_float16`, `float32`, ..."""
    threads: Annotated[int, Field(ge=0, le=256)] = 0
    """Threads of one decode; 0 leaves the listener its share: all cores but one, at most 4, at least 1."""
    beam_size: Annotated[int, Field(ge=1, le=20)] = 5
    """Hypotheses followed at once; 1 is fastest."""
    language: str = "en"
    """Language code, or empty to detect it for each utterance."""
    initial_prompt: str = ""
    """Text that precedes each utterance for the model: names and spellings it should know."""
    hotwords: str = ""
    """Words the model should prefer."""
    word_timestamps: bool = True
    """Find the time and probability of each word, after the text was delivered (costs 11 to 20 % of a decode)."""
    window: Literal["full", "adaptive"] = "adaptive"
    """What the encoder is given: always 30 s (`full`), or the utterance and a margin, which is several times faster. A
    result of less than 30 s that looks wrong is decoded again in full."""
    window_floor_seconds: Annotated[float, Field(ge=1, le=30)] = 10.0
    """The shortest window. Stock models are known to repeat themselves below 5 s; models fine-tuned for it go lower."""
    window_margin_seconds: Annotated[float, Field(ge=0, le=10)] = 2.0
    """Silence after the utterance within the window."""
    partial_floor_seconds: Annotated[float, Field(ge=1, le=30)] = 5.0
    """The shortest window of text while speech goes on, where that is less than `window_floor_seconds`. What looks
    wrong of it is not shown, and nothing of it is stored."""


class PartialsSettings(Section):
    """Text while speech goes on."""

    mode: Literal["off", "auto", "on"] = "auto"
    """`auto` makes them while somebody reads them (a terminal, a reader of the event stream), with whisper only."""
    every_ms: Annotated[int, Field(ge=200, le=10_000)] = 500
    """Shortest time between the starts of two partial decodes."""
    load_share: Annotated[float, Field(gt=0, le=1)] = 0.5
    """Most of its time that the engine spends on partial decodes; on a slow machine they come less often."""


class SphinxSettings(Section):
    """The sphinx engine (PocketSphinx)."""

    model_dir: OptionalPath = None
    """Folder with an acoustic model, `*.lm.bin` and `*.dict`; by default the English model inside the package."""


class GateSettings(Section):
    """When a transcript is not believed. It is then stored as rejected, with the reasons."""

    no_speech_prob: Annotated[float, Field(ge=0, le=1)] = 0.8
    """Rejected above this probability of no speech, if the log-probability is below `no_speech_logprob` too."""
    no_speech_logprob: Annotated[float, Field(ge=-10, le=0)] = -0.5
    """See `no_speech_prob`."""
    no_speech_certain: Annotated[float, Field(ge=0, le=1)] = 0.95
    """Rejected above this probability of no speech, whatever else."""
    avg_logprob: Annotated[float, Field(ge=-10, le=0)] = -1.2
    """Rejected below this mean log-probability of the tokens."""
    compression_ratio: Annotated[float, Field(ge=1, le=20)] = 2.4
    """Rejected above this ratio of text to compressed text: it repeats itself."""
    repeated_ngrams: Annotated[int, Field(ge=2, le=100)] = 4
    """Rejected when the same one to four words follow themselves this many times or more."""
    min_speech_ratio: Annotated[float, Field(ge=0, le=1)] = 0.1
    """Rejected when the detector called less than this share of the utterance speech."""


class StoreSettings(Section):
    """What is kept, where, and for how long."""

    state_dir: OptionalPath = None
    """Database, spool and models. By default $STATE_DIRECTORY (set by systemd), else ~/.local/state/voicebridge."""
    retain_audio: Annotated[str, AfterValidator(_is_retention)] = "until_transcribed"
    """`until_transcribed`, `forever`, or a number of days such as `30 days`."""
    backlog_mb: Annotated[int, Field(ge=1, le=4096)] = 64
    """Audio kept in memory while the disk or the database does not take it; 64 MB is 35 minutes of speech."""
    max_bytes: Annotated[int, Field(ge=0)] = 4_000_000_000
    """Most that database, spool and kept audio may take on the disk; beyond it the oldest kept audio goes first. 0 sets
    no bound."""
    reserve_mb: Annotated[int, Field(ge=0, le=4096)] = 16
    """Size of a file that is given up when the disk is full, so that the database can go on; 0 keeps none."""
    backups_kept: Annotated[int, Field(ge=1, le=1000)] = 7
    """Backups that the timer leaves in place; the oldest go first."""
    busy_timeout_ms: Annotated[int, Field(ge=0, le=60_000)] = 5000
    """How long a commit waits for a database that another process holds, before it is tried again."""


class LogSettings(Section):
    """What is logged, and how."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least important messages that are logged."""
    format: Literal["auto", "terminal", "journald", "plain"] = "auto"
    """`auto` is journald under systemd, readable lines on a terminal, plain lines elsewhere. A form that is named also
    logs what `voicebridge run` prints."""
    transcripts: bool = False
    """Log the text of what was heard."""
    burst: Annotated[int, Field(ge=1, le=10_000)] = 20
    """Messages of one kind that are logged in each `burst_seconds`; the rest are counted."""
    burst_seconds: Annotated[float, Field(gt=0, le=3600)] = 30.0
    """See `burst`."""


class HealthSettings(Section):
    """How the daemon watches itself."""

    status_seconds: Annotated[float, Field(ge=0.5, le=60)] = 2.0
    """How often the status that `voicebridge status` shows is written (to memory, not to disk, where possible)."""
    anchor_seconds: Annotated[float, Field(ge=1, le=3600)] = 60.0
    """How often the sample clock is tied to the wall clock."""
    zero_seconds: Annotated[float, Field(ge=1, le=86_400)] = 600.0
    """Digital silence (nothing but zeros) for this long is told as a reason; it never restarts anything."""
    sign_of_life_seconds: Annotated[float, Field(ge=4, le=600)] = 10.0
    """A thread that gives no sign of life for this long gets the watchdog's ping withheld."""
    listener_lag_seconds: Annotated[float, Field(ge=0.5, le=60)] = 5.0
    """The same when the listener is this far behind the source."""

    interval_seconds: Annotated[float, Field(ge=1, le=86_400)] = 300.0
    """How often a checkpoint is written: one record of everything, in the database and in `checkpoints.jsonl`."""
    checkpoints_kept_days: Annotated[int, Field(ge=1, le=3650)] = 90
    """Older checkpoints leave the database."""
    checkpoint_file_mb: Annotated[int, Field(ge=1, le=1024)] = 16
    """Size at which `checkpoints.jsonl` is begun anew; the one before it stays as `checkpoints.jsonl.1`."""
    heap: bool = False
    """Put the size of Python's heap into checkpoints; it costs a tenth of a second and some memory each time."""
    low_level_dbfs: Annotated[float, Field(ge=-120, le=0)] = -75.0
    """A loudest moment below this for `low_level_seconds` means a microphone that is muted or unplugged."""
    low_level_seconds: Annotated[float, Field(ge=1, le=86_400)] = 600.0
    """See `low_level_dbfs`."""
    clipping_share: Annotated[float, Field(gt=0, le=1)] = 0.01
    """Share of samples at full scale, over six seconds, from which the input counts as clipped."""
    backlog_seconds: Annotated[float, Field(ge=1, le=86_400)] = 60.0
    """Audio that waits for its decode, from which a backlog that does not shrink is told."""
    disk_free_mb: Annotated[int, Field(ge=0)] = 256
    """Free space on the disk of the state directory below which it counts as nearly full."""
    temperature_celsius: Annotated[float, Field(ge=20, le=150)] = 85.0
    """Temperature from which the machine counts as too hot, where it tells no limit of its own."""


class ControlSettings(Section):
    """The control socket, over which the daemon is asked and told by people who are not root."""

    enabled: bool = True
    """Listen on `control` in the runtime directory (/run/voicebridge under systemd)."""
    group: str = "voicebridge"
    """Members of this group, root and the daemon's own user may use it."""


class HttpSettings(Section):
    """Status, metrics, transcripts and the dashboard over HTTP."""

    enabled: bool = True
    """Serve HTTP. Whether it can never harms hearing."""
    bind: str = "127.0.0.1:8090"
    """`ADDRESS:PORT`, or `unix:PATH`. An address that others can reach needs `token`."""
    token: SecretStr = SecretStr("")
    """Asked of everybody where the address is not loopback, and of whoever changes something anywhere. Empty: nobody
    may change anything. Where the address is not loopback it has 16 characters or more."""
    token_file: OptionalPath = None
    """A file that holds the token instead."""
    allowed_hosts: str = ""
    """Names in the Host header, separated by spaces, that are answered besides loopback and the bind address: against
    DNS rebinding."""
    max_connections: Annotated[int, Field(ge=4, le=4096)] = 256
    """Connections at once; more are turned away. Where other machines can connect each address has a quarter."""
    requests_per_second: Annotated[int, Field(ge=1, le=100_000)] = 1000
    """Requests answered in a second; more get status 429. Where other machines can connect each address has a
    quarter."""


class Settings(Section):
    """All settings."""

    audio: AudioSettings = AudioSettings()
    capture: CaptureSettings = CaptureSettings()
    vad: VadSettings = VadSettings()
    endpoint: EndpointSettings = EndpointSettings()
    engine: EngineSettings = EngineSettings()
    whisper: WhisperSettings = WhisperSettings()
    partials: PartialsSettings = PartialsSettings()
    sphinx: SphinxSettings = SphinxSettings()
    gate: GateSettings = GateSettings()
    store: StoreSettings = StoreSettings()
    log: LogSettings = LogSettings()
    health: HealthSettings = HealthSettings()
    control: ControlSettings = ControlSettings()
    http: HttpSettings = HttpSettings()
