"""Text at the endpoint, in whole sessions: the small Whisper, real threads, commands at the pace of time."""

from pathlib import Path

import numpy as np
import pytest

from tests.fakes.children import FIRST, silence, write_wav
from voicebridge.daemon.assembly import audio_file
from voicebridge.daemon.session import Orders, Started, hear
from voicebridge.domain.audio import Samples
from voicebridge.domain.events import Event, UtteranceSettled
from voicebridge.domain.ports import TurnDetector, TurnEvidence, TurnVerdict
from voicebridge.domain.utterance import DecodeKind, Transcript, UtteranceRecord
from voicebridge.settings import EngineSettings, Settings, WhisperSettings
from voicebridge.settings.schema import EndpointSettings
from voicebridge.speech.whisper import WhisperEngine
from voicebridge_bench.models import WHISPER_COMMANDS
from voicebridge_bench.speech_corpus import say

# A hangover that a slow machine under load can decode in as well.
PATIENT = EndpointSettings(hangover_ms=3000)
ADAPTIVE = EndpointSettings(mode="adaptive", hangover_min_ms=1200, hangover_ms=5000, hangover_max_ms=6000)


class Counting(WhisperEngine):
    """Keeps which audio it was given: (first sample, count of samples)."""

    def __init__(self, settings: WhisperSettings) -> None:
        super().__init__(settings, WHISPER_COMMANDS)
        self.decoded: list[tuple[int, int]] = []

    def decode(self, audio: Samples, start_sample: int) -> Transcript:
        self.decoded.append((start_sample, len(audio)))
        return super().decode(audio, start_sample)


class Session:
    """A session with the small Whisper, that has ended."""

    def __init__(
        self,
        folder: Path,
        audio: Samples,
        endpoint: EndpointSettings,
        *,
        realtime: bool = True,
        detector: TurnDetector | None = None,
    ) -> None:
        whisper = WhisperSettings(model=str(WHISPER_COMMANDS))
        settings = Settings(engine=EngineSettings(kind="whisper"), whisper=whisper, endpoint=endpoint)
        self.engine = Counting(whisper)
        self.events: list[Event] = []
        self._started: list[Started] = []
        source = audio_file(write_wav(folder / "said.wav", audio), realtime=realtime)
        orders = Orders(settings, folder / "state", source, engine=self.engine, turn_detector=detector)
        hear(orders, self.events.append, self._started.append)

    @property
    def records(self) -> list[UtteranceRecord]:
        return [event.record for event in self.events if isinstance(event, UtteranceSettled)]

    @property
    def counts(self) -> dict[str, int]:
        return self._started[0].daemon.crew.transcriber.early.counts


def test_a_command_is_settled_with_what_was_decoded_in_its_hangover(tmp_path: Path) -> None:
    session = Session(tmp_path, np.concatenate([silence(2.0), say(FIRST), silence(4.0)]), PATIENT)
    (record,) = session.records
    assert (record.text, record.kind, record.attempts) == (FIRST, DecodeKind.SPECULATIVE, 0)
    assert session.engine.decoded.count((record.start_sample, record.span.samples)) == 1
    assert session.counts["speculative_delivered"] == 1
    assert session.counts["speculative_started"] == len(session.engine.decoded)
    # It is there within a second of the endpoint, however slow the machine; the hangover is in the delay.
    assert record.delay_ms is not None
    assert 2800 <= record.delay_ms < 4000


def test_a_command_that_sounds_done_is_ended_sooner(tmp_path: Path) -> None:
    session = Session(tmp_path, np.concatenate([silence(2.0), say(FIRST), silence(6.5)]), ADAPTIVE)
    (record,) = session.records
    assert (record.text, record.kind) == (FIRST, DecodeKind.SPECULATIVE)
    assert session.counts["turn_sentence_done"] == 1
    assert record.delay_ms is not None
    # The hangover is counted in samples, the delay in time: the anchor between them is late where its block was.
    assert 1000 <= record.delay_ms < 5000


class Sure:
    """A turn detector that is always sure, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def judge(self, evidence: TurnEvidence) -> TurnVerdict:
        self.asked.append(evidence.text)
        return TurnVerdict(0, "sure")


def test_another_turn_detector_may_be_given(tmp_path: Path) -> None:
    sure = Sure()
    audio = np.concatenate([silence(2.0), say(FIRST), silence(6.5)])
    session = Session(tmp_path, audio, ADAPTIVE, detector=sure)
    (record,) = session.records
    assert sure.asked == [FIRST]
    assert session.counts["turn_sure"] == 1
    assert record.delay_ms is not None
    assert 1200 <= record.delay_ms < 5000  # never less than the settings' least


@pytest.mark.parametrize("speculate_after_ms", [0, 150])
def test_a_file_that_can_wait_is_decoded_as_ever(tmp_path: Path, speculate_after_ms: int) -> None:
    audio = np.concatenate([silence(0.5), say(FIRST), silence(1.0)])
    endpoint = EndpointSettings(speculate_after_ms=speculate_after_ms)
    session = Session(tmp_path, audio, endpoint, realtime=False)
    (record,) = session.records
    assert (record.text, record.kind, record.attempts) == (FIRST, DecodeKind.FINAL, 1)
    assert len(session.engine.decoded) == 1
