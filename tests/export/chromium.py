"""Headless Chromium, driven by the DevTools protocol through a pair of pipes: no package, no port."""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support import skip_or_fail

# As root, and without the errands that a browser runs at home.
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PATIENCE_SECONDS = 120


class Tab:
    """One page of a browser; `requests` holds the addresses that it has asked for, `errors` what its scripts said."""

    def __init__(self, commands: int, answers: int) -> None:
        self._commands, self._answers = commands, os.fdopen(answers, "rb", buffering=0)
        self._number, self._session, self._rest = 0, "", b""
        self._loaded = False
        self.requests: list[str] = []
        self.errors: list[str] = []
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "DOM"):
            self.send(f"{domain}.enable")

    def send(self, method: str, **parameters: Any) -> Any:
        """Send a command of the protocol, and give its result."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                assert "error" not in answer, (method, answer["error"])
                return answer["result"]

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            block = self._answers.read(1 << 16)
            assert block, "the browser has ended"
            self._rest += block
        line, _, self._rest = self._rest.partition(b"\0")
        event = json.loads(line)
        match event.get("method"):
            case "Network.requestWillBeSent":
                self.requests.append(event["params"]["request"]["url"])
            case "Page.loadEventFired":
                self._loaded = True
            case "Runtime.exceptionThrown":
                self.errors.append(json.dumps(event["params"]["exceptionDetails"]))
        return event

    def close(self) -> None:
        """Close the pipes."""
        os.close(self._commands)
        self._answers.close()

    def open(self, address: str) -> None:
        """Go to an address, and wait until the page and what it names are there."""
        self.requests.clear()
        self.errors.clear()
        self._loaded = False
        self.send("Page.navigate", url=address)
        while not self._loaded:
            self._next()

    def value(self, expression: str) -> Any:
        """Give the value of a JavaScript expression, awaited where it is a promise."""
        answer = self.send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait(self, expression: str) -> Any:
        """Wait until a JavaScript expression is true, and give its value."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not (found := self.value(expression)):
            assert time.monotonic() < deadline, (expression, self.value("document.body.innerText"), self.errors)
            time.sleep(0.02)
        return found

    def choose(self, selector: str, paths: list[Path]) -> None:
        """Choose files in an input, as its dialog does."""
        root = self.send("DOM.getDocument")["root"]["nodeId"]
        node = self.send("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.send("DOM.setFileInputFiles", nodeId=node, files=[str(path) for path in paths])

    def press(self, key: str, *, code: str, number: int, text: str = "") -> None:
        """Press a key and let it go."""
        named: dict[str, Any] = {"key": key, "code": code, "windowsVirtualKeyCode": number}
        self.send("Input.dispatchKeyEvent", type="keyDown", **named, **({"text": text} if text else {}))
        self.send("Input.dispatchKeyEvent", type="keyUp", **named)


@contextmanager
def chromium(profile: Path, *flags: str) -> Iterator[Tab]:
    """A new browser with one page; skips where there is none."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        skip_or_fail("Chromium is not installed")
    (read_command, commands), (answers, write_answer) = os.pipe(), os.pipe()
    # The browser reads from 3 and writes to 4; a shell of one line gives the pipes these numbers.
    wrapped = ["bash", "-c", f'exec "$@" 3<&{read_command} 4>&{write_answer}', "bash", program]
    process = subprocess.Popen(
        [*wrapped, *FLAGS, *flags, "--remote-debugging-pipe", f"--user-data-dir={profile}"],
        pass_fds=(read_command, write_answer),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(read_command)
    os.close(write_answer)
    tab = Tab(commands, answers)
    try:
        yield tab
    finally:
        tab.close()
        process.kill()
        process.wait()
