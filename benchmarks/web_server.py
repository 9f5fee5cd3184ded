"""A real server in a process of its own, and somebody who uses it: what measurements and tests of the site share."""

from __future__ import annotations

import contextlib
import http.client
import multiprocessing
import os
import re
import time
import urllib.parse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Self

OWN = {"Sec-Fetch-Site": "same-origin"}
PASSWORD = "a sentence of mine"
PATIENCE = 120.0
"""Seconds that a start may take, on a machine with other work to do."""
_TOKEN = re.compile(rb'name="csrf" value="([0-9a-f]+)"')
_ADDRESS = re.compile(r"Open http://[^\s:]+:(\d+) in a browser")
_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["torch", "cv2", "uvicorn", "clip_emotion.cli.main", "clip_emotion.web.app"])


def _serve(arguments: Sequence[str], environment: Mapping[str, str], said: Path) -> None:
    os.environ.update(environment)
    handle = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    from clip_emotion.cli.main import main

    os._exit(main(["serve", *arguments]))


@dataclass
class Server:
    """A server that runs: its process, its port, the file of what it says, and its data."""

    process: ForkServerProcess
    port: int
    said: Path
    data: Path

    @property
    def address(self) -> str:
        """The address that browsers open."""
        return f"http://127.0.0.1:{self.port}"

    def kill(self) -> None:
        """End the process as a power cut would."""
        self.process.kill()
        self.process.join()

    def stop(self) -> None:
        """End the process as Ctrl-C would, or else as a power cut."""
        self.process.terminate()
        self.process.join(20)
        self.kill()


def start(data: Path, *options: str, environment: Mapping[str, str] | None = None, host: str = "127.0.0.1") -> Server:
    """Start ``clip-emotion serve`` on a free port and return it when it answers; raises RuntimeError where it fails.

    ``environment`` holds settings, such as ``{"CLIP_EMOTION_WEB_QUEUE": "8"}``; ``host`` is a name that it answers to.
    """
    said = data.with_name(f"{data.name}.said")
    arguments = ["--port", "0", "--data", str(data), *options]
    process = _context.Process(target=_serve, args=(arguments, dict(environment or {}), said), daemon=True)
    process.start()
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and process.is_alive():
        found = _ADDRESS.search(said.read_text("utf-8")) if said.exists() else None
        if found:
            server = Server(process, int(found[1]), said, data)
            with contextlib.suppress(OSError, http.client.HTTPException):
                if Person(server.port, host=host).get("/readyz").status == 200:
                    return server
        time.sleep(0.05)
    process.kill()
    raise RuntimeError(f"The server did not start: {said.read_text('utf-8') if said.exists() else 'nothing was said'}")


@contextlib.contextmanager
def serving(
    data: Path, *options: str, environment: Mapping[str, str] | None = None, host: str = "127.0.0.1"
) -> Iterator[Server]:
    """Serve within a block."""
    server = start(data, *options, environment=environment, host=host)
    try:
        yield server
    finally:
        server.stop()


@dataclass(frozen=True)
class Answer:
    """What the server answered."""

    status: int
    location: str
    body: bytes


class Person:
    """Somebody at the site, over one connection; small enough that fifty of them cost the server's machine little."""

    def __init__(self, port: int, timeout: float = 60.0, host: str = "127.0.0.1") -> None:
        self._host = host
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
        self.cookies: dict[str, str] = {}
        self.token = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *given: object) -> None:
        self._connection.close()

    def get(self, path: str) -> Answer:
        """Open a page."""
        return self._send("GET", path, b"", {})

    def post(self, path: str, **fields: str) -> Answer:
        """Send a form, with its token."""
        form = urllib.parse.urlencode({"csrf": self.token, **fields}).encode("ascii")
        return self._send("POST", path, form, {**OWN, "Content-Type": "application/x-www-form-urlencoded"})

    def upload(self, path: str, field: str, files: Sequence[bytes], **fields: str) -> Answer:
        """Send a form with files."""
        parts = [_part(f'name="{name}"', value.encode()) for name, value in {"csrf": self.token, **fields}.items()]
        parts += [_part(f'name="{field}"; filename="{number}.jpg"', one) for number, one in enumerate(files)]
        body = b"".join([*parts, b"--part--\r\n"])
        return self._send("POST", path, body, {**OWN, "Content-Type": "multipart/form-data; boundary=part"})

    def sign_up(self, email: str) -> None:
        """Make an account and log in, again where the site is busy; raises RuntimeError where that is refused."""
        self.get("/")
        for path in ("/register", "/login"):
            status = self.post(path, email=email, password=PASSWORD).status
            for _ in range(60):
                if status != 503:
                    break
                time.sleep(1)
                status = self.post(path, email=email, password=PASSWORD).status
            if status != 303:
                raise RuntimeError(f"{path} was answered with {status}.")
        self.get("/account")

    def _send(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> Answer:
        cookie = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        self._connection.request(
            method, path, body or None, {"Host": self._host, **headers, **cookie, "Accept-Language": "en"}
        )
        answer = self._connection.getresponse()
        content = answer.read()
        for line in answer.headers.get_all("Set-Cookie") or ():
            name, _, value = line.split(";")[0].partition("=")
            self.cookies[name] = value.strip('"')
        found = _TOKEN.search(content)
        self.token = found[1].decode("ascii") if found else self.token
        return Answer(answer.status, answer.headers.get("Location", ""), content)


def _part(head: str, content: bytes) -> bytes:
    return f"--part\r\nContent-Disposition: form-data; {head}\r\n\r\n".encode() + content + b"\r\n"
