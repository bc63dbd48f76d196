"""A headless Chromium, spoken to over its DevTools protocol: it prints the book, and the tests read pages with it.

    with Chromium() as chromium:
        page = chromium.open(Path("out/site/index.html").as_uri())
        title = page.evaluate("document.title")

The browser reaches no host but this machine: a page that asks for another finds none, and `requests` has the address.
"""

import base64
import json
import shutil
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

from websocket import create_connection

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, PROGRAMS)), None)
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--no-first-run",
    "--hide-scrollbars",
    "--force-color-profile=srgb",
    "--remote-debugging-port=0",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1",
)
STARTING = 60.0  # seconds of the clock, on a busy machine


class ChromiumError(RuntimeError):
    """Chromium is missing, or a page did not do what it was asked."""


class Page:
    """One page. `console` has what it wrote as an error or warning, `requests` every address it asked for."""

    def __init__(self, address: str) -> None:
        self.console: list[str] = []
        self.requests: list[str] = []
        self._socket = create_connection(address, suppress_origin=True, timeout=600, max_size=None)
        self._count = 0
        self._loaded = False
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Call a method of the protocol. Returns: its result. Raises: ChromiumError for an error."""
        self._count += 1
        self._socket.send(json.dumps({"id": self._count, "method": method, "params": params}))
        while True:
            message = json.loads(self._socket.recv())
            if message.get("id") == self._count:
                break
            self._record(message)
        if "error" in message:
            raise ChromiumError(f"{method}: {message['error']['message']}")
        return message["result"]

    def _record(self, message: dict[str, Any]) -> None:
        """Keep what the page says by itself."""
        method = message.get("method")
        params = message.get("params", {})
        if method == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        elif method == "Page.loadEventFired":
            self._loaded = True
        elif method == "Runtime.exceptionThrown":
            details = params["exceptionDetails"]
            self.console.append(details.get("exception", {}).get("description", details["text"]))
        elif method == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning"):
            self.console.append(" ".join(str(each.get("value", each.get("description"))) for each in params["args"]))
        elif method == "Log.entryAdded" and params["entry"]["level"] == "error":
            self.console.append(f"{params['entry']['text']} {params['entry'].get('url', '')}".strip())

    def navigate(self, address: str, seconds: float = 120) -> None:
        """Open an address and wait until the page has loaded."""
        self._loaded = False
        answer = self.call("Page.navigate", url=address)
        if answer.get("errorText"):
            raise ChromiumError(f"{address}: {answer['errorText']}")
        if "loaderId" not in answer:
            return  # another place of the same page
        end = time.monotonic() + seconds
        while not self._loaded:
            if time.monotonic() > end:
                raise ChromiumError(f"{address} did not load in {seconds:g} s")
            self.evaluate("0")
            time.sleep(0.01)

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression, awaited if it is a promise. Raises: ChromiumError where it throws."""
        result = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in result:
            details = result["exceptionDetails"]
            raise ChromiumError(details.get("exception", {}).get("description", details["text"]))
        return result["result"].get("value")

    def wait_for(self, expression: str, seconds: float = 60) -> Any:
        """Wait until a JavaScript expression is true. Returns: its value."""
        end = time.monotonic() + seconds
        while True:
            value = self.evaluate(expression)
            if value:
                return value
            if time.monotonic() > end:
                raise ChromiumError(f"`{expression}` was not true within {seconds:g} s")
            time.sleep(0.02)

    def emulate(self, width: int = 1280, height: int = 800, *, dark: bool = False, scale: float = 1) -> None:
        """Show the page on a screen of this size, and to a reader who prefers light or dark pages."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=scale,
            mobile=width < 700,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def press(self, key: str, text: str = "") -> None:
        """Press and release a key, by its name in the browser: "Tab", "Enter", "a"."""
        codes = {"Tab": 9, "Enter": 13, "Escape": 27, "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40}
        text = text or {"Enter": "\r"}.get(key, key if len(key) == 1 else "")
        common = {"key": key, "windowsVirtualKeyCode": codes.get(key, ord(key[0].upper()))}
        self.call("Input.dispatchKeyEvent", type="keyDown", text=text, **common)
        self.call("Input.dispatchKeyEvent", type="keyUp", **common)

    def screenshot(self, file: Path, *, whole: bool = False) -> None:
        """Write a PNG of what is seen, or of the whole page."""
        data = self.call("Page.captureScreenshot", captureBeyondViewport=whole)["data"]
        file.write_bytes(base64.b64decode(data))

    def print_pdf(self, file: Path, **options: Any) -> None:
        """Print the page to a PDF. Args: options: those of Page.printToPDF in the DevTools protocol."""
        stream = self.call("Page.printToPDF", transferMode="ReturnAsStream", printBackground=True, **options)["stream"]
        with file.open("wb") as out:
            while True:
                part = self.call("IO.read", handle=stream, size=1 << 20)
                out.write(base64.b64decode(part["data"]) if part["base64Encoded"] else part["data"].encode())
                if part["eof"]:
                    break
        self.call("IO.close", handle=stream)

    def close(self) -> None:
        """Close the page."""
        self.call("Page.close")
        self.shut()

    def shut(self) -> None:
        """End the talk with the page, which a browser that ends closes by itself."""
        self._socket.shutdown()


class Chromium:
    """A browser of its own profile, which ends with the `with` block."""

    def __init__(self) -> None:
        if CHROMIUM is None:
            raise ChromiumError(
                f"Chromium must be installed as one of {', '.join(PROGRAMS)}, and none is on `PATH`: "
                "install the package chromium of your system."
            )

    def __enter__(self) -> "Chromium":
        self._pages: list[Page] = []
        self._profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        command = [str(CHROMIUM), *FLAGS, f"--user-data-dir={self._profile.name}", "about:blank"]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        port = Path(self._profile.name) / "DevToolsActivePort"
        end = time.monotonic() + STARTING
        while not (port.exists() and port.read_text().count("\n")):
            ended = self._process.poll()
            if time.monotonic() > end or ended is not None:
                self.__exit__()
                happened = "was still starting"
                if ended is not None:
                    happened = f"ended with status {ended}"
                raise ChromiumError(
                    f"`{CHROMIUM}` must open its port within {STARTING:g} s, and it {happened}: "
                    f"run `{CHROMIUM} --headless --no-sandbox --dump-dom about:blank` to see what it says."
                )
            time.sleep(0.02)
        self._address = f"http://127.0.0.1:{port.read_text().splitlines()[0]}"
        return self

    def __exit__(self, *_: object) -> None:
        for page in self._pages:  # those that were not closed: a test that failed before it closed its page
            page.shut()
        self._process.terminate()
        self._process.wait()
        self._profile.cleanup()

    def open(self, address: str = "about:blank") -> Page:
        """Open a page of its own."""
        request = urllib.request.Request(f"{self._address}/json/new", method="PUT")
        with urllib.request.urlopen(request) as answer:
            page = Page(json.load(answer)["webSocketDebuggerUrl"])
        self._pages.append(page)
        if address != "about:blank":
            page.navigate(address)
        return page
