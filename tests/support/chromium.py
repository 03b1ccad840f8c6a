"""Drives a headless Chromium over the DevTools protocol: open a page, run script in it, see what it complained about.

https://chromedevtools.github.io/devtools-protocol/
"""

import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from websockets.sync.client import ClientConnection, connect

NAMES = ("chromium", "chromium-browser", "google-chrome")
OPTIONS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-extensions",
    "--disable-background-networking",
    "--no-first-run",
    "--remote-debugging-port=0",
    "--window-size=1280,1600",
)
PATIENCE = 30


def executable() -> str | None:
    """The Chromium of this machine, if it has one."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


class Page:
    """One tab. `complaints` are console errors, exceptions and blocked loads; `requested` the URLs it asked for."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._number = 0
        self.complaints: list[str] = []
        self.requested: list[str] = []
        for domain in ("Page", "Runtime", "Log", "Network", "Audits"):
            self.command(f"{domain}.enable")

    def command(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command and wait for its result; events that come in between are noted."""
        self._number += 1
        self._socket.send(json.dumps({"id": self._number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._socket.recv(timeout=PATIENCE))
            if message.get("id") == self._number:
                assert "error" not in message, message
                result: dict[str, Any] = message["result"]
                return result
            self._note(message)

    def open(self, url: str) -> None:
        """Go to a URL."""
        self.command("Page.navigate", url=url)

    def run(self, script: str) -> Any:
        """The value of a JavaScript expression, promises awaited."""
        answer = self.command("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def until(self, script: str) -> None:
        """Wait until an expression is truthy. Fails after half a minute."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if self.run(f"Boolean({script})"):
                return
            time.sleep(0.05)
        raise AssertionError(f"not within {PATIENCE} s: {script}; complaints: {self.complaints}")

    def _note(self, message: dict[str, Any]) -> None:
        method, details = message.get("method"), message.get("params", {})
        if method == "Runtime.exceptionThrown":
            self.complaints.append(str(details["exceptionDetails"]))
        elif method == "Runtime.consoleAPICalled" and details["type"] in ("error", "warning"):
            self.complaints.append(
                str([argument.get("value", argument.get("description")) for argument in details["args"]])
            )
        elif method == "Log.entryAdded" and details["entry"]["level"] in ("error", "warning"):
            self.complaints.append(details["entry"]["text"])
        elif method == "Audits.issueAdded" and "Security" in details["issue"]["code"]:
            self.complaints.append(str(details["issue"]))
        elif method == "Network.requestWillBeSent":
            self.requested.append(details["request"]["url"])


@contextmanager
def chromium(profile: Path) -> Iterator[Page]:
    """A browser with an empty profile in the folder, and its tab."""
    path = executable()
    assert path is not None
    command = [path, *OPTIONS, f"--user-data-dir={profile}", "about:blank"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        with connect(_tab(profile, process), max_size=None, compression=None) as socket:
            yield Page(socket)
    finally:
        process.terminate()
        process.wait(10)


def _tab(profile: Path, process: "subprocess.Popen[bytes]") -> str:
    """The address of the first tab; Chromium writes its port into the profile."""
    file = profile / "DevToolsActivePort"
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and process.poll() is None:
        if file.exists() and (port := file.read_text().partition("\n")[0]):
            targets = httpx.get(f"http://127.0.0.1:{port}/json", trust_env=False).json()
            address = next((target["webSocketDebuggerUrl"] for target in targets if target["type"] == "page"), None)
            if address:
                return str(address)
        time.sleep(0.05)
    raise AssertionError("Chromium did not start")
