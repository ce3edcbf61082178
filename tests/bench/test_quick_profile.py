"""Where processor time goes: stacks read, joined with the kernel's count, and drawn."""

import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import jsonschema
import pytest

from tests.bench.runs import MACHINE
from voicebridge.cli import guarded
from voicebridge.domain.errors import ExitCode
from voicebridge_bench.cli import group
from voicebridge_bench.profiling.flame import svg, tree
from voicebridge_bench.profiling.measuring import Wish, phase_of, profile
from voicebridge_bench.profiling.results import SCHEMA_FILE, ProfileResult, schema
from voicebridge_bench.profiling.show import lines, page
from voicebridge_bench.profiling.spy import Watched, watch
from voicebridge_bench.profiling.stacks import BENCH, DECODING, NATIVE, OTHER, WAKING, read, room_of, seconds_by

BOOT = "Thread._bootstrap (threading.py:988)"
LISTENER = f"thread (12): listener;{BOOT};Listener._run (voicebridge/pipeline/listener.py:143)"
SILERO = f"{LISTENER};SileroModel.probability (voicebridge/vad/silero_model.py:30);run (onnxruntime/session.py:1)"
LINES = [
    f"{SILERO} 30",
    f"{LISTENER};_rms (voicebridge/pipeline/listener.py:287) 10",
    f"{LISTENER};RingReader.read (voicebridge/audio/ring_reader.py:5);Wakeup.sleep (voicebridge/audio/wakeup.py:2) 10",
    f"thread (13): transcriber;{BOOT};EvenModel.encode (voicebridge_bench/quick/even.py:80) 5",
    f"thread (14): room;{BOOT};ScriptRoom._run (voicebridge_bench/quick/script_room.py);Event.wait (threading.py) 5",
    f"thread (15): odd;{BOOT} 1",
]
CPU = {12: 0.5, 13: 0.1, 14: 0.2, 15: 0.05, 16: 2.0, 17: 0.01}
NAMES = {12: "listener", 13: "transcriber", 14: "script-room", 15: "odd", 17: "asleep"}


def _watched() -> Watched:
    return Watched(10.0, list(read(LINES)), CPU, NAMES)


def _result() -> ProfileResult:
    watched = _watched()
    phase = phase_of("speech", watched, seconds_by(watched.stacks, watched.cpu_seconds, watched.python_threads))
    return ProfileResult(
        created_at="2024-01-01T00:00:00+00:00",
        seconds=1.0,
        host=MACHINE,
        model="random-tiny.en",
        tool="made up",
        others_cores=0.0,
        warnings=["<busy>"],
        phases=[phase],
        overrides=['whisper.window="full"'],
    )


def test_a_sample_belongs_to_the_innermost_frame_of_the_house() -> None:
    rooms = [stack.room for stack in read(LINES)]
    assert rooms == ["voicebridge.vad", "voicebridge.pipeline", WAKING, DECODING, BENCH, OTHER]


def test_what_is_no_stack_is_passed_over() -> None:
    assert list(read(["", "py-spy> Sampling", "thread (x) 3", "a;b 1"])) == []


def test_the_time_of_a_thread_is_shared_by_its_samples() -> None:
    found = {room_of(stack): seconds for stack, seconds in seconds_by(list(read(LINES)), CPU, NAMES)}
    assert found["voicebridge.vad"] == pytest.approx(0.3)
    assert found["voicebridge.pipeline"] == pytest.approx(0.1)
    assert found[NATIVE] == pytest.approx(2.0)


def test_rooms_and_threads_add_up_to_what_the_kernel_counted() -> None:
    (phase,) = _result().phases
    assert phase.total_ms == pytest.approx(100 * sum(CPU.values()))
    assert sum(share.ms for share in phase.rooms) == pytest.approx(phase.total_ms)
    assert sum(share.ms for share in phase.threads) == pytest.approx(phase.total_ms)
    assert phase.functions[0].name == "SileroModel.probability (voicebridge/vad/silero_model.py)"


def test_a_result_is_what_its_schema_says() -> None:
    import json

    shipped = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
    assert shipped == json.loads(json.dumps(schema()))
    jsonschema.validate(json.loads(_result().model_dump_json()), shipped)


def test_the_text_names_rooms_and_settings_and_says_that_the_weights_are_random() -> None:
    told = "\n".join(lines(_result()))
    assert 'settings: whisper.window="full"' in told
    assert "voicebridge.vad" in told
    assert "random weights" in told


def test_the_page_holds_its_graph_and_fetches_nothing() -> None:
    root = tree([(["listener", "a <b> (x.py)"], 3.0), (["listener"], 1.0)], "speech")
    html = page(_result(), {"speech": root})
    assert "a &lt;b&gt; (x.py)" in html
    assert "http" not in html.replace("http://www.w3.org/2000/svg", "")
    assert "<script" not in html


def test_a_frame_is_as_wide_as_what_it_and_all_below_it_took() -> None:
    root = tree([(["a", "b"], 3.0), (["a", "c"], 1.0), (["d"], 4.0), (["nothing"], 0.0001)], "all")
    drawn = ElementTree.fromstring(svg(root, "ms"))
    space = "{http://www.w3.org/2000/svg}"
    widths = {
        (group.findtext(f"{space}title") or "").split(":")[0]: float(group.find(f"{space}rect").get("width", 0))  # type: ignore[union-attr]
        for group in drawn.iter(f"{space}g")
    }
    assert widths["a"] == pytest.approx(600, abs=0.2)
    assert widths["b"] == pytest.approx(450, abs=0.2)
    assert "nothing" not in widths


def test_a_running_process_can_be_looked_into(tmp_path: Path) -> None:
    code = "import os\nparent = os.getppid()\nwhile os.getppid() == parent:\n    sum(range(100_000))\n"
    child = subprocess.Popen([sys.executable, "-S", "-c", code])
    try:
        found = watch(child.pid, 1, tmp_path)
    finally:
        child.kill()
        child.wait()
    assert found.stacks
    assert sum(found.cpu_seconds.values()) > 0
    assert set(found.python_threads) == {child.pid}


def test_an_interruption_keeps_the_phases_that_were_watched(tmp_path: Path) -> None:
    def progress(_what: str, _share: float) -> None:
        raise KeyboardInterrupt

    result, trees = profile(Wish(("silence",), 2.0, "tiny", tmp_path, tmp_path, progress))
    assert (result.interrupted, result.phases, trees) == (True, [], {})
    assert list(lines(result))[-1] == "Ended early: nothing was watched to the end."
    assert "Ended early: these phases were watched" in "\n".join(
        lines(_result().model_copy(update={"interrupted": True}))
    )


@pytest.mark.parametrize("setting", ["engine.kind=sphinx", "whisper.model = tiny.en"])
def test_what_the_bench_decides_cannot_be_set(setting: str, tmp_path: Path) -> None:
    status = guarded(group, ["profile", "--scratch", str(tmp_path), "--set", setting])
    assert status == ExitCode.USAGE
    assert list(tmp_path.iterdir()) == []


def test_a_setting_that_is_none_is_refused_before_anything_is_watched(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status = guarded(group, ["profile", "--scratch", str(tmp_path), "--set", "whisper.windo=full"])
    assert status == ExitCode.SETTINGS
    assert "whisper.windo" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
