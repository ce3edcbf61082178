import asyncio
import errno
import logging
import socket
from dataclasses import replace
from typing import Any

import pytest

from tests.fakes.window import FakeDaemon, FakeFeed, reason, utterance
from tests.web.serving import SECONDS, EventReader, everything_from, served
from voicebridge.domain.errors import StoreBusyError
from voicebridge.web.connection import TAKE_SECONDS
from voicebridge.web.counters import Counters
from voicebridge.web.reads import Reads
from voicebridge.web.streams import (
    BEAT,
    PAGE,
    PARTIALS_HELD,
    QUEUE_FRAMES,
    RESUME_EVENTS,
    Stream,
    Streams,
    frame_of,
)


def partial(start: int, stable: str, tentative: str = "") -> dict[str, Any]:
    said = {"stable": stable, "tentative": tentative, "end_sample": start + 16_000}
    return {"type": "partial", "at": 1000.0, "session_id": 1, "start_sample": start, **said}


def ids(reader: EventReader, count: int) -> list[int]:
    return [int(reader.next("utterance")["id"]) for _ in range(count)]


def test_an_utterance_comes_with_its_number_as_id() -> None:
    with served() as server, EventReader(server) as reader:
        assert reader.response.headers["Content-Type"] == "text/event-stream; charset=utf-8"
        assert reader.next("state")["data"]["state"] == "hearing"
        server.daemon.feed.settle(7)
        event = reader.next("utterance")
        assert (event["id"], event["data"]["text"], event["data"]["type"]) == ("7", "turn on the light", "utterance")


def test_control_characters_in_a_text_end_no_line() -> None:
    text = "one\r\ndata: {}\n\nid: 99\u2028\x00<script>"
    with served() as server, EventReader(server) as reader:
        reader.next("state")
        server.daemon.feed.settle(1, text=text)
        event = reader.next("utterance")
        assert (event["id"], event["data"]["text"]) == ("1", text)


def test_who_comes_back_is_given_what_was_missed_and_then_what_comes() -> None:
    with served() as server:
        server.daemon.feed.settle(*range(1, 2 * PAGE + 50))
        with EventReader(server, **{"Last-Event-ID": "3"}) as reader:
            assert ids(reader, 2 * PAGE + 46) == list(range(4, 2 * PAGE + 50))
            server.daemon.feed.settle(1000)
            assert ids(reader, 1) == [1000]


def test_the_id_may_stand_in_the_address() -> None:
    with served() as server:
        server.daemon.feed.settle(1, 2, 3)
        with EventReader(server, "/api/events?last_event_id=2") as reader:
            assert ids(reader, 1) == [3]


def test_the_header_counts_before_the_address_that_a_browser_began_with() -> None:
    with served() as server:
        server.daemon.feed.settle(1, 2, 3)
        with EventReader(server, "/api/events?last_event_id=0", **{"Last-Event-ID": "2"}) as reader:
            assert ids(reader, 1) == [3]


def test_what_is_both_in_the_store_and_in_the_queue_comes_once() -> None:
    stream = asyncio.run(_made())
    for number in (5, 6, 7):
        stream.offer("utterance", b"%d" % number, number)
    stream.sent_sequence = 6
    assert stream.take() == b"7"


WORDS = [{"text": "turn", "start_sample": 0, "end_sample": 4000, "probability": 0.9}]


def with_words(number: int) -> dict[str, Any]:
    return utterance(number, words=WORDS, confidence=0.9)


class Settling(FakeFeed):
    """A feed in which the third utterance is settled while it is asked how far it is."""

    def newest(self) -> int:
        newest = super().newest()
        if newest == 2:
            self.settle(3)
        return newest


def test_what_is_settled_while_somebody_comes_back_comes_once() -> None:
    async def read() -> bytes:
        daemon, counters = FakeDaemon(), Counters()
        feed = Settling(daemon.store)
        feed.settle(1, 2)
        streams = Streams(replace(daemon.window, feed=feed), Reads(counters), counters, most=10)
        stream = streams.open(frozenset({"state", "utterance"}))
        got = b""
        async for frames in streams.told(stream, 1):
            got += frames
            if b"id: 3" in got and feed.newest() != 4:
                feed.settle(4)
            if b"id: 4" in got:
                break
        streams.close(stream)
        return got

    got = asyncio.run(asyncio.wait_for(read(), SECONDS))
    assert [got.count(b"id: %d\n" % number) for number in (1, 2, 3, 4)] == [0, 1, 1, 1]
    assert got.index(b"event: state") < got.index(b"id: 2\n")


def test_who_comes_back_is_given_the_words_of_the_last_one_too() -> None:
    with served() as server:
        server.daemon.store.held += [with_words(1), with_words(2), with_words(3), utterance(4)]
        with EventReader(server, "/api/events?types=utterance,words", **{"Last-Event-ID": "2"}) as reader:
            events = reader.events()
            assert "retry" in next(events)
            got = [next(events) for _ in range(4)]
        assert [(event["event"], event["data"]["utterance_id"]) for event in got] == [
            ("words", 2),
            ("utterance", 3),
            ("words", 3),
            ("utterance", 4),
        ]
        assert (got[0]["data"]["words"], got[0]["data"]["confidence"], "id" in got[0]) == (WORDS, 0.9, False)
        assert "words" not in got[1]["data"]


def test_words_that_were_not_asked_for_are_not_given_from_the_store() -> None:
    with served() as server:
        server.daemon.store.held += [with_words(1), with_words(2)]
        with EventReader(server, "/api/events?types=utterance", **{"Last-Event-ID": "1"}) as reader:
            events = reader.events()
            assert "retry" in next(events)
            assert next(events)["event"] == "utterance"
            server.daemon.feed.settle(3)
            assert next(events)["event"] == "utterance"


def test_words_both_in_the_store_and_in_the_queue_come_once_and_those_of_a_new_decode_again() -> None:
    stream = asyncio.run(_made())
    stream.offer("words", b"words", utterance_id=1)
    stream.sent_words(1, 5)
    assert stream.take() == b""
    stream.offer("utterance", b"again ", 6, utterance_id=1)
    stream.offer("words", b"others", utterance_id=1)
    assert stream.take() == b"again others"


def test_words_come_again_from_a_store_whose_numbers_begin_again() -> None:
    stream = asyncio.run(_made())
    stream.sent_sequence = 5
    stream.sent_words(1, 5)
    stream.begin_anew()
    stream.offer("utterance", b"text ", 1, utterance_id=1)
    stream.offer("words", b"words", utterance_id=1)
    assert stream.take() == b"text words"


async def _made(*kinds: str) -> Stream:
    return Stream(frozenset(kinds), Counters())


def test_who_lacks_very_much_gets_it_in_several_connections() -> None:
    with served() as server:
        for number in range(1, RESUME_EVENTS + 31):
            server.daemon.store.held.append(utterance(number))
        with EventReader(server, **{"Last-Event-ID": "0"}) as reader:
            got = [event["id"] for event in reader.events() if event.get("event") == "utterance"]
        assert (len(got), got[-1]) == (RESUME_EVENTS, str(RESUME_EVENTS))
        with EventReader(server, **{"Last-Event-ID": got[-1]}) as reader:
            assert ids(reader, 30)[-1] == RESUME_EVENTS + 30


def test_the_first_event_tells_where_to_resume() -> None:
    daemon = FakeDaemon()
    daemon.store.held = [utterance(1, settled_sequence=8), utterance(2, settled_sequence=3)]
    with served(daemon) as server, EventReader(server) as reader:
        assert reader.next("state")["id"] == "8"
        server.daemon.feed.settle(9)
        assert ids(reader, 1) == [9]
        with EventReader(server) as second:
            assert second.next("state")["id"] == "9"


def test_there_is_nothing_to_resume_after_while_the_store_is_held() -> None:
    daemon = FakeDaemon()
    daemon.store.held = [utterance(1, status="pending", settled_sequence=None)]
    with served(daemon) as server:
        with EventReader(server) as reader:
            assert reader.next("state")["id"] == "0"
        daemon.store.error = StoreBusyError("Locked.")
        with EventReader(server) as reader:
            assert "id" not in reader.next("state")


def test_a_store_that_does_not_answer_ends_the_stream_which_is_asked_for_again() -> None:
    daemon = FakeDaemon()
    daemon.store.error = StoreBusyError("Locked.")
    with served(daemon) as server, EventReader(server, **{"Last-Event-ID": "1"}) as reader:
        assert [event.get("event") or next(iter(event)) for event in reader.events()][:2] == ["retry", "state"]


@pytest.mark.parametrize("last", ["x", "-1", "9" * 19, "9" * 30, "\N{ARABIC-INDIC DIGIT ONE}"])
def test_an_id_that_was_never_sent_is_refused(last: str) -> None:
    with served() as server:
        answer = server.ask("/api/events", headers={"Last-Event-ID": last.encode().decode("latin-1")})
        assert answer.status == 400


def test_only_the_types_that_were_asked_for_come() -> None:
    with served() as server, EventReader(server, "/api/events?types=gap,utterance") as reader:
        events = reader.events()
        assert "retry" in next(events)
        server.daemon.feed.announce({"type": "speech", "speech": True})
        server.daemon.feed.announce({"type": "gap", "seconds": 1.0, "reason": "overflow"})
        assert next(events)["event"] == "gap"


def test_unknown_types_are_refused() -> None:
    with served() as server:
        assert server.ask("/api/events?types=gaps").status == 400


def test_a_level_is_told_when_it_changes() -> None:
    with served() as server, EventReader(server) as reader:
        assert reader.next("level")["data"] == {"type": "level", "level": 123, "speech": False}
        server.daemon.status.newest_level = (2000.4, True)
        assert reader.next("level")["data"] == {"type": "level", "level": 2000, "speech": True}


def test_of_levels_only_the_newest_waits() -> None:
    stream = asyncio.run(_made())
    stream.offer("level", b"old")
    stream.offer("level", b"new")
    assert stream.take() == b"new"
    assert stream.take() == b""


def test_a_change_of_state_is_told_with_its_reasons() -> None:
    with served() as server, EventReader(server) as reader:
        assert reader.next("state")["data"]["ready"] is True
        reader.next("level")  # it has looked once
        server.daemon.status.now |= {"state": "degraded", "reasons": [reason("low_level")]}
        told = reader.next("state")["data"]
        assert (told["state"], told["ready"], told["reasons"][0]["code"]) == ("degraded", False, "low_level")
        server.daemon.status.now |= {"state": "hearing", "reasons": []}
        server.daemon.feed.announce({"type": "state", "before": "degraded"})
        assert reader.next("state")["data"]["ready"] is True


def test_nothing_is_asked_of_the_daemon_while_nobody_reads() -> None:
    with served() as server:
        with EventReader(server) as reader:
            reader.next("level")
            assert len(server.daemon.feed.readers) == 1
            with EventReader(server) as second:
                second.next("state")
                assert len(server.daemon.feed.readers) == 1
        server.ask_until(lambda: server.application.streams.count == 0)
        assert server.daemon.feed.readers == []
        asked = server.daemon.status.asked
        server.ask("/healthz")
        assert server.daemon.status.asked == asked


def test_a_head_request_opens_no_stream() -> None:
    with served() as server:
        assert server.ask("/api/events", "HEAD").status == 200
        assert server.counters.streams == 0


def test_more_streams_than_their_share_are_refused() -> None:
    with served(max_connections=8) as server:
        readers = [EventReader(server) for _ in range(7)]
        with EventReader(server) as late:
            assert (late.response.status, late.response.headers["Retry-After"]) == (503, "5")
        for reader in readers:
            reader.close()


def test_a_queue_that_is_full_ends_its_stream() -> None:
    stream = asyncio.run(_made())
    assert all(stream.offer("gap", b"x") for _ in range(QUEUE_FRAMES))
    assert not stream.offer("gap", b"x")
    assert stream.ended
    assert stream.offer("gap", b"x"), "counted once"
    assert stream.take() == b""


def test_a_comment_comes_whatever_was_asked_for() -> None:
    stream = asyncio.run(_made("gap"))
    stream.offer("", BEAT)
    stream.offer("level", frame_of({"type": "level"}))
    assert stream.take() == BEAT


def test_a_reader_that_does_not_read_is_dropped_and_the_others_hear_on() -> None:
    with served() as server, EventReader(server, "/api/events?types=utterance") as reader:
        with socket.socket() as lazy:
            lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            lazy.settimeout(SECONDS)
            lazy.connect(("127.0.0.1", server.port))
            lazy.sendall(b"GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert lazy.recv(4) == b"HTTP"
            server.ask_until(lambda: server.application.streams.count == 2)
            number = 0
            while server.application.streams.count == 2:
                number += 1
                server.daemon.feed.settle(number, text="word " * 4000)
                assert ids(reader, 1) == [number]
                server.now[0] += TAKE_SECONDS / 50
            assert server.counters.not_reading + server.counters.streams_dropped >= 1
        server.daemon.feed.settle(number + 1)
        assert ids(reader, 1) == [number + 1]


def test_what_the_feed_has_lost_is_given_from_the_store() -> None:
    with served() as server:
        with EventReader(server) as reader:
            reader.next("level")
            server.daemon.feed.readers[0].lost = 3
            server.daemon.feed.settle(1)
            assert [event for event in reader.events() if event.get("event") == "missing"] == []
        with EventReader(server, **{"Last-Event-ID": "0"}) as reader:
            assert ids(reader, 1) == [1]


def test_a_fault_of_ours_ends_the_streams_and_the_next_ones_work(caplog: pytest.LogCaptureFixture) -> None:
    with served() as server:
        with EventReader(server) as reader:
            reader.next("level")
            good: Any = server.daemon.status.newest_level
            server.daemon.status.newest_level = None  # type: ignore[assignment]
            for _ in reader.events():
                pass
        server.ask_until(lambda: server.application.streams.count == 0)
        server.daemon.status.newest_level = good
        with EventReader(server) as reader:
            assert reader.next("level")["data"]["level"] == 123
        assert server.counters.failures == 1
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


def test_after_a_fault_new_streams_work_while_an_ended_one_is_still_held(caplog: pytest.LogCaptureFixture) -> None:
    async def look() -> tuple[bytes, bytes]:
        daemon, counters = FakeDaemon(), Counters()
        streams = Streams(daemon.window, Reads(counters), counters, most=10)
        held = streams.open(frozenset())
        good: Any = daemon.status.newest_level
        daemon.status.newest_level = None  # type: ignore[assignment]
        await asyncio.wait_for(held.changed.wait(), SECONDS)
        while not held.ended:
            await asyncio.sleep(0)
        daemon.status.newest_level = good
        # Nobody closes the first one: its reader is blocked.
        late = streams.open(frozenset())
        await asyncio.wait_for(late.changed.wait(), SECONDS)
        level = late.take()
        daemon.feed.settle(1)
        await asyncio.wait_for(late.changed.wait(), SECONDS)
        settled = late.take()
        streams.close(held)
        streams.close(late)
        return level, settled

    level, settled = asyncio.run(look())
    assert level.startswith(b"event: level\n")
    assert settled.startswith(b"id: 1\nevent: utterance\n")
    assert len(caplog.records) == 1


def test_without_descriptors_the_streams_go_on_and_it_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    daemon = FakeDaemon()
    daemon.status.error = OSError(errno.EMFILE, "Too many open files")
    with served(daemon) as server, EventReader(server, "/api/events?types=utterance,level,state") as reader:
        server.daemon.feed.settle(1)
        assert reader.next("utterance")["id"] == "1"
        server.daemon.feed.announce({"type": "state", "before": "hearing"})
        server.daemon.feed.settle(2)
        assert reader.next("utterance")["id"] == "2"
        daemon.status.error = None
        assert reader.next("level")["data"]["level"] == 123
        assert server.counters.failures == 1
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


def test_an_id_of_a_database_that_was_lost_begins_with_the_new_one() -> None:
    with served() as server:
        server.daemon.feed.settle(1, 2, 3)
        with EventReader(server, **{"Last-Event-ID": "900"}) as reader:
            assert ids(reader, 3) == [1, 2, 3]
            server.daemon.feed.settle(4)
            assert ids(reader, 1) == [4]


def test_an_id_that_the_store_gave_before_the_feed_did_is_no_other_database() -> None:
    with served() as server, EventReader(server) as first:
        assert first.next("state")["id"] == "0"
        server.daemon.store.held += [utterance(1), utterance(2)]  # committed, and not told yet
        with EventReader(server, **{"Last-Event-ID": "2"}) as reader:
            reader.next("state")
            server.daemon.feed.settle(3)
            assert ids(reader, 1) == [3]


def test_an_id_is_taken_as_it_is_while_the_store_cannot_say_how_far_it_is() -> None:
    async def ask(*, known: bool) -> int:
        daemon = FakeDaemon()
        streams = Streams(daemon.window, Reads(Counters()), Counters(), most=10)
        if known:
            assert await streams._position() == 0
        daemon.store.error = StoreBusyError("Locked.")
        return await streams._resumable(9)

    assert asyncio.run(ask(known=False)) == 9
    assert asyncio.run(ask(known=True)) == 9


def test_numbers_that_begin_again_are_told_to_those_who_were_there_before() -> None:
    with served() as server:
        server.daemon.feed.settle(*range(1, 60))
        with EventReader(server, **{"Last-Event-ID": "20"}) as reader:
            assert ids(reader, 39)[-1] == 59
            server.daemon.feed.settle(60)
            assert ids(reader, 1) == [60]
            server.daemon.store.held.clear()
            server.daemon.feed.settle(1, 2)
            assert ids(reader, 2) == [1, 2]


def test_a_stop_does_not_wait_for_a_reader_that_does_not_read(caplog: pytest.LogCaptureFixture) -> None:
    with socket.socket() as lazy:
        with served() as server:
            lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            lazy.settimeout(SECONDS)
            lazy.connect(("127.0.0.1", server.port))
            lazy.sendall(b"GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert lazy.recv(4) == b"HTTP"
            for number in range(50):
                server.daemon.feed.settle(number + 1, text="word " * 4000)
                server.ask("/healthz")
        everything_from(lazy)  # closed, in whatever way
    assert caplog.records == []


def test_a_stop_ends_the_streams() -> None:
    with served() as server:
        reader = EventReader(server)
        reader.next("level")
    assert list(reader.events()) is not None
    reader.close()


def test_what_open_speech_says_so_far_comes_with_its_two_parts_and_no_id() -> None:
    with served() as server, EventReader(server) as reader:
        reader.next("level")
        server.daemon.feed.announce(told := partial(8000, "turn on", " the"))
        event = reader.next("partial")
        assert event["data"] == told
        assert "id" not in event


def test_the_words_of_an_utterance_come_after_its_text_and_without_id() -> None:
    word = {"text": "turn", "start_sample": 0, "end_sample": 4000, "probability": 0.9}
    with served() as server, EventReader(server, "/api/events?types=words") as reader:
        server.daemon.feed.announce({"type": "words", "utterance_id": 3, "words": [word], "confidence": 0.9})
        event = reader.next("words")
        assert (event["data"]["utterance_id"], event["data"]["words"]) == (3, [word])
        assert "id" not in event


def test_partials_are_wanted_while_somebody_reads_them() -> None:
    def wanted() -> bool:
        return any(reader.partials_wanted for reader in server.daemon.feed.readers)

    with served() as server, EventReader(server, "/api/events?types=utterance,gap") as reader:
        next(reader.events())
        assert not wanted()
        with EventReader(server, "/api/events?types=partial") as second:
            next(second.events())
            assert wanted()
        server.ask_until(lambda: not wanted())
        with EventReader(server) as third:
            third.next("state")
            assert wanted()


def offered(stream: Stream, *entries: dict[str, Any]) -> bytes:
    for entry in entries:
        stream.offer(entry["type"], frame_of(entry), entry.get("sequence"), (1, entry["start_sample"]))
    return stream.take()


def test_of_partials_of_an_utterance_only_the_newest_waits() -> None:
    taken = offered(asyncio.run(_made()), partial(1, "turn"), partial(1, "turn on"), partial(9, "stop"))
    assert taken == frame_of(partial(1, "turn on")) + frame_of(partial(9, "stop"))


def test_partials_of_a_few_utterances_wait_and_the_oldest_goes() -> None:
    taken = offered(asyncio.run(_made()), *(partial(start, "turn") for start in range(PARTIALS_HELD + 1)))
    assert taken == b"".join(frame_of(partial(start, "turn")) for start in range(1, PARTIALS_HELD + 1))


def test_no_partial_comes_after_its_text_and_those_of_others_come() -> None:
    settled = {"type": "utterance", "sequence": 5, "start_sample": 1}
    taken = offered(asyncio.run(_made()), partial(1, "turn"), partial(9, "stop"), settled)
    assert taken == frame_of(settled) + frame_of(partial(9, "stop"))


def test_a_text_that_was_not_asked_for_takes_its_partial_with_it() -> None:
    settled = {"type": "utterance", "sequence": 5, "start_sample": 1}
    assert offered(asyncio.run(_made("partial")), partial(1, "turn"), settled) == b""


def test_partials_never_take_the_place_of_anything_else() -> None:
    stream = asyncio.run(_made())
    assert all(stream.offer("gap", b"x") for _ in range(QUEUE_FRAMES))
    assert all(stream.offer("partial", b"p", None, (1, start)) for start in range(100))
    assert not stream.ended
    assert stream.take() == b"x" * QUEUE_FRAMES + b"p" * PARTIALS_HELD


def test_a_stream_that_has_ended_holds_no_partials() -> None:
    stream = asyncio.run(_made())
    stream.offer("partial", b"p", None, (1, 1))
    stream.end()
    stream.offer("partial", b"p", None, (1, 1))
    assert stream.take() == b""
