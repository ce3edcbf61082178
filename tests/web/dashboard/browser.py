"""A headless Chromium, and what a test asks of a page in it."""

import base64
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from selenium.webdriver import ActionChains, Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

DESKTOP = (1280, 900)
PHONE = (390, 844)
PATIENCE_SECONDS = 30.0
QUIET = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
    "--hide-scrollbars",
)


class NoBrowserError(Exception):
    """There is no Chromium on this machine."""


@contextmanager
def chromium(profile: Path) -> Iterator["Page"]:
    """Start Chromium with a new profile. Raises NoBrowserError when it is not installed."""
    browser, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if browser is None or driver is None:
        raise NoBrowserError("The dashboard is tested in Chromium: apt-get install chromium chromium-driver")
    options = ChromeOptions()
    options.binary_location = browser
    for argument in (*QUIET, f"--user-data-dir={profile}"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    page = Page(Chrome(options, Service(driver)))
    try:
        yield page
    finally:
        page.driver.quit()


class Page:
    """The page that the browser shows."""

    def __init__(self, driver: Chrome) -> None:
        self.driver = driver

    def open(self, address: str) -> None:
        """Open a page, and wait until it has the feed and the first figures."""
        self.driver.get(address)
        self.wait_for("#connection", "Live")
        self.wait("return document.querySelectorAll('#figures .value').length > 0")
        self.wait("return document.querySelector('#timeline ol') !== null")

    def resize(self, size: tuple[int, int], *, dark: bool = False, calm: bool = False) -> None:
        """Take the size of a screen, and the preferences of its viewer."""
        width, height = size
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        features = [
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"},
            {"name": "prefers-reduced-motion", "value": "reduce" if calm else "no-preference"},
        ]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    def script(self, code: str, *arguments: Any) -> Any:
        """Run JavaScript in the page."""
        return self.driver.execute_script(code, *arguments)

    def wait(self, code: str) -> Any:
        """Wait until JavaScript returns what is true, and return that."""
        return WebDriverWait(self.driver, PATIENCE_SECONDS, 0.05).until(lambda _: self.script(code), code)

    def wait_for(self, selector: str, text: str) -> None:
        """Wait until the first such element has this in its text."""
        code = f"return document.querySelector({json.dumps(selector)})?.textContent.includes({json.dumps(text)})"
        self.wait(code)

    def text(self, selector: str) -> str:
        """Return the text of an element as it is in the document."""
        return str(self.script("return document.querySelector(arguments[0]).textContent", selector))

    def click(self, selector: str) -> None:
        """Click an element."""
        self.driver.find_element(By.CSS_SELECTOR, selector).click()

    def type(self, selector: str, text: str) -> None:
        """Type into an element."""
        self.driver.find_element(By.CSS_SELECTOR, selector).send_keys(text)

    def press(self, key: str) -> None:
        """Press a key, wherever the focus is."""
        ActionChains(self.driver).send_keys(key).perform()

    def complaints(self) -> list[str]:
        """Return what the console says since the last call, but for what is mere information."""
        entries: list[dict[str, Any]] = self.driver.get_log("browser")  # type: ignore[no-untyped-call]
        return [entry["message"] for entry in entries if entry["level"] in {"SEVERE", "WARNING"}]

    def requests(self) -> set[str]:
        """Return the addresses that the page asked for since the last call."""
        entries: list[dict[str, Any]] = self.driver.get_log("performance")  # type: ignore[no-untyped-call]
        messages = [json.loads(entry["message"])["message"] for entry in entries]
        return {
            message["params"]["request"]["url"]
            for message in messages
            if message["method"] == "Network.requestWillBeSent"
        }

    def shoot(self, path: Path, *, whole: bool = False) -> None:
        """Take a picture, of the whole page if asked to."""
        if not whole:
            self.driver.save_screenshot(str(path))
            return
        shot = self.driver.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True})
        path.write_bytes(base64.b64decode(shot["data"]))
