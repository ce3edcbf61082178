"""One browser for all tests that look at the page of a daemon."""

from collections.abc import Iterator

import pytest

from tests.web.dashboard.browser import NoBrowserError, Page, chromium


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """Chromium; without it the tests fail, for a page that nobody has seen is not tested."""
    try:
        with chromium(tmp_path_factory.mktemp("chromium")) as page:
            yield page
    except NoBrowserError as error:
        pytest.fail(str(error), pytrace=False)
