"""YAML configurations, overrides, and faults that are all told at once."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, ValidationError

from clip_emotion.config import Config, apply_override, load_config, read_yaml, validate
from clip_emotion.errors import DataError, UsageError


class Optim(Config):
    name: str = "adamw"
    lr: float = Field(default=1e-3, gt=0)


class Run(Config):
    epochs: int = Field(default=3, ge=1)
    optim: Optim = Optim()
    tags: tuple[str, ...] = ()


def _write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_file_and_overrides_are_read_together(tmp_path: Path) -> None:
    path = _write(tmp_path / "run.yaml", "epochs: 5\noptim: {lr: 0.1}\n")
    assert load_config(Run, path) == Run(epochs=5, optim=Optim(lr=0.1))
    run = load_config(Run, path, ["optim.lr=1e-4", "optim.name=sgd", "tags=[a, 설렘]"])
    assert run == Run(epochs=5, optim=Optim(name="sgd", lr=1e-4), tags=("a", "설렘"))


def test_override_makes_a_group_that_the_file_lacks(tmp_path: Path) -> None:
    path = _write(tmp_path / "run.yaml", "epochs: 5\n")
    assert load_config(Run, path, ["optim.lr=0.5"]).optim.lr == 0.5


def test_every_fault_is_told_at_once(tmp_path: Path) -> None:
    path = _write(tmp_path / "run.yaml", "epochs: 0\noptim: {lr: much, momentum: 1}\nseeds: 4\n")
    with pytest.raises(UsageError) as caught:
        load_config(Run, path)
    message = str(caught.value)
    assert "4 fault(s)" in message
    for place in ("epochs:", "optim.lr:", "optim.momentum:", "seeds:", "run.yaml"):
        assert place in message
    assert "\n" not in message


def test_configuration_is_frozen() -> None:
    run = Run()
    with pytest.raises(ValidationError, match="frozen"):
        run.epochs = 9  # type: ignore[misc]


@pytest.mark.parametrize(
    ("content", "says"),
    [("a: [1", "not valid YAML"), ("- a", "key: value"), ("", "key: value"), ("word", "key: value"), ("a: \0", "YAML")],
)
def test_a_file_that_is_no_mapping(tmp_path: Path, content: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        read_yaml(_write(tmp_path / "run.yaml", content))


def test_a_tag_that_would_run_code_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not valid YAML"):
        read_yaml(_write(tmp_path / "run.yaml", "a: !!python/object/apply:os.getcwd []"))


def test_keys_that_are_no_words(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="1 fault"):
        load_config(Run, _write(tmp_path / "run.yaml", "1: 2\n"))


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="Cannot read"):
        load_config(Run, tmp_path / "missing.yaml")


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("epochs", "form key=value"),
        ("=3", "form key=value"),
        ("epochs.more=3", "'epochs' is a single value"),
        ("epochs=[1", "not valid YAML"),
    ],
)
def test_malformed_override(override: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        apply_override({"epochs": 1}, override)


def test_override_of_an_unknown_key_is_a_fault() -> None:
    values: dict[str, Any] = {}
    apply_override(values, "optim.rate=1")
    with pytest.raises(UsageError, match=r"optim\.rate"):
        validate(Run, values, "here")


keys = st.lists(st.text("abcdefg_", min_size=1, max_size=5), min_size=1, max_size=4)
scalars = st.one_of(st.integers(), st.booleans(), st.none(), st.text("abc 설렘=.:#'\"", max_size=8))


@given(keys, st.one_of(scalars, st.lists(scalars, max_size=3)))
def test_override_sets_what_yaml_says_and_nothing_else(path: list[str], value: object) -> None:
    values: dict[str, Any] = {"untouched-key": 1}
    text = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=1000).removesuffix("...\n").strip()
    apply_override(values, f"{'.'.join(path)}={text}")
    expected: Any = value
    for key in reversed(path):
        expected = {key: expected}
    assert values == {"untouched-key": 1, **expected}
