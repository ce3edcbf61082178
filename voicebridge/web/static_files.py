"""The dashboard's files, out of the package: read once, found only by their exact names."""

import hashlib
import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from importlib.resources import files
from importlib.resources.abc import Traversable

from starlette.requests import Request
from starlette.responses import Response

from voicebridge.web.problems import ProblemError

INDEX = "index.html"
CACHE = "no-cache"
"""Kept, and asked about each time: an update shows at once."""
_TYPES = {
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
}
_TEXT = ("text/", "application/json", "application/manifest+json", "image/svg+xml")


@dataclass(frozen=True, slots=True)
class StaticFile:
    """One file."""

    content: bytes
    media_type: str
    etag: str


def read_static(folder: Traversable | None = None) -> Mapping[str, StaticFile]:
    """Return the files by their path below the folder, by default those of this package."""
    folder = folder if folder is not None else files("voicebridge.web").joinpath("static")
    return dict(_below(folder, "")) if folder.is_dir() else {}


def _below(folder: Traversable, prefix: str) -> list[tuple[str, StaticFile]]:
    found = []
    for item in folder.iterdir():
        if item.name.startswith((".", "__")):
            continue
        if item.is_dir():
            found += _below(item, f"{prefix}{item.name}/")
        else:
            found.append((f"{prefix}{item.name}", _read(item)))
    return found


def _read(item: Traversable) -> StaticFile:
    content = item.read_bytes()
    suffix = "." + item.name.rpartition(".")[2]
    media_type = _TYPES.get(suffix) or mimetypes.guess_type(item.name)[0] or "application/octet-stream"
    if media_type.startswith(_TEXT):
        media_type += "; charset=utf-8"
    return StaticFile(content, media_type, f'"{hashlib.sha256(content).hexdigest()[:32]}"')


class StaticFiles:
    """Serves them."""

    def __init__(self, found: Mapping[str, StaticFile]) -> None:
        self._files = found

    async def index(self, request: Request) -> Response:
        """Serve the page."""
        return self._answer(request, INDEX)

    async def named(self, request: Request) -> Response:
        """Serve one of its files."""
        return self._answer(request, request.path_params["path"])

    def _answer(self, request: Request, name: str) -> Response:
        file = self._files.get(name)
        if file is None:
            raise ProblemError(HTTPStatus.NOT_FOUND, "There is no such file.")
        headers = {"ETag": file.etag, "Cache-Control": CACHE}
        known = [tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")]
        if file.etag in known or "*" in known:
            return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
        return Response(file.content, headers=headers, media_type=file.media_type)
