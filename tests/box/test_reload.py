"""Settings that are wrong are refused, and the old ones go on serving."""

import random

from tests.box.figures import Figures
from tests.box.service import CONFIG, UNIT, Service

GARBAGE = (
    "[audio\n", "audio = \n", "[vad]\nmode = 'radar'\n", "[vad]\nsilero_threshold = 7\n", "[nowhere]\nx = 1\n",
    "[audio]\nrate = 'fast'\n", "[audio]\nrate = -1\n", "[store]\nretain_audio = 'a while'\n", "[audio]\nx = 1\n",
    "[engine]\nmax_attempts = 0\n", "[engine]\nmax_attempts = 1\nmax_attempts = 2\n", "[log]\nlevel = 3\n",
    "[endpoint]\ntail_ms = 900\nhangover_ms = 300\n", "\x00\x01\x02", "= = =", "[[audio]]\n", "[audio]\ndevice = \"\n",
    "[gate]\navg_logprob = nan\n", "[health]\nstatus_seconds = inf\n", "[endpoint]\nhangover_ms = true\n",
)  # fmt: skip


def malformed(number: int) -> str:
    """Return a configuration that is wrong in a way of its own; the same number gives the same one."""
    chance = random.Random(number)
    text = chance.choice(GARBAGE)
    filler = "".join(chance.choice("abcdefgh \t") for _ in range(chance.randrange(40)))
    return f"# {number} {filler}\n{text}"


def test_malformed_settings_are_refused_and_the_old_ones_serve(
    service: Service, speech: object, figures: Figures
) -> None:
    box, pid, gaps, count = service.box, service.pid, service.newest("gaps"), figures.times(30, 100)
    cursor, good, taken = box.cursor(), box.read(CONFIG), []
    for number in range(count):
        box.write(CONFIG, malformed(number))
        if box.systemctl("reload", UNIT, check=False).rc == 0:
            taken.append(malformed(number))
    # The daemon says it, and `voicebridge reload`, which the unit calls, repeats the answer.
    told = [entry for entry in box.journal("-u", UNIT, after=cursor) if "settings are wrong" in str(entry["MESSAGE"])]
    box.run("kill", "-HUP", str(pid))
    refused = service.wait_event("reload_refused", cursor, 10)["MESSAGE"]
    box.write(CONFIG, good)
    box.systemctl("reload", UNIT)
    service.wait_announced(1, box.cursor(), 30)
    same = service.pid == pid and service.active and not service.gaps_after(gaps)
    passed = not taken and same and len(told) >= count
    figure = f"{count - len(taken)} refused, {len(told)} told; by SIGHUP: {refused[:90]}"
    figures.note("reload with malformed settings", count, figure, "all refused, old ones serving", passed)
    assert not taken
    assert same
    assert len(told) >= count


def test_a_reload_takes_what_can_change_and_names_what_cannot(service: Service, figures: Figures) -> None:
    box, pid, cursor = service.box, service.pid, service.box.cursor()
    service.set(endpoint__hangover_ms="500", audio__rate="16000")
    box.systemctl("reload", UNIT)
    told = service.wait_event("reloaded", cursor, 10)
    named = "endpoint.hangover_ms" in str(told) and "audio.rate" in str(told)
    figures.note("reload of good settings", 1, str(told["MESSAGE"]), "names both kinds", named)
    assert named
    assert service.pid == pid


def test_mute_is_heard_as_silence_and_survives_when_told_so(service: Service, speech: object, figures: Figures) -> None:
    service.command("mute", "--keep")
    service.box.rest(2)
    cursor = service.box.cursor()
    service.box.rest(5)
    while_muted = service.announced(cursor)
    service.restart()
    kept = service.wait_status(lambda status: bool(status["muted"]), "muted after the restart", 20)["muted"]
    service.command("unmute")
    service.wait_announced(1, service.box.cursor(), 30)
    passed = bool(kept) and not while_muted
    figures.note("mute --keep", 1, f"{len(while_muted)} utterances while muted, kept over a restart", "0", passed)
    assert passed
