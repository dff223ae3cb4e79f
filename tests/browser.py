"""A real browser without a window: Chromium, spoken to through its pipe (the DevTools protocol)."""

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from requirements import require


class Page:
    """One page, and all that the browser says while it is open."""

    def __init__(self, to_browser: int, from_browser: int) -> None:
        self._to, self._from = to_browser, from_browser
        self._number, self._rest = 0, b""
        self.events: list[dict[str, Any]] = []
        self._session: str | None = None
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")

    def open(self, file: Path, width: int = 1200, height: int = 900, *, dark: bool = False) -> None:
        """Loads a file from the disk, whole."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.send("Emulation.setDeviceMetricsOverride", **size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.send("Emulation.setEmulatedMedia", features=[scheme])
        self.events.clear()
        self.send("Page.navigate", url=file.absolute().as_uri())
        while not any(event.get("method") == "Page.loadEventFired" for event in self.events):
            self._read()

    def run(self, script: str) -> Any:
        """What an expression of JavaScript gives on the page."""
        answer = self.send("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def picture(self, file: Path) -> None:
        """What a person sees."""
        whole = self.send("Page.captureScreenshot", captureBeyondViewport=True)
        file.write_bytes(base64.b64decode(whole["data"]))

    @property
    def complaints(self) -> list[str]:
        """Errors of scripts, and whatever else the browser's console shows."""
        kinds = ("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded")
        return [json.dumps(event["params"]) for event in self.events if event.get("method") in kinds]

    @property
    def requests(self) -> list[str]:
        """The addresses that were asked for, pictures in the page left out."""
        sent = [event for event in self.events if event.get("method") == "Network.requestWillBeSent"]
        urls = [event["params"]["request"]["url"] for event in sent]
        return [url for url in urls if not url.startswith("data:")]

    def send(self, method: str, **parameters: Any) -> Any:
        """Asks for something, and waits for the answer."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return answer["result"]

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            piece = os.read(self._from, 1 << 16)
            assert piece, "the browser has gone"
            self._rest += piece
        text, _, self._rest = self._rest.partition(b"\0")
        message: dict[str, Any] = json.loads(text)
        if "method" in message:
            self.events.append(message)
        return message


@contextmanager
def _started(folder: Path) -> Iterator[Page]:
    program = shutil.which("chromium") or shutil.which("google-chrome")
    require("chromium", "it is not installed" if program is None else None)
    (to_read, to_browser), (from_browser, to_write) = os.pipe(), os.pipe()

    def place() -> None:
        os.dup2(to_read, 3)
        os.dup2(to_write, 4)

    flags = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--remote-debugging-pipe")
    # Copies above 4 first, so that neither of the two is written over by the other.
    to_read, to_write = os.dup(to_read), os.dup(to_write)
    browser = subprocess.Popen(
        [str(program), *flags, f"--user-data-dir={folder}"],
        preexec_fn=place,  # noqa: PLW1509 -- nothing but the two file descriptors that Chromium asks for
        close_fds=False,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield Page(to_browser, from_browser)
    finally:
        browser.terminate()
        browser.wait(timeout=300)
        for descriptor in (to_read, to_browser, from_browser, to_write):
            os.close(descriptor)


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """A page of a browser that is there for all tests."""
    with _started(tmp_path_factory.mktemp("chromium")) as page:
        yield page
