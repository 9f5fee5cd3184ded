"""A camera that tests make: one RTSP stream over TCP, of a video's bytes as MPEG transport stream in RTP."""

from __future__ import annotations

import socketserver
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CHUNK = 7 * 188
"""So many bytes of a transport stream stand in a packet of RTP."""
SDP = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=camera\r\nt=0 0\r\nm=video 0 RTP/AVP 33\r\na=control:track\r\n"


@contextmanager
def camera(video: Path, *, rate: float = 400_000) -> Iterator[str]:
    """Serve a .ts file at ``rate`` bytes a second, then close the connection; hand out the address."""
    content = video.read_bytes()

    class Session(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while request := self._request():
                method, number = request
                extra = {
                    "OPTIONS": "Public: DESCRIBE, SETUP, PLAY\r\n",
                    "DESCRIBE": f"Content-Type: application/sdp\r\nContent-Length: {len(SDP)}\r\n",
                    "SETUP": "Session: 1\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n",
                }.get(method, "Session: 1\r\n")
                body = SDP if method == "DESCRIBE" else ""
                self.wfile.write(f"RTSP/1.0 200 OK\r\nCSeq: {number}\r\n{extra}\r\n{body}".encode())
                if method == "PLAY":
                    return self._play()

        def _request(self) -> tuple[str, str] | None:
            lines: list[str] = []
            while (line := self.rfile.readline().decode().strip()) or not lines:
                if not line and not lines:
                    return None
                lines.append(line)
            number = next(line.split(":")[1].strip() for line in lines if line.lower().startswith("cseq"))
            return lines[0].split()[0], number

        def _play(self) -> None:
            for at, start in enumerate(range(0, len(content), CHUNK)):
                chunk = content[start : start + CHUNK]
                packet = struct.pack(">BBHII", 0x80, 33, at & 0xFFFF, at * 90, 7) + chunk
                self.wfile.write(struct.pack(">BBH", 0x24, 0, len(packet)) + packet)
                time.sleep(len(chunk) / rate)

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address, daemon_threads = True, True

    with Server(("127.0.0.1", 0), Session) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"rtsp://someone:secret@127.0.0.1:{server.server_address[1]}/live"
        finally:
            server.shutdown()
