"""One browser for all tests of the dashboard; a daemon of its own for each."""

import time
from collections.abc import Iterator

import pytest

from tests.web.dashboard.browser import DESKTOP, NoBrowserError, Page, chromium
from tests.web.dashboard.fake_api import FakeApi, served
from tests.web.dashboard.scenes import box


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """Chromium; without it the tests fail, for a dashboard that nobody has seen is not tested."""
    try:
        with chromium(tmp_path_factory.mktemp("chromium")) as page:
            yield page
    except NoBrowserError as error:
        pytest.fail(str(error), pytrace=False)


@pytest.fixture
def api() -> Iterator[FakeApi]:
    """A daemon that hears well."""
    with served(box(time.time())) as running:
        yield running


@pytest.fixture
def page(browser: Page, api: FakeApi) -> Iterator[Page]:
    """Its page, at the size of a desktop, without a token."""
    browser.resize(DESKTOP)
    browser.open(api.address)
    yield browser
    browser.script("sessionStorage.clear()")
    browser.driver.get("about:blank")
    browser.complaints()
    browser.requests()
