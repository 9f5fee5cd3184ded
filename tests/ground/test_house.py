"""The house rules that a machine can check: sizes, circles of imports, ignored types, no Python among the data."""

from __future__ import annotations

import ast
import graphlib
import re
from collections.abc import Iterator
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("clip_emotion", "scoring", "tuning")
FILE_LINES, FUNCTION_LINES, IGNORED_TYPES = 300, 50, 5
TOO_LONG: set[str] = set()
"""Files that wait to be divided; none may join them."""
TOO_MUCH: set[str] = set()
"""Functions that wait for it."""


def sources(*folders: str) -> Iterator[Path]:
    for folder in folders:
        yield from sorted((ROOT / folder).rglob("*.py"))


def code() -> Iterator[Path]:
    yield from sources(*PACKAGES, "benchmarks", "tests/support")
    yield ROOT / "cli.py"


def test_no_file_is_longer_than_can_be_read_at_once() -> None:
    long = {path.relative_to(ROOT).as_posix() for path in code() if _lines(path) > FILE_LINES}
    assert long <= TOO_LONG


def _lines(path: Path) -> int:
    return len(path.read_text("utf-8").splitlines())


def test_every_function_fits_on_a_screen() -> None:
    found = {name for path in [*code(), *sources("tests")] for name in long_functions(path)}
    assert found <= TOO_MUCH


def long_functions(path: Path) -> list[str]:
    nodes = ast.walk(ast.parse(path.read_text("utf-8")))
    functions = (node for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return [
        f"{path.relative_to(ROOT) if path.is_relative_to(ROOT) else path}: {node.name}"
        for node in functions
        if (node.end_lineno or node.lineno) - node.lineno >= FUNCTION_LINES
    ]


def test_the_measure_sees_a_long_function(tmp_path: Path) -> None:
    path = tmp_path / "long.py"
    for lines, wanted in ((FUNCTION_LINES - 1, 0), (FUNCTION_LINES, 1)):
        path.write_text("def work() -> None:\n" + "    pass\n" * lines)
        assert len(long_functions(path)) == wanted


def test_imports_run_in_no_circle() -> None:
    graph = grimp.build_graph(*PACKAGES, cache_dir=None, exclude_type_checking_imports=True)
    needs = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    try:
        graphlib.TopologicalSorter(needs).prepare()
    except graphlib.CycleError as error:
        pytest.fail(" → ".join(error.args[1]))


def test_types_are_hardly_ever_ignored() -> None:
    ignored = [path for path in code() for _ in re.finditer(r"#\s*type:\s*ignore", path.read_text("utf-8"))]
    assert len(ignored) <= IGNORED_TYPES, ignored


@pytest.mark.parametrize("folder", ["datasets", "configs", "tests/files"])
def test_folders_of_data_hold_no_python(folder: str) -> None:
    assert (ROOT / folder).is_dir()
    assert list(sources(folder)) == []


def test_no_folder_of_tests_shadows_hugging_faces_datasets() -> None:
    assert not (ROOT / "tests" / "datasets").exists()


def test_printing_is_the_command_lines() -> None:
    rooms = [path for path in sources(*PACKAGES) if not path.is_relative_to(ROOT / "clip_emotion" / "cli")]
    assert [path for path in rooms if prints(path)] == []


def prints(path: Path) -> bool:
    calls = (node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Call))
    return any(isinstance(call.func, ast.Name) and call.func.id == "print" for call in calls)


def test_homes_are_found_in_one_place() -> None:
    """``Path.expanduser`` ends in a RuntimeError for a user that is not there; ``files.expanded`` says so instead."""
    found = [path.relative_to(ROOT).as_posix() for path in code() if "expanduser" in path.read_text("utf-8")]
    assert found == ["clip_emotion/files.py"]
