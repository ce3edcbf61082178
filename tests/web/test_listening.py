import socket

from voicebridge.web.address import Address, listen


def test_connections_are_known_as_tcp_so_that_no_answer_waits_for_an_acknowledgement() -> None:
    with listen(Address("127.0.0.1", 0)) as listener:
        listener.setblocking(True)
        with socket.create_connection(listener.getsockname()), listener.accept()[0] as accepted:
            assert accepted.proto == socket.IPPROTO_TCP
