"""The ground: nothing shadows Hugging Face's datasets, nothing heavy is imported early, errors become sentences."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from clip_emotion import __version__
from clip_emotion.cli import main as command_line
from clip_emotion.cli.common import progress_bar, write_atomic
from clip_emotion.errors import DataError, UsageError
from tests.cli.test_texts import VERBS

ROOT = Path(__file__).resolve().parents[1]
HEAVY = {"torch", "transformers", "datasets", "cv2", "open_clip", "sklearn", "pyarrow", "matplotlib"}


def python(code: str, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
    )


def test_datasets_is_hugging_faces_from_the_repository_root() -> None:
    result = python("import datasets; print(datasets.__file__); print(datasets.Dataset.from_dict({'a': [1]}).num_rows)")
    assert result.returncode == 0, result.stderr
    place, rows = result.stdout.split()
    assert not Path(place).is_relative_to(ROOT / "datasets")
    assert "site-packages" in Path(place).parts
    assert rows == "1"


def test_nothing_heavy_is_imported_for_any_verbs_help() -> None:
    commands = [*([*verb, "--help"] for verb in VERBS), ["--version"]]
    code = f"from clip_emotion.cli.main import main\nassert {{main(command) for command in {commands!r}}} == {{0}}"
    result = python(f"import sys\n{code}\nprint('loaded:', *sorted({HEAVY!r} & sys.modules.keys()), file=sys.stderr)")
    assert result.returncode == 0, result.stderr
    assert result.stderr.strip() == "loaded:"


def test_importing_makes_no_files(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    result = python("import clip_emotion, clip_emotion.cli.main", cwd=tmp_path, HOME=str(home), PYTHONPATH=str(ROOT))
    assert result.returncode == 0, result.stderr
    assert list(home.iterdir()) == []
    assert [path.name for path in tmp_path.iterdir()] == ["home"]


def test_square_brackets_in_help_are_text_and_not_markup(capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line.main(["evaluate", "--help"]) == 0
    assert ".tsv[.gz]" in capsys.readouterr().out


def test_shim_runs_from_a_clone(tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, str(ROOT / "cli.py"), "--version"], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout == f"clip-emotion {__version__}\n"


@pytest.mark.parametrize("arguments", [["no-such-verb"], ["--no-such-option"], ["doctor", "--format", "poem"]])
def test_misuse_exits_2_and_leaves_stdout_alone(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line.main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err


def raising(error: BaseException) -> typer.Typer:
    broken = typer.Typer(pretty_exceptions_enable=False)

    @broken.command()
    def fail() -> None:
        raise error

    return broken


@pytest.mark.parametrize(
    ("error", "code", "sentence"),
    [
        (
            DataError("The folder 사진 [1] is empty: add pictures."),
            1,
            "Error: The folder 사진 [1] is empty: add pictures.\n",
        ),
        (UsageError("Unknown."), 2, "Error: Unknown.\n"),
        (ZeroDivisionError("by zero"), 1, "Error: ZeroDivisionError: by zero (run again with --debug for where it"),
        (KeyboardInterrupt(), 130, "Interrupted: what was written so far is kept.\n"),
        (typer.Exit(1), 1, ""),
    ],
)
def test_errors_become_one_sentence_and_an_exit_code(
    error: BaseException,
    code: int,
    sentence: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(command_line, "app", raising(error))
    monkeypatch.delenv(command_line.DEBUG_VARIABLE, raising=False)
    assert command_line.main([]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(sentence)
    assert "Traceback" not in err
    assert err.count("\n") == bool(sentence)


def test_debug_shows_the_traceback(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(command_line, "app", raising(DataError("Gone.")))
    monkeypatch.setenv(command_line.DEBUG_VARIABLE, "1")
    assert command_line.main([]) == 1
    err = capsys.readouterr().err
    assert "Traceback" in err
    assert err.endswith("Error: Gone.\n")


def test_korean_goes_out_as_utf8_in_any_locale() -> None:
    code = "from clip_emotion.cli import main as m; m._speak_utf8(); print('설렘', '\\udcff')"
    result = python(code, PYTHONIOENCODING="ascii", LC_ALL="C")
    assert result.returncode == 0, result.stderr
    assert result.stdout == "설렘 \\udcff\n"


def test_a_reader_that_goes_away_is_no_error() -> None:
    code = "import sys\nfrom clip_emotion.cli.main import main\nsys.exit(main(['doctor', '--help']))"
    reader, writer = os.pipe()
    os.close(reader)
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, stdout=writer, stderr=subprocess.PIPE, timeout=120)
    os.close(writer)
    assert result.stderr == b""
    assert result.returncode == 1


def test_write_atomic_replaces_whole_files_and_leaves_no_neighbours(tmp_path: Path) -> None:
    target = tmp_path / "깊은" / "report.html"
    write_atomic(target, "설렘\n")
    write_atomic(target, b"\x00\x01")
    assert target.read_bytes() == b"\x00\x01"
    assert [path.name for path in target.parent.iterdir()] == ["report.html"]


def test_write_atomic_says_in_one_sentence_why_it_cannot(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a file, not a folder")
    with pytest.raises(UsageError, match="Cannot write"):
        write_atomic(tmp_path / "file" / "report.html", "x")
    (tmp_path / "folder").mkdir()
    with pytest.raises(UsageError, match="Cannot write"):
        write_atomic(tmp_path / "folder", "x")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


def test_progress_is_silent_where_stderr_is_no_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with progress_bar("Reading", total=3) as advance:
        for _ in range(3):
            advance(1)
    assert isinstance(sys.stderr, io.StringIO)
    assert sys.stderr.getvalue() == ""
    assert capsys.readouterr().out == ""
