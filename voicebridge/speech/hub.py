"""Pulling a model from a hub: once, when a person asks for it. Nothing that runs by itself imports this module."""

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from voicebridge.domain.errors import SpeechError
from voicebridge.speech.models import MODEL_FILES, REPOSITORIES, installing, sha256

CONNECT_SECONDS = 10.0
"""How long to wait for a hub's answer."""

Progress = Callable[[int, int], None]
"""Called with the bytes that have come and the bytes that will have come."""


def pull(name: str, models_dir: Path, progress: Progress, endpoint: str | None = None) -> Path:
    """Download a known model into the models directory; return its folder.

    ``endpoint`` is a hub's address; by default ``HF_ENDPOINT`` or the public hub. The token that the user may have
    there is not sent. Raises SpeechError, within seconds, when there is no hub.
    """
    repository = REPOSITORIES.get(name)
    if repository is None:
        raise SpeechError(f"{name!r} is not a known model.", f"Known are: {', '.join(REPOSITORIES)}.")
    _prepare_library()
    from huggingface_hub.errors import HfHubHTTPError

    # The library lets its HTTP client's errors through, and that client changes (httpx, httpx2): the base class of
    # those is found through the library's own error, which stands on it and on OSError.
    client_errors: tuple[type[Exception], ...] = HfHubHTTPError.__bases__
    try:
        files = _list_files(repository, endpoint)
        with installing(name, models_dir, sum(file.size or 0 for file in files)) as partial:
            _download(repository, files, partial, _Counter(files, progress), endpoint)
    except client_errors as error:
        raise _no_hub(name, error) from error
    return models_dir / name


def _prepare_library() -> None:
    """Set what the library reads when it is imported."""
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("HF_HUB_DISABLE_XET", "1")  # a second transport with a cache of its own in the home directory


def _list_files(repository: str, endpoint: str | None) -> list[Any]:
    from huggingface_hub import HfApi

    info = HfApi(endpoint=endpoint, token=False).model_info(repository, timeout=CONNECT_SECONDS, files_metadata=True)
    return [file for file in info.siblings or [] if file.rfilename in MODEL_FILES]


def _download(repository: str, files: list[Any], folder: Path, counter: "_Counter", endpoint: str | None) -> None:
    from huggingface_hub import hf_hub_download

    for file in files:
        path = hf_hub_download(
            repository,
            file.rfilename,
            local_dir=folder,
            etag_timeout=CONNECT_SECONDS,
            token=False,
            endpoint=endpoint,
            tqdm_class=counter.bar,
        )
        if file.lfs is not None and sha256(Path(path)) != file.lfs.sha256:
            raise SpeechError(f"{file.rfilename} of {repository} was damaged on its way.", "Pull it again.")
    # The library's notes on what it downloaded are of no use in a finished model.
    shutil.rmtree(folder / ".cache", ignore_errors=True)


class _Counter:
    """Adds up what the library's progress bars (one for each file) report."""

    def __init__(self, files: list[Any], progress: Progress) -> None:
        self._total_bytes = sum(file.size or 0 for file in files)
        self._done_bytes = 0
        self._progress = progress
        self._last_call = 0.0

    def add(self, count_bytes: float) -> None:
        self._done_bytes += int(count_bytes)
        now = time.monotonic()
        if now - self._last_call >= 0.1 or self._done_bytes >= self._total_bytes:
            self._last_call = now
            self._progress(self._done_bytes, self._total_bytes)

    @property
    def bar(self) -> type:
        from tqdm import tqdm  # type: ignore[import-untyped]  # comes with huggingface_hub

        counter = self

        class Bar(tqdm):  # type: ignore[misc]
            """A progress bar that shows nothing and tells the counter."""

            def __init__(self, *args: Any, **kwargs: Any) -> None:
                kwargs.pop("name", None)  # known to the library's own bars only
                super().__init__(*args, **{**kwargs, "disable": True})

            def update(self, n: float | None = 1) -> bool | None:
                counter.add(n or 0)
                return None

        return Bar


def _no_hub(name: str, error: Exception) -> SpeechError:
    reason = " ".join(str(error).split()) or type(error).__name__
    return SpeechError(
        f"Cannot pull {name}: {reason[:200]}.",
        "Without internet, copy the model's folder from another machine (a USB stick will do) and run "
        "`voicebridge models add FOLDER`; or go on without it: the sphinx engine needs no model.",
    )
