import socket
from pathlib import Path
from typing import Any

import pytest

from voicebridge.domain.errors import ExitCode, SettingsError
from voicebridge.settings.schema import HttpSettings
from voicebridge.web.access import Access, access_of
from voicebridge.web.address import SEND_BUFFER_BYTES, address_of, bound, listen


def access(**settings: Any) -> Access:
    return access_of(HttpSettings(**settings))


@pytest.mark.parametrize(
    ("bind", "host", "port"),
    [
        ("127.0.0.1:8090", "127.0.0.1", 8090),
        ("[::1]:80", "::1", 80),
        ("localhost:1", "127.0.0.1", 1),
        ("192.168.1.5:65535", "192.168.1.5", 65535),
    ],
)
def test_an_address_has_a_host_and_a_port(bind: str, host: str, port: int) -> None:
    address = address_of(bind)
    assert (address.host, address.port, address.path) == (host, port, None)
    assert str(address) == bind.replace("localhost", "127.0.0.1")


def test_a_unix_socket_is_local_and_has_a_path() -> None:
    address = address_of("unix:/run/voicebridge/http")
    assert (address.path, address.local, str(address)) == (
        Path("/run/voicebridge/http"),
        True,
        "unix:/run/voicebridge/http",
    )


@pytest.mark.parametrize(
    "bind",
    ["", "8090", ":8090", "127.0.0.1", "127.0.0.1:65536", "example.org:80", "::1:80", "unix:", "unix:a/b", "1.2.3:80"],
)
def test_what_is_no_address_is_a_mistake_in_the_settings(bind: str) -> None:
    with pytest.raises(SettingsError, match=r"http\.bind") as caught:
        access(bind=bind)
    assert caught.value.code is ExitCode.SETTINGS
    assert "127.0.0.1:8090" in caught.value.advice


@pytest.mark.parametrize("bind", ["0.0.0.0:8090", "[::]:8090", "192.168.1.5:8090"])
def test_an_address_that_others_can_reach_needs_a_token(bind: str) -> None:
    with pytest.raises(SettingsError, match="other machines"):
        access(bind=bind)
    assert access(bind=bind, token="0123456789abcdef").token == b"0123456789abcdef"


def test_a_token_that_others_could_guess_is_not_enough_for_them(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("0123456789abcde\n")
    for settings in ({"token": "x"}, {"token_file": tmp_path / "token"}):
        with pytest.raises(SettingsError, match="fewer than 16 characters") as caught:
            access(bind="0.0.0.0:8090", **settings)
        assert "openssl" in caught.value.advice
        assert access(bind="127.0.0.1:8090", **settings).token


def test_loopback_and_a_unix_socket_need_no_token() -> None:
    assert access(bind="127.0.0.2:80").token == b""
    assert access(bind="[::1]:80").token == b""
    assert access(bind="unix:/a").token == b""


def test_the_token_may_stand_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("secret\n")
    assert access(token_file=tmp_path / "token").knows(b"secret")


@pytest.mark.parametrize("content", [b"", b" \n", b"two words", b"\xff\xfe", b"x" * 5000])
def test_a_file_that_holds_no_token_is_a_mistake(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "token").write_bytes(content)
    with pytest.raises(SettingsError, match="token_file"):
        access(token_file=tmp_path / "token")


def test_a_token_file_that_is_not_there_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        access(token_file=tmp_path / "none")


def test_a_token_and_a_file_exclude_each_other(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="both"):
        access(token="secret", token_file=tmp_path / "token")


def test_no_token_is_known_where_there_is_none() -> None:
    assert not access().knows(b"")
    assert not access(token="secret").knows(b"")
    assert not access(token="secret").knows(b"secre")


def test_a_token_is_shown_nowhere() -> None:
    assert "geheim" not in repr(access(token="geheim"))


def test_names_are_those_of_loopback_the_address_and_the_settings() -> None:
    wanted = access(bind="[fd00::1]:80", token="0123456789abcdef", allowed_hosts="box.local  Kitchen")
    assert wanted.hosts == {"localhost", "127.0.0.1", "[::1]", "[fd00::1]", "box.local", "kitchen"}


def test_what_the_kernel_holds_for_a_reader_is_bounded() -> None:
    with listen(address_of("127.0.0.1:0")) as listener:
        bound(listener)
        assert listener.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) == 2 * SEND_BUFFER_BYTES


def test_a_port_that_is_taken_is_an_error_of_the_system() -> None:
    with listen(address_of("127.0.0.1:0")) as first, pytest.raises(OSError, match="in use"):
        listen(address_of(f"127.0.0.1:{first.getsockname()[1]}"))


def test_ipv6_is_listened_on_alone() -> None:
    with listen(address_of("[::1]:0")) as listener:
        assert listener.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY) == 1
