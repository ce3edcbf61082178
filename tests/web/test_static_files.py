from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.web.serving import Served, served
from voicebridge.web.static_files import read_static


@pytest.fixture(scope="module")
def server() -> Iterator[Served]:
    with served() as running:
        yield running


def test_the_page_is_the_root(server: Served) -> None:
    answer = server.ask("/")
    assert (answer.status, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert answer.body == server.ask("/static/index.html").body


def test_every_file_of_the_package_is_served_with_its_type(server: Served) -> None:
    types = {".js": "text/javascript; charset=utf-8", ".html": "text/html; charset=utf-8"}
    names = read_static()
    assert "app.js" in names
    for name, file in names.items():
        answer = server.ask(f"/static/{name}")
        assert (answer.status, answer.body) == (200, file.content)
        assert answer.headers["content-type"] == types.get(Path(name).suffix, file.media_type)


def test_a_file_that_the_browser_has_is_not_sent_again(server: Served) -> None:
    first = server.ask("/static/app.js")
    assert first.headers["cache-control"] == "no-cache"
    for known in (first.headers["etag"], f'"other", W/{first.headers["etag"]}', "*"):
        again = server.ask("/static/app.js", headers={"If-None-Match": known})
        assert (again.status, again.body, again.headers["etag"]) == (304, b"", first.headers["etag"])
    assert server.ask("/static/app.js", headers={"If-None-Match": '"other"'}).status == 200


@pytest.mark.parametrize(
    "path",
    [
        "/static/../app.py",
        "/static/%2e%2e/app.py",
        "/static/..%2fapp.py",
        "/static/....//app.py",
        "/static//etc/passwd",
        "/static/%2fetc%2fpasswd",
        "/static/..\\app.py",
        "/static/app.js%00.html",
        "/static/./app.js",
        "/static/",
        "/static",
        "/static/__pycache__/",
        "//static/app.js",
        "/../../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
    ],
)
def test_no_path_leads_out_of_the_folder(server: Served, path: str) -> None:
    got = server.sent(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    assert got.startswith(b"HTTP/1.1 404 ")
    assert b"root:" not in got


def test_folders_below_are_read_and_hidden_files_are_not(tmp_path: Path) -> None:
    for name in ("a.css", "below/b.svg", ".hidden", "__pycache__/c.pyc", "noext", "manifest.webmanifest"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    found = read_static(tmp_path)
    assert {name: file.media_type for name, file in found.items()} == {
        "a.css": "text/css; charset=utf-8",
        "below/b.svg": "image/svg+xml; charset=utf-8",
        "noext": "application/octet-stream",
        "manifest.webmanifest": "application/manifest+json; charset=utf-8",
    }
    assert len({file.etag for file in found.values()}) == 4


def test_without_files_there_is_no_page(tmp_path: Path) -> None:
    assert read_static(tmp_path / "none") == {}
