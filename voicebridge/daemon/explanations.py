"""What each message of the catalogue means and what to do, for people on call. Kept apart from what is logged.

``voicebridge.daemon.catalogue`` makes journald's catalogue and a table of docs/operations.md from it. ``@VB_NAME@`` is
filled in by `journalctl -x`; values above 255 bytes are not, so sentences (VB_DETAIL, VB_REASON) are not asked for.
"""

from dataclasses import dataclass

from voicebridge.daemon import messages
from voicebridge.daemon.messages import STORE_NOTICES, Message
from voicebridge.domain.events import StoreNoticeKind


@dataclass(frozen=True, slots=True)
class Explanation:
    """One message explained: ``subject`` is a heading, ``advice`` is empty where nothing is to be done."""

    subject: str
    meaning: str
    advice: str = ""


_SERVICE = {
    messages.STARTED: Explanation(
        "Voicebridge has started",
        "Settings, store and capture run. Session @VB_SESSION@ begins: all its entries carry VB_SESSION. Whether"
        " anything is heard is said by capture_began or capture_lost, and whether it can be decoded by engine_ready.",
    ),
    messages.RECOVERED: Explanation(
        "The process before left something behind, and it was put in order",
        "It was killed, or the power went. What was stored is there. An utterance that was open is pending as far as it"
        " was heard, at most its last second is missing. The words of a text that was stored in the last moment (their"
        " times and the confidence) are gone for good: the text stays without.",
        "See why it ended: `journalctl -u voicebridge -b -n 100` above this entry. Files named *.unreadable in the"
        " spool are damaged; copy them away if you want to look into them.",
    ),
    messages.STOPPING: Explanation(
        "Voicebridge is stopping",
        "An orderly stop has begun: the open utterance is ended and stored, a decode gets ten seconds. The message says"
        " why: it was sent SIGTERM (systemctl stop, a shutdown), its source has ended, or the error that ends it.",
        "Nothing, if you stopped it. Without an entry that it has stopped, less than a minute later, it was killed.",
    ),
    messages.STOPPED: Explanation(
        "Voicebridge has stopped in order",
        "Everything that was heard is stored; what is not decoded yet waits for the next start.",
        "Nothing, if you stopped it. Otherwise the message says why.",
    ),
    messages.RELOADED: Explanation(
        "The settings were read again",
        "What was changed and can change while it hears is in force.",
        "If something needs a restart, it is named: `systemctl restart voicebridge` when it suits.",
    ),
    messages.RELOAD_REFUSED: Explanation(
        "The settings have a mistake and were not taken",
        "The old settings stay in force, all of them; hearing goes on. A restart would fail on these files (status"
        " 78).",
        "The message names file, line and key. Correct it, try it with `voicebridge config check`, reload again.",
    ),
    messages.MUTED: Explanation(
        "The microphone was muted by @VB_BY@",
        "Silence is stored in place of what it hears, until somebody unmutes. Nothing else stops.",
        "`voicebridge unmute` ends it. Muted with --keep it stays so after a restart.",
    ),
    messages.UNMUTED: Explanation("The microphone was unmuted by @VB_BY@", "What it hears is stored again."),
    messages.SUPPRESSED: Explanation(
        "Entries of one kind were counted instead of logged",
        "More than log.burst entries of a kind came within log.burst_seconds; @VB_COUNT@ were held back. The priority"
        " is that of the first of them. Utterances are never held back.",
        "Look for the cause in the entries that it resembles.",
    ),
    messages.LOG_LOST: Explanation(
        "Entries were lost on their way to the journal",
        "journald did not take @VB_COUNT@ entries, and hearing does not wait for it. What was heard is in the"
        " database.",
        "Was journald stopped or overloaded? `systemctl status systemd-journald`",
    ),
}
_UTTERANCES = {
    messages.UTTERANCE_STORED: Explanation(
        "Utterance @VB_UTTERANCE@ is stored", "It is on disk with its audio and waits for its decode (log.level debug)."
    ),
    messages.UTTERANCE_DONE: Explanation(
        "Utterance @VB_UTTERANCE@ is transcribed",
        "Its text is in the database (`voicebridge history`). VB_DELAY_MS runs from the end of speech to this commit,"
        " VB_DECODE_MS is the engine's part of it.",
    ),
    messages.UTTERANCE_REJECTED: Explanation(
        "Utterance @VB_UTTERANCE@ is not believed",
        "The engine's own figures, or the detector's, say that its text is likely invented. Text and reasons are"
        " stored.",
        "`voicebridge history --rejected` shows them. If real speech is rejected, look at the microphone's level, then"
        " at the limit that the reason names (settings, section gate).",
    ),
    messages.UTTERANCE_FAILED: Explanation(
        "Utterance @VB_UTTERANCE@ could not be decoded",
        "Its decode failed, or ended the process, engine.max_attempts times, or its audio is gone. It is set aside with"
        " the audio there is, and what comes after it is decoded.",
        "`sudo -u voicebridge voicebridge --state-dir /var/lib/voicebridge retry @VB_UTTERANCE@` queues it again. If"
        " all fail, the engine is at fault: `models verify` in the place of `retry` looks at the model.",
    ),
}
_HEARING = {
    messages.CAPTURE_BEGAN: Explanation("The microphone is heard", "The first audio of this session has arrived."),
    messages.CAPTURE_LOST: Explanation(
        "Nothing can be heard",
        "The microphone or its sound server is gone, stands still, is frozen or delivers at a wrong rate; the message"
        " says which. It is opened again and again, with pauses up to audio.retry_max_seconds. systemd is still told"
        " that the service is well: a new process would hear no more.",
        "Is it plugged in? Does the sound server run? `sudo voicebridge --state-dir"
        " /var/lib/voicebridge doctor` says what there is and who holds it. Nothing has to be restarted when it is"
        " back.",
    ),
    messages.CAPTURE_BACK: Explanation(
        "The microphone is heard again",
        "What was missed is a gap with exact bounds in the database, and an entry with VB_EVENT=gap.",
        "Nothing. If it happens daily, change the cable, the port or the power supply.",
    ),
    messages.GAP: Explanation(
        "Audio is missing",
        "Nothing is known of this stretch (VB_START_SAMPLE to VB_END_SAMPLE, 16000 a second). Reasons: overflow: the"
        " sound system dropped blocks; overrun: the listener was late by more than the ring holds; device_lost,"
        " stalled, device_moved: an outage; suspend: the machine slept; backlog: the disk took nothing for too long.",
        "After an outage, nothing. overflow and overrun again and again: the processor is busy, look with top, lower"
        " whisper.threads, raise audio.latency_ms. backlog: see store_alarm.",
    ),
    messages.DEVICE_MOVED: Explanation(
        "The sound server feeds another source",
        "PulseAudio or PipeWire led the stream elsewhere, as they do when a source goes away. With capture.on_move ="
        " insist (auto, where audio.device names one) the right one is waited for; with follow it is heard from there.",
        "Bring the microphone back, or name the one you want in audio.device.",
    ),
    messages.DIGITAL_SILENCE: Explanation(
        "Nothing but zeros comes from the microphone",
        "For health.zero_seconds each sample was zero. A quiet room is not that: its microphone has noise.",
        "Is it muted at its switch, in the mixer (`alsamixer`, `pactl list sources`), or unplugged at its socket?",
    ),
    messages.SOUND_AGAIN: Explanation("The microphone delivers more than zeros again", "The digital silence is over."),
}
_ENGINE = {
    messages.ENGINE_READY: Explanation(
        "The engine is loaded", "What waited is decoded now. Speech from before this was heard and is not lost."
    ),
    messages.ENGINE_FAILED: Explanation(
        "The engine could not be loaded",
        "Hearing goes on: utterances are stored with their audio and wait. It is tried again every"
        " engine.load_retry_seconds.",
        "`sudo -u voicebridge voicebridge --state-dir /var/lib/voicebridge models verify` looks at the model; `models"
        " pull NAME` or `models add FOLDER` brings it again. The decodes catch up by themselves.",
    ),
    messages.ENGINE_FALLBACK: Explanation(
        "PocketSphinx decodes in place of whisper",
        "engine.kind is auto and the whisper model is not on disk. PocketSphinx knows English only, and makes many"
        " mistakes.",
        "`sudo -u voicebridge voicebridge --state-dir /var/lib/voicebridge models pull base.en`, or `models add FOLDER`"
        " without a network; then `systemctl restart voicebridge`.",
    ),
}
_LIFE = {
    messages.HEALTH_WORSE: Explanation(
        "Something is wrong, or somebody should know of it",
        "The state is derived from what is observed once a second; the message says which it is and was (or that it is"
        " still the same), and holds each new reason in a sentence, VB_REASONS their codes."
        " docs/health.md says of each when it applies.",
        "`voicebridge status` shows what holds now and what to do about it.",
    ),
    messages.HEALTH_BETTER: Explanation(
        "Something that was wrong is over", "The codes of what is over are named, and the state that holds now."
    ),
    messages.CHECKPOINT_MISSED: Explanation(
        "Checkpoints could not be made in time",
        "The health keeper did not get the processor, or the machine slept. The next checkpoint says how many are"
        " missing; nothing that was heard is.",
        "Once: nothing. Again and again: look with `top` for what takes the processor.",
    ),
    messages.WATCHDOG_WITHHELD: Explanation(
        "The watchdog is not fed",
        "Some part does not work any more, and the message says which. If it does not recover, systemd ends the process"
        " with SIGABRT (the journal then shows where each thread stood) and starts it again. What is stored is safe.",
        "Once: nothing. Again and again: keep the entries with the threads and report them.",
    ),
    messages.WATCHDOG_RESUMED: Explanation(
        "The watchdog is fed again", "The part that did not work does so again, before systemd had to restart it."
    ),
    messages.STUCK_LEAVING: Explanation(
        "The process leaves, because a call is stuck",
        "A call into the sound library, the engine or the disk cannot be cancelled and outlived its deadline. What is"
        " queued is stored, the journal shows where each thread stands, and systemd starts it again (status"
        " @VB_STATUS@).",
        "Once: nothing. With decodes: take a smaller whisper.model. With the sound library: restart the sound server."
        " With the disk: `dmesg`.",
    ),
}
_STORE = {
    messages.STORE_ALARM: Explanation(
        "The store refuses what it is given",
        "Hearing goes on. Where only the database is refused (locked, moved away), audio goes into the spool and is"
        " safe there. Where the disk is, up to store.backlog_mb of it wait in memory and are written when that is"
        " possible again; beyond that the oldest is a gap (backlog).",
        "Full: `df -h /var/lib/voicebridge`. Read-only: `findmnt -T /var/lib/voicebridge`, `dmesg`. Locked: end what"
        " uses the database. No restart is needed.",
    ),
    messages.STORE_RECOVERED: Explanation("The store takes everything again", "What waited is committed."),
    messages.DATABASE_SET_ASIDE: Explanation(
        "A damaged database was set aside, and a new one begun",
        "The damaged one is beside it, as voicebridge.db.corrupt-TIME. What was not decoded yet is in the spool and"
        " goes into the new one. Hearing goes on; the status says so until the next start.",
        "Stop the service and restore the newest backup, or save what can be saved: `sqlite3 FILE .recover`. Then look"
        " at the disk: `dmesg`.",
    ),
    messages.BACKUP_MADE: Explanation(
        "A backup was made",
        "The timer's nightly copy was checked and has its name, which the message says. The oldest beyond"
        " store.backups_kept are deleted.",
    ),
    messages.BACKUP_FAILED: Explanation(
        "No backup was made",
        "The nightly copy failed, and the message says why; the backups before it are still there. It is tried again"
        " tomorrow.",
        "Put right what the message names, then `systemctl start voicebridge-backup`.",
    ),
    STORE_NOTICES[StoreNoticeKind.RESERVE_GIVEN_UP]: Explanation(
        "The disk is full, and the reserve was given up",
        "A file kept for this was deleted (store.reserve_mb), so that the database can go on for a while.",
        "Free space on the disk now: nothing is left to give up next time.",
    ),
    STORE_NOTICES[StoreNoticeKind.RESERVE_BACK]: Explanation(
        "There is space again", "The reserve was made anew, and the alarm is over."
    ),
    STORE_NOTICES[StoreNoticeKind.AUDIO_DROPPED]: Explanation(
        "Audio that nobody has decoded was deleted",
        "What waits for its decode takes more than store.max_bytes. The oldest are failed, and their words are lost.",
        "See why no engine decodes (`voicebridge status`), and put that right soon.",
    ),
    STORE_NOTICES[StoreNoticeKind.AUDIO_EXPIRED]: Explanation(
        "Kept audio was deleted before its time",
        "store.max_bytes is reached. The oldest audio goes first; text is never deleted for its size.",
        "Raise store.max_bytes, or keep audio for a shorter time (store.retain_audio).",
    ),
    STORE_NOTICES[StoreNoticeKind.CLOCK_AHEAD]: Explanation(
        "The wall clock has jumped ahead",
        "Nothing is deleted by it until it has been so for a day of running. Hearing does not go by it.",
        "`timedatectl` shows whether the clock is right. Once it is, nothing is left to do.",
    ),
    STORE_NOTICES[StoreNoticeKind.STRAYS_FOUND]: Explanation(
        "Audio without an entry in the database was found",
        "The commit of its utterance had failed. It is pending now and will be decoded.",
    ),
    STORE_NOTICES[StoreNoticeKind.DATABASE_LOST]: Explanation(
        "The database was moved away or deleted while it was in use",
        "Nothing can be committed; what is heard waits. When it is not back after ten seconds, the process leaves in"
        " order (status 74), and the next start begins a new one, into which the spool goes.",
        "To go on with the old one: stop the service, move the new one away, put the old one and its -wal back, start.",
    ),
    STORE_NOTICES[StoreNoticeKind.DATABASE_DAMAGED]: Explanation(
        "The database is damaged",
        "SQLite met a damage. After ten seconds the process leaves in order (status 74), and the next start mends the"
        " database, or sets it aside and begins a new one. Audio stays in the spool meanwhile.",
        "See whether one was set aside (VB_EVENT=database_set_aside). Look at the disk: `dmesg`.",
    ),
}
EXPLANATIONS: dict[Message, Explanation] = {**_SERVICE, **_HEARING, **_UTTERANCES, **_ENGINE, **_LIFE, **_STORE}
"""Every message of the catalogue, in the order in which people are told of them."""
