"""A headless Chromium for tests of a page, spoken to over its DevTools protocol."""

import asyncio
import base64
import itertools
import json
import os
import re
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_ADDRESS = re.compile(rb"DevTools listening on (ws://\S+)")
_TROUBLE = ("Runtime.exceptionThrown", "Log.entryAdded")


def find_browser() -> str | None:
    """The path of an installed Chromium, or None."""
    return next((path for name in _NAMES if (path := shutil.which(name))), None)


class Page:
    """A tab of the browser.

    Attributes:
        trouble: What the console complained of, and every request for anything but the page.
    """

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._events: dict[str, asyncio.Event] = {}
        self._session = ""
        self.trouble: list[str] = []

    async def listen(self) -> None:
        """Sort what the browser says until it stops."""
        async for message in self._socket:
            told = json.loads(message.data)
            if "id" in told:
                self._answers.pop(told["id"]).set_result(told)
                continue
            self._note(told["method"], told["params"])

    def _note(self, method: str, params: dict[str, Any]) -> None:
        if method in _TROUBLE or (
            method == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning")
        ):
            self.trouble.append(json.dumps(params)[:500])
        if method == "Network.requestWillBeSent":
            url = params["request"]["url"]
            if not url.startswith(("file:", "data:")):
                self.trouble.append(f"request for {url}")
        if method in self._events:
            self._events[method].set()

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        """A command of the DevTools protocol, and its result."""
        number = next(self._numbers)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        told: dict[str, Any] = {"id": number, "method": method, "params": params}
        if self._session:
            told["sessionId"] = self._session
        await self._socket.send_json(told)
        found = await answer
        if "error" in found:
            raise RuntimeError(f"{method}: {found['error']}")
        return dict(found["result"])

    async def start(self) -> None:
        """Open the tab."""
        target = await self.call("Target.createTarget", url="about:blank")
        attached = await self.call(
            "Target.attachToTarget", targetId=target["targetId"], flatten=True
        )
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            await self.call(f"{domain}.enable")

    async def open(
        self,
        path: Path,
        *,
        width: int = 1280,
        height: int = 900,
        dark: bool = False,
        zoom: float = 1,
    ) -> None:
        """Load a file in a window of this size."""
        await self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=zoom,
            mobile=width < 600,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        await self.call("Emulation.setEmulatedMedia", features=[scheme])
        loaded = self._events["Page.loadEventFired"] = asyncio.Event()
        await self.call("Page.navigate", url=path.resolve().as_uri())
        await loaded.wait()

    async def run(self, script: str) -> Any:
        """The value of a JavaScript expression, which may be a promise."""
        found = await self.call(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        if "exceptionDetails" in found:
            raise RuntimeError(json.dumps(found["exceptionDetails"]))
        return found["result"].get("value")

    async def screenshot(self, path: Path, *, whole: bool = False) -> None:
        """A picture of the window, or of the whole page."""
        found = await self.call(
            "Page.captureScreenshot",
            captureBeyondViewport=whole,
            **({"clip": await self._size()} if whole else {}),
        )
        path.write_bytes(base64.b64decode(found["data"]))

    async def _size(self) -> dict[str, float]:
        size = (await self.call("Page.getLayoutMetrics"))["cssContentSize"]
        return {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}


@asynccontextmanager
async def browser_page(program: str) -> AsyncIterator[Page]:
    """A browser with one tab; it ends with the block."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        flags = ["--headless=new", "--remote-debugging-port=0", f"--user-data-dir={profile}"]
        flags += ["--no-first-run", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"]
        flags += ["--disable-background-networking", "--disable-component-update"]
        if os.geteuid() == 0:
            flags.append("--no-sandbox")
        process = await asyncio.create_subprocess_exec(
            program, *flags, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
        )
        try:
            assert process.stderr is not None
            while not (found := _ADDRESS.search(await process.stderr.readline())):
                assert process.returncode is None
            drained = asyncio.create_task(process.stderr.read())
            async with aiohttp.ClientSession() as session:
                async with session.ws_connect(
                    found[1].decode(), max_msg_size=0, heartbeat=None
                ) as socket:
                    page = Page(socket)
                    listening = asyncio.create_task(page.listen())
                    await page.start()
                    yield page
                listening.cancel()
            drained.cancel()
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()
