"""The ``clip-emotion`` command: its verbs, and the one place where errors become sentences and exit codes."""

from __future__ import annotations

import atexit
import io
import os
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

import typer
from typer.core import TyperGroup

from clip_emotion import __version__
from clip_emotion.cli.adapting.adapt import adapt
from clip_emotion.cli.adapting.calibrate import calibrate
from clip_emotion.cli.blend import blend
from clip_emotion.cli.common import say
from clip_emotion.cli.data.families import families
from clip_emotion.cli.data.merge import merge
from clip_emotion.cli.data.split import rename, split
from clip_emotion.cli.data.verbs import app as data_app
from clip_emotion.cli.doctor import doctor
from clip_emotion.cli.ensemble import ensemble
from clip_emotion.cli.evaluate.conversations import evaluate_conversations
from clip_emotion.cli.evaluate.images import evaluate
from clip_emotion.cli.evaluate.similarity import evaluate_similarity
from clip_emotion.cli.export.images import app as export_app
from clip_emotion.cli.export.onnx import onnx
from clip_emotion.cli.export.returned import import_words
from clip_emotion.cli.fuse import fuse
from clip_emotion.cli.hub import pull, push
from clip_emotion.cli.label import label
from clip_emotion.cli.score.verb import score
from clip_emotion.cli.serve import serve
from clip_emotion.cli.store.cluster import cluster
from clip_emotion.cli.store.embed import embed
from clip_emotion.cli.store.search import search
from clip_emotion.cli.store.verbs import app as store_app
from clip_emotion.cli.study import study
from clip_emotion.cli.train import train
from clip_emotion.cli.tune import tune
from clip_emotion.cli.weights import weights
from clip_emotion.errors import ClipEmotionError

DEBUG_VARIABLE = "CLIP_EMOTION_DEBUG"
BARS_VARIABLE = "HF_DATASETS_DISABLE_PROGRESS_BARS"
INTERRUPTED = 130
VALUE_ERROR = "Value error, "


class Verbs(TyperGroup):
    """The verbs, whose faults of options are told in plain words: pydantic puts ``Value error`` before them."""

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """Read the arguments before the verb."""
        with _plainly():
            return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: Any) -> Any:
        """Read the verb's own arguments, and run it."""
        with _plainly():
            return super().invoke(ctx)


@contextmanager
def _plainly() -> Iterator[None]:
    try:
        yield
    except typer.BadParameter as error:
        error.message = error.message.replace(VALUE_ERROR, "")
        raise


app = typer.Typer(
    name="clip-emotion",
    cls=Verbs,
    help="Name the emotion in a face with any words you like, in Korean or English; score how a conversation feels.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",  # help texts hold square brackets, which rich markup would swallow
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"clip-emotion {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(False, "--version", callback=_show_version, is_eager=True, help="Show the version."),
    debug: bool = typer.Option(False, "--debug", help=f"Show tracebacks of errors (also: {DEBUG_VARIABLE}=1)."),
) -> None:
    if debug:
        os.environ[DEBUG_VARIABLE] = "1"


app.command("label")(label)
app.command("embed")(embed)
app.command("search")(search)
app.command("cluster")(cluster)
app.add_typer(store_app, name="store")
app.command("adapt")(adapt)
app.command("calibrate")(calibrate)
app.command("score")(score)
app.command("evaluate")(evaluate)
app.command("evaluate-conversations")(evaluate_conversations)
app.command("evaluate-similarity")(evaluate_similarity)
app.command("train")(train)
app.command("blend")(blend)
app.command("ensemble")(ensemble)
app.command("fuse")(fuse)
app.command("tune")(tune)
app.command("study")(study)
app.add_typer(export_app, name="export")
export_app.command("onnx")(onnx)
app.command("import")(import_words)
app.command("push")(push)
app.command("pull")(pull)
app.command("weights")(weights)
app.add_typer(data_app, name="data")
data_app.command("merge")(merge)
data_app.command("split")(split)
data_app.command("rename")(rename)
data_app.command("families")(families)
app.command("serve")(serve)
app.command("doctor")(doctor)


def run(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line (``sys.argv`` by default) and leave the process with its exit code."""
    code = main(arguments)
    if threading.active_count() == 1 and "ray" not in sys.modules:
        _leave(code)
    sys.exit(code)


def _leave(code: int) -> NoReturn:
    """Leave the process as ``sys.exit`` does, less the taking down of every module, which takes torch 0.4 s.

    Whatever asked to be called at the end is called, and what was written is out, before the process ends.
    """
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            code = code or 1
    os._exit(code)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code: 0 done, 1 failed, 2 misuse, 130 interrupted.

    Every failure becomes one sentence on stderr; a traceback joins it only with ``--debug``.
    """
    _speak_utf8()
    _silence_datasets()
    try:
        app(args=None if arguments is None else list(arguments))
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
        return _finish(code)
    except BrokenPipeError:
        _drop_stdout()
        return 1
    except KeyboardInterrupt:
        return _finish(INTERRUPTED)
    except Exception as error:  # noqa: BLE001 - the outermost door: whatever failed is told in one sentence
        return _tell(error)
    return _finish(0)


def _finish(code: int) -> int:
    if code == INTERRUPTED:
        say("Interrupted: what was written so far is kept.")
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _drop_stdout()
        return code or 1
    return code


def _tell(error: Exception) -> int:
    if os.environ.get(DEBUG_VARIABLE):
        traceback.print_exception(error)
    if isinstance(error, ClipEmotionError):
        say(f"Error: {error}")
        return error.exit_code
    say(f"Error: {type(error).__name__}: {error} (run again with --debug for where it happened).")
    return 1


def _speak_utf8() -> None:
    # Korean words must pass through any locale; what UTF-8 cannot hold is escaped instead of failing the run.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(encoding="utf-8", errors="surrogateescape")


def _silence_datasets() -> None:
    # The datasets library draws a bar for each small step of its own. It reads this variable when it is first imported,
    # which commands do later; processes that they start read it too. Whoever sets the variable has the last word.
    os.environ.setdefault(BARS_VARIABLE, "1")
    loaded = sys.modules.get("datasets")
    if loaded is not None and os.environ[BARS_VARIABLE] == "1":
        loaded.disable_progress_bars()


def _drop_stdout() -> None:
    # The reader has gone (as with ``| head``): what is still buffered must not fail again at interpreter exit.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
