"""Controls a headless Chromium through the DevTools protocol, to test rendered pages.

`python -m tests.browser PAGE PNG` takes the picture of a page as on a desk, for the documentation.
"""

import base64
import io
import json
import pathlib
import subprocess
import sys
import tempfile
import time
from typing import Any

import numpy as np
from PIL import Image
from websockets.sync.client import connect

HEIGHT = 900  # pixels of the window
PATIENCE = 300  # seconds for Chromium to start, and for each answer
READABLE = 4.5  # minimum contrast ratio of text: WCAG 2.2, success criterion 1.4.3

# Computes the lowest contrast ratio (WCAG 2.2) between any text and the page's background.
LEAST_CONTRAST = """
(() => {
  const luminance = color => color.match(/[\\d.]+/g).slice(0, 3).map(value => {
    const share = value / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  }).reduce((sum, value, i) => sum + [0.2126, 0.7152, 0.0722][i] * value, 0);
  const page = luminance(getComputedStyle(document.body).backgroundColor);
  const isText = node => node.nodeType === Node.TEXT_NODE && node.textContent.trim();
  const ratios = [...document.body.querySelectorAll('*')]
    .filter(element => [...element.childNodes].some(isText))
    .map(element => getComputedStyle(element)[element.tagName === 'text' ? 'fill' : 'color'])
    .map(color => [luminance(color), page].sort((a, b) => b - a))
    .map(([light, dark]) => (light + 0.05) / (dark + 0.05));
  return Math.min(...ratios);
})()
"""


class Chromium:
    """A browser with one page and no network access. Use it as a context manager.

    Attributes:
        events: (method, params) of all events since the last `open`.
    """

    def __init__(self, executable: str, profile: pathlib.Path) -> None:
        self.events: list[tuple[str, dict[str, Any]]] = []
        self._profile = profile
        self._number = 0
        self._process = subprocess.Popen(
            [
                executable,
                "--headless",
                "--no-sandbox",  # Chromium's sandbox does not run as root, as in a container
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--hide-scrollbars",
                "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
                "--remote-debugging-port=0",
                f"--user-data-dir={profile}",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def __enter__(self) -> "Chromium":
        port, path = self._address()
        # A busy machine may keep Chromium from an answer for longer than the library waits.
        self._socket = connect(
            f"ws://127.0.0.1:{port}{path}",
            open_timeout=PATIENCE,
            ping_interval=None,
            max_size=None,
        )
        self._session: dict[str, str] = {}
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = {"sessionId": attached["sessionId"]}
        for domain in ("Page", "Network", "Log", "Runtime"):
            self.call(f"{domain}.enable")
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()
        self._process.terminate()
        self._process.wait(PATIENCE)

    def _address(self) -> list[str]:
        file = self._profile / "DevToolsActivePort"
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and self._process.poll() is None:
            if file.exists() and len(lines := file.read_text().splitlines()) == 2:
                return lines
            time.sleep(0.05)
        self._process.kill()
        raise RuntimeError(f"Chromium did not start; its exit code is {self._process.wait()}")

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Calls a method of the protocol and returns its result."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params, **self._session}
        self._socket.send(json.dumps(message))
        while (answer := self._receive()).get("id") != self._number:
            pass
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']['message']}")
        return answer["result"]

    def _receive(self) -> dict[str, Any]:
        message = json.loads(self._socket.recv(PATIENCE))
        if "method" in message:
            self.events.append((message["method"], message["params"]))
        return message

    def open(self, page: pathlib.Path, width: int, scheme: str) -> None:
        """Opens a file in a window `width` pixels wide, in the color scheme light or dark."""
        self.visit(page.as_uri(), width, scheme)

    def visit(self, url: str, width: int, scheme: str) -> None:
        """Opens an address as `open` opens a file."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=HEIGHT,
            deviceScaleFactor=1,
            mobile=False,
        )
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self.call("Emulation.setEmulatedMedia", features=[feature])
        self.events.clear()
        self.call("Page.navigate", url=url)
        while not self.reported("Page.loadEventFired"):
            self._receive()

    def reported(self, *methods: str) -> list[dict[str, Any]]:
        """Returns the params of all events with these methods."""
        return [params for method, params in self.events if method in methods]

    def evaluate(self, expression: str) -> Any:
        """Evaluates a JavaScript expression in the page."""
        answer = self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        if "exceptionDetails" in answer:
            raise RuntimeError(f"{expression}: {answer['exceptionDetails']['text']}")
        return answer["result"].get("value")

    def screenshot(self) -> np.ndarray:
        """Captures the whole page as uint8 [H, W, 3]."""
        png = self.call("Page.captureScreenshot", captureBeyondViewport=True)["data"]
        with Image.open(io.BytesIO(base64.b64decode(png))) as image:
            return np.asarray(image.convert("RGB"))


def assert_quiet(browser: Chromium) -> None:
    """Asserts that the page requested only itself, and reported no errors or messages."""
    urls = [sent["request"]["url"] for sent in browser.reported("Network.requestWillBeSent")]
    assert [url for url in urls if not url.startswith(("file:", "data:image/png;"))] == []
    assert sum(url.startswith("file:") for url in urls) == 1
    assert browser.reported("Log.entryAdded", "Runtime.exceptionThrown") == []
    assert browser.reported("Runtime.consoleAPICalled", "Page.javascriptDialogOpening") == []


def main(page: str, png: str) -> None:
    """Writes the picture of a page, 1200 pixels wide and in light colors, as a PNG file."""
    with (
        tempfile.TemporaryDirectory() as profile,
        Chromium("chromium", pathlib.Path(profile)) as browser,
    ):
        browser.open(pathlib.Path(page).absolute(), 1200, "light")
        Image.fromarray(browser.screenshot()).save(png, optimize=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
