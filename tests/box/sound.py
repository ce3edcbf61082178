"""PulseAudio in a box: a system unit of its own under its own user, with a null sink as microphone."""

from pathlib import Path

from tests.box.machine import Box

UNIT = "box-sound.service"
AWAKE = "box-awake.service"
SOCKET = "/run/box-sound/native"
SINK = "room"
DECOY = "decoy"
MICROPHONE = "kitchen"
"""The name under which ALSA, and through it PortAudio, knows the null sink's monitor."""
RATE = 48_000
DAEMON = f"""[Unit]
Description=The sound server of the suite
[Service]
User=sound
RuntimeDirectory=box-sound
Environment=HOME=/run/box-sound XDG_RUNTIME_DIR=/run/box-sound
ExecStartPre=/bin/rm -f {SOCKET}
ExecStart=/usr/bin/pulseaudio --daemonize=no --exit-idle-time=-1 -n --disable-shm=true --log-level=error \\
  "--load=module-native-protocol-unix auth-anonymous=1 socket={SOCKET}" \\
  "--load=module-null-sink sink_name={SINK} rate={RATE} channels=2"
TimeoutStopSec=2
[Install]
WantedBy=multi-user.target
"""
KEEP_AWAKE = f"""[Unit]
Description=Keeps the null sink awake: one that idles begins only after seconds
[Service]
User=sound
Environment=PULSE_SERVER=unix:{SOCKET} HOME=/tmp
ExecStart=/bin/sh -c 'while :; do \\
  parec --latency-msec=20 --device={SINK}.monitor /dev/null 2>/dev/null; sleep 0.2; done'
[Install]
WantedBy=multi-user.target
"""
ALSA = f"""
pcm.!default {{ type pulse }}
ctl.!default {{ type pulse }}
pcm.{MICROPHONE} {{ type pulse device "{SINK}.monitor" }}
"""


SPEECH = "/srv/speech.wav"
"""Twelve commands, with pauses."""
ONE_COMMAND = "/srv/command.wav"
THREE_COMMANDS = "/srv/commands.wav"


class Sound:
    """The sound server of a box, and the ways to hurt it."""

    def __init__(self, box: Box) -> None:
        self._box = box

    def install(self) -> None:
        """Make the units and start them."""
        box = self._box
        box.run("useradd", "--system", "--no-create-home", "sound")
        box.write(f"/etc/systemd/system/{UNIT}", DAEMON)
        box.write(f"/etc/systemd/system/{AWAKE}", KEEP_AWAKE)
        box.write("/etc/asound.conf", ALSA)
        box.systemctl("daemon-reload")
        box.systemctl("enable", "--now", UNIT, AWAKE)
        self.wait()

    def wait(self) -> None:
        """Wait until it answers."""
        self._box.wait_until(lambda: self.pactl("info", check=False), "the sound server's answer", 20)

    @property
    def well(self) -> bool:
        """True when it answers and has just the one source."""
        return [line.split()[1] for line in self.pactl("list", "short", "sources", check=False).splitlines()] == [
            f"{SINK}.monitor"
        ]

    def pactl(self, *words: str, check: bool = True) -> str:
        """Run pactl; returns what it says."""
        done = self._box.run("pactl", *words, env=f"PULSE_SERVER=unix:{SOCKET}", check=check, timeout=20)
        return done.stdout.strip() if done.rc == 0 else ""

    def play(self, path: str) -> None:
        """Play a file of the box into the null sink; returns when it was played."""
        self._box.run("paplay", f"--device={SINK}", path, env=f"PULSE_SERVER=unix:{SOCKET}", timeout=300)

    def loop(self, path: str) -> None:
        """Play a file again and again until ``hush``; goes on by itself when the server is back."""
        self.hush()
        player = f"while :; do timeout 120 paplay --device={SINK} {path} || sleep 0.2; done"
        options = ["--unit=box-speech", "--collect", f"--setenv=PULSE_SERVER=unix:{SOCKET}", "--uid=sound"]
        self._box.run("systemd-run", "--quiet", *options, "/bin/bash", "-c", player)

    def hush(self) -> None:
        """Stop the loop."""
        self._box.systemctl("stop", "box-speech.service", check=False)

    def kill(self) -> None:
        """End the server without a word."""
        self._box.systemctl("kill", "--signal=KILL", UNIT)

    def start(self) -> None:
        """Start it."""
        self._box.systemctl("reset-failed", UNIT, check=False)
        self._box.systemctl("start", UNIT)

    def freeze(self) -> None:
        """Let it hang."""
        self._box.systemctl("kill", "--signal=STOP", UNIT)

    def thaw(self) -> None:
        """Let it go on."""
        self._box.systemctl("kill", "--signal=CONT", UNIT)

    def unload(self, sink: str = SINK) -> None:
        """Take a source away."""
        for line in self.pactl("list", "short", "modules").splitlines():
            number, module, arguments = (*line.split("\t"), "", "")[:3]
            if module == "module-null-sink" and f"sink_name={sink}" in arguments:
                self.pactl("unload-module", number)

    def load(self, sink: str = SINK) -> None:
        """Bring a source (back)."""
        self.pactl("load-module", "module-null-sink", f"sink_name={sink}", f"rate={RATE}", "channels=2")

    def put_right(self) -> None:
        """Have one server and one source again, whatever a test left."""
        self.hush()
        self._box.systemctl("kill", "--signal=CONT", UNIT, check=False)
        self._box.systemctl("restart", UNIT)
        self.wait()


def put_speech(box: Box, folder: Path) -> None:
    """Make the recordings and copy them into a box; ``folder`` is for them meanwhile."""
    for place, pieces in ((SPEECH, 12), (THREE_COMMANDS, 3), (ONE_COMMAND, 1)):
        recording = folder / Path(place).name
        write_speech(recording, pieces)
        box.put(recording, place)


def write_speech(path: Path, pieces: int) -> None:
    """Write so many spoken commands, with pauses of 1.2 s, as WAV."""
    from voicebridge_bench.playlist import Piece, write_playlist
    from voicebridge_bench.speech_corpus import commands

    write_playlist(path, [Piece(clip.text, clip.samples) for clip in commands(pieces, seed=5)])
