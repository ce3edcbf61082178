"""journald's native protocol, over a real datagram socket."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicebridge.daemon.journal import MAX_VALUE_BYTES, JournalSocket, encode, field_name


def parsed(datagram: bytes) -> dict[str, str]:
    """Read an entry as systemd.io/JOURNAL_NATIVE_PROTOCOL says."""
    fields = {}
    while datagram:
        line, _, rest = datagram.partition(b"\n")
        name, equals, value = line.partition(b"=")
        if not equals:
            size = int.from_bytes(rest[:8], "little")
            value, rest = rest[8 : 8 + size], rest[8 + size :]
            assert rest[:1] == b"\n"
            rest = rest[1:]
        fields[name.decode()] = value.decode()
        datagram = rest
    return fields


class Receiver:
    """A journald that reads only when it is asked to."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.socket.settimeout(5)

    def entry(self) -> dict[str, str]:
        return parsed(self.socket.recv(1 << 20))

    def drain(self) -> int:
        self.socket.setblocking(False)
        count = 0
        try:
            while self.socket.recv(1 << 20):
                count += 1
        except BlockingIOError:
            self.socket.settimeout(5)
        return count


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Receiver]:
    made = Receiver(tmp_path / "socket")
    yield made
    made.socket.close()


@pytest.fixture
def journal(receiver: Receiver) -> Iterator[JournalSocket]:
    made = JournalSocket(receiver.path)
    yield made
    made.close()


def test_fields_arrive_as_they_were_given(receiver: Receiver, journal: JournalSocket) -> None:
    fields = {"MESSAGE": "héllo", "PRIORITY": "6", "VB_EVENT": "a=b", "EMPTY": ""}
    assert journal.send(encode(fields))
    assert receiver.entry() == fields


def test_a_value_with_line_breaks_is_one_field(receiver: Receiver, journal: JournalSocket) -> None:
    fields = {"MESSAGE": "one\ntwo\n\nPRIORITY=0\n", "PRIORITY": "6"}
    assert journal.send(encode(fields))
    assert receiver.entry() == fields


@given(st.dictionaries(st.from_regex(r"[A-Z][A-Z0-9_]{0,9}", fullmatch=True), st.text(max_size=50), max_size=5))
def test_any_text_survives_the_protocol(fields: dict[str, str]) -> None:
    expected = {name: value.encode("utf-8", "replace").decode() for name, value in fields.items()}
    assert parsed(encode(fields)) == expected


def test_a_huge_value_is_cut_between_characters_and_says_so(receiver: Receiver, journal: JournalSocket) -> None:
    assert journal.send(encode({"MESSAGE": "é" * MAX_VALUE_BYTES, "PRIORITY": "3"}))
    entry = receiver.entry()
    assert entry["MESSAGE"].endswith("é [cut]")
    assert MAX_VALUE_BYTES - 2 <= len(entry["MESSAGE"].encode()) <= MAX_VALUE_BYTES
    assert entry["PRIORITY"] == "3"


def test_a_full_socket_is_said_at_once_and_works_again_when_read(receiver: Receiver, journal: JournalSocket) -> None:
    entry = encode({"MESSAGE": "x" * 1000})
    taken = 0
    # The kernel's queue for a datagram socket is some hundred entries (net.unix.max_dgram_qlen) at the most.
    while taken < 100_000 and journal.send(entry):
        taken += 1
    assert not journal.send(entry)
    assert receiver.drain() == taken
    assert journal.send(entry)


def test_an_entry_that_no_datagram_can_hold_is_not_sent(journal: JournalSocket) -> None:
    assert not journal.send(b"x" * (64 << 20))


def test_a_missing_journald_is_said_at_once(tmp_path: Path) -> None:
    journal = JournalSocket(tmp_path / "absent")
    assert not journal.send(encode({"MESSAGE": "x"}))
    journal.close()


def test_a_dead_journald_is_said_and_a_new_one_found(tmp_path: Path) -> None:
    first = Receiver(tmp_path / "socket")
    journal = JournalSocket(first.path)
    first.socket.close()
    assert not journal.send(encode({"MESSAGE": "refused"}))
    first.path.unlink()
    second = Receiver(first.path)
    assert journal.send(encode({"MESSAGE": "back"}))
    assert second.entry() == {"MESSAGE": "back"}
    second.socket.close()
    journal.close()


@pytest.mark.parametrize(
    ("name", "field"),
    [("delay_ms", "VB_DELAY_MS"), ("a-b c=d\n", "VB_A_B_C_D_"), ("é", "VB__"), ("x" * 99, "VB_" + "X" * 61)],
)
def test_a_field_name_is_one_that_journald_takes(name: str, field: str) -> None:
    assert field_name(name) == field
