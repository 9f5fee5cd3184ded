"""What whoever runs the site relies on: uploads without end, backups that can be restored, the unit of systemd."""

from __future__ import annotations

import contextlib
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.pictures import GRACE_HOPPER

pytestmark = pytest.mark.real_data  # real servers
DOCS = Path(__file__).parents[3] / "docs" / "serving.md"
MIB = 2**20


def resident(pid: int | None) -> int:
    """Return the most memory that a process had, in MiB."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1]) // 1024


def endless(port: int, head: str) -> Iterator[tuple[int, bytes]]:
    """Send two gigabytes in chunks, without a length, and yield how many MiB went out and what was answered."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as sent:
        part = b'--part\r\nContent-Disposition: form-data; name="pictures"; filename="a.png"\r\n\r\n'
        sent.sendall(f"{head}\r\nTransfer-Encoding: chunked\r\n\r\n".encode() + b"%x\r\n%s\r\n" % (len(part), part))
        piece, went = b"%x\r\n%s\r\n" % (MIB, b"\xff" * MIB), 0
        with contextlib.suppress(OSError):
            while went < 2048:
                sent.sendall(piece)
                went += 1
        answer = b""
        with contextlib.suppress(OSError):
            answer = sent.recv(4096)
        yield went, answer


def test_two_gigabytes_in_chunks(tmp_path: Path) -> None:
    from web_server import OWN, Person, serving

    with serving(tmp_path / "data") as server, Person(server.port) as person:
        person.sign_up("large@example.org")
        assert person.upload("/label", "pictures", [GRACE_HOPPER.read_bytes()]).status == 303
        before = resident(server.process.pid)
        cookies = "; ".join(f"{name}={value}" for name, value in person.cookies.items())
        common = f"Host: 127.0.0.1\r\nSec-Fetch-Site: {OWN['Sec-Fetch-Site']}\r\nCookie: {cookies}"
        for path, most in (("/label", 200), ("/score", 64), ("/try", 20), ("/login", 1)):
            head = f"POST {path} HTTP/1.1\r\n{common}\r\nContent-Type: multipart/form-data; boundary=part"
            ((went, answer),) = endless(server.port, head)
            assert went < most + 40, f"{path}: {went} MiB were taken"
            assert not answer or answer.startswith(b"HTTP/1.1 413"), answer
        assert resident(server.process.pid) - before < 60, "memory grew with the upload"
        assert Person(server.port).get("/healthz").status == 200
        assert list((tmp_path / "data" / "temporary").iterdir()) == []


def test_a_backup_of_a_running_site_can_be_restored(tmp_path: Path) -> None:
    from web_server import Person, serving

    data, backup = tmp_path / "data", tmp_path / "backup"
    backup.mkdir(mode=0o700)
    with serving(data) as server, Person(server.port) as person:
        person.sign_up("kept@example.org")
        place = person.upload("/label", "pictures", [GRACE_HOPPER.read_bytes()], words="calm,proud").location
        person.post(place, do="save")
        live, copy = (contextlib.closing(sqlite3.connect(folder / "site.db")) for folder in (data, backup))
        with live as from_here, copy as to_there:
            from_here.backup(to_there)
        shutil.copytree(data / "pictures", backup / "pictures")
        shutil.copy2(data / "secret", backup / "secret")
        person.upload("/label", "pictures", [GRACE_HOPPER.read_bytes()], words="calm,proud")
        cookies, token = person.cookies, person.token
    with serving(backup) as server, Person(server.port) as person:
        person.cookies, person.token = cookies, token
        page = person.get(place).body.decode()
        (picture,) = set(re.findall(r'src="(/pictures/[^"]+)"', page))
        assert person.get(picture).status == 200
        assert len(list((backup / "pictures").iterdir())) == 1


def test_a_stop_is_a_stop(tmp_path: Path) -> None:
    """Systemd and Docker end a service by SIGTERM: what runs is answered, and the folder is free for the next."""
    from web_server import start

    server = start(tmp_path / "data")
    server.process.terminate()
    server.process.join(30)
    assert server.process.exitcode in (0, -signal.SIGTERM)
    start(tmp_path / "data").stop()


def test_the_unit_is_one(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("there is no systemd-analyze: apt-get install systemd")
    (unit,) = re.findall(r"```ini\n(.*?)```", DOCS.read_text("utf-8"), re.DOTALL)
    path = tmp_path / "clip-emotion.service"
    program = "/opt/clip-emotion/bin/clip-emotion"
    assert program in unit
    path.write_text(unit.replace(program, "/bin/true").replace("User=clip-emotion", "User=root"), "utf-8")
    result = subprocess.run([analyze, "verify", "--man=no", path], capture_output=True, text=True)
    assert [line for line in result.stderr.splitlines() if path.name in line] == []
