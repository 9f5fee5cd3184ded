"""The labels' weights against plain arithmetic, with embedders whose geometry is known."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from pydantic import ValidationError

from clip_emotion.cli.main import main
from clip_emotion.config import load_config
from clip_emotion.errors import UsageError
from clip_emotion.label import Label
from clip_emotion.resources import configs_dir
from clip_emotion.vocabulary import Vocabulary
from scoring.affection.weights import AffectionWeights, affection_weights, spread
from scoring.config import ScoreConfig, WeightsConfig, load_settings

Vector = Sequence[float]


class FakeEmbedder:
    """Embeds words by a table, and remembers which it was asked for."""

    name = "fake"

    def __init__(self, table: Mapping[str, Vector]) -> None:
        self.table = table
        self.asked: list[str] = []

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.asked += texts
        rows = np.array([self.table[text] for text in texts], dtype=np.float32)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def plain(*words: str) -> Vocabulary:
    return Vocabulary.from_words(words, name="words")


def at(degrees: float) -> Vector:
    return (math.cos(math.radians(degrees)), math.sin(math.radians(degrees)))


def reference(labels: list[Vector], anchors: list[Vector], aversion: list[Vector]) -> list[float]:
    """The same definition in plain Python, one number at a time."""
    mean = [sum(column) / len(labels) for column in zip(*labels, strict=True)]

    def cosine(left: Vector, right: Vector) -> float:
        a = [x - m for x, m in zip(left, mean, strict=True)]
        b = [x - m for x, m in zip(right, mean, strict=True)]
        return sum(x * y for x, y in zip(a, b, strict=True)) / (math.hypot(*a) * math.hypot(*b))

    def towards(label: Vector, words: list[Vector]) -> float:
        return sum(cosine(label, word) for word in words) / len(words) if words else 0.0

    signed = [towards(label, anchors) - towards(label, aversion) for label in labels]
    largest = max(map(abs, signed))
    return [value / largest for value in signed]


@pytest.mark.parametrize("aversion", [[], [200.0], [170.0, 260.0]])
def test_weights_follow_the_definition(aversion: list[float]) -> None:
    labels, anchors = [3.0, 50.0, 110.0, 200.0], [10.0, 40.0]
    words = {f"l{d}": at(d) for d in labels} | {f"a{d}": at(d) for d in anchors} | {f"v{d}": at(d) for d in aversion}
    config = WeightsConfig(anchors=tuple(f"a{d}" for d in anchors), aversion=tuple(f"v{d}" for d in aversion))
    weights = affection_weights(plain(*(f"l{d}" for d in labels)), FakeEmbedder(words), config)
    expected = reference([at(d) for d in labels], [at(d) for d in anchors], [at(d) for d in aversion])
    assert weights.values == pytest.approx(expected, abs=1e-6)
    assert np.abs(weights.values).max() == pytest.approx(1)
    raw = [sum(math.cos(math.radians(label - anchor)) for anchor in anchors) / 2 for label in labels]
    assert weights.raw == pytest.approx(raw, abs=1e-6)
    assert (weights.aversion is None) == (not aversion)


@given(st.lists(st.floats(0, 359), min_size=3, max_size=8, unique_by=lambda d: round(d)), st.floats(0, 359))
def test_weights_lie_in_range_and_reach_it(degrees: list[float], anchor: float) -> None:
    words = {f"l{d}": at(d) for d in degrees} | {"anchor": at(anchor)}
    try:
        weights = affection_weights(
            plain(*(f"l{d}" for d in degrees)), FakeEmbedder(words), WeightsConfig(anchors=("anchor",), aversion=())
        )
    except UsageError as error:
        assert "tells none" in str(error)  # noqa: PT017 - both outcomes are lawful, each is checked
        return
    assert np.abs(weights.values).max() == pytest.approx(1, abs=1e-12)


def test_centring_spreads_what_crowds_together() -> None:
    # A cone of half-angle five degrees, as contextual embeddings lie.
    words = {f"l{d}": (*at(d), 11.4) for d in range(0, 360, 30)} | {"anchor": (*at(0), 11.4)}
    weights = affection_weights(
        plain(*(f"l{d}" for d in range(0, 360, 30))),
        FakeEmbedder(words),
        WeightsConfig(anchors=("anchor",), aversion=()),
    )
    assert weights.raw is not None
    assert weights.centred is not None
    assert spread(weights.raw).range < 0.02
    assert spread(weights.centred).range == pytest.approx(2, abs=1e-3)


def test_spread_is_of_the_population() -> None:
    found = spread(np.array([0.0, 1.0, 2.0, 5.0]))
    assert (found.minimum, found.maximum, found.range) == (0.0, 5.0, 5.0)
    assert found.std == pytest.approx(math.sqrt(3.5))


def test_a_label_is_the_mean_of_its_name_and_synonyms_in_the_language() -> None:
    warm = Label("warm", {"ko": "따뜻", "en": "warm"}, {"ko": ("온기",), "en": ("cosy",)})
    vocabulary = Vocabulary("own", (warm, Label("cold", {"en": "cold"}), Label("grey", {"en": "grey"})))
    words = {"따뜻": at(0), "온기": at(60), "warm": at(90), "cosy": at(90), "cold": at(200), "grey": at(120)}
    korean = FakeEmbedder(words | {"사랑": at(10), "love": at(10)})
    weights = affection_weights(vocabulary, korean, WeightsConfig(anchors=("사랑",), aversion=()))
    assert set(korean.asked) == {"따뜻", "온기", "cold", "grey", "사랑"}
    assert weights.values == pytest.approx(reference([at(30), at(200), at(120)], [at(10)], []), abs=1e-6)
    english = FakeEmbedder(korean.table)
    affection_weights(vocabulary, english, WeightsConfig(anchors=("love",), aversion=()))
    assert set(english.asked) == {"warm", "cosy", "cold", "grey", "love"}
    forced = FakeEmbedder(korean.table)
    affection_weights(vocabulary, forced, WeightsConfig(anchors=("love",), aversion=()), language="ko")
    assert set(forced.asked) == {"따뜻", "온기", "cold", "grey", "love"}


TABLE = {"기쁨": at(0), "슬픔": at(120), "화남/분노": at(200), "사랑": at(10)}
ONLY_LOVE = {"judged": False, "anchors": ("사랑",), "aversion": ()}


def test_overrides_replace_single_weights_by_any_name() -> None:
    vocabulary = Vocabulary.load("kote44").subset(["기쁨", "슬픔", "화남/분노"])
    table = {word: TABLE[label.key] for label in vocabulary.labels for word in label.aliases()} | {"사랑": at(10)}
    before = affection_weights(vocabulary, FakeEmbedder(table), WeightsConfig(**ONLY_LOVE))
    after = affection_weights(
        vocabulary, FakeEmbedder(table), WeightsConfig(**ONLY_LOVE, overrides={"sadness": -0.5, "화남": 0})
    )
    assert after.values.tolist() == [before.values[0], -0.5, 0.0]
    assert after.overridden == ("슬픔", "화남/분노")
    assert "슬픔" in after.source
    assert "슬픔" not in before.source


def test_judged_labels_take_their_own_weight_and_others_the_cosine() -> None:
    judged = Label("기쁨", {"ko": "기쁨"}, affection=-0.25)
    vocabulary = Vocabulary("mixed", (judged, *plain("슬픔", "화남/분노").labels))
    cosines = affection_weights(vocabulary, FakeEmbedder(TABLE), WeightsConfig(**ONLY_LOVE))
    found = affection_weights(vocabulary, FakeEmbedder(TABLE), WeightsConfig(**{**ONLY_LOVE, "judged": True}))
    assert found.values.tolist() == [-0.25, *cosines.values[1:]]
    assert found.source == "judged in mixed (1 labels); fake: 사랑"
    by_hand = WeightsConfig(**{**ONLY_LOVE, "judged": True}, overrides={"기쁨": 1})
    assert affection_weights(vocabulary, FakeEmbedder(TABLE), by_hand).values[0] == 1
    assert Vocabulary.load("kote44").subset(["기쁨"]).labels[0].affection == 0.5


@pytest.mark.parametrize("name", ["kote44", "goemotions28"])
def test_shipped_weights_say_what_affection_is(name: str) -> None:
    by_key = {label.key: label.affection for label in Vocabulary.load(name).labels}
    assert None not in by_key.values()
    weights = {key: value for key, value in by_key.items() if value is not None}
    remorse, sadness, anger, love = (
        ("죄책감", "슬픔", "화남/분노", "아껴주는") if name == "kote44" else ("remorse", "sadness", "anger", "love")
    )
    assert max(weights.values()) == weights[love] == 1
    assert weights[anger] < weights[sadness] < 0 < weights[remorse]


def test_a_named_embedder_weighs_judged_labels_too() -> None:
    assert load_settings(None).weights.judged
    named = load_settings(None, "mini").weights
    assert (named.judged, named.embedder) == (False, "mini")


def test_nothing_is_embedded_where_all_weights_are_set() -> None:
    embedder = FakeEmbedder({})
    config = WeightsConfig(**ONLY_LOVE, overrides={"기쁨": 1, "슬픔": -1})
    weights = affection_weights(plain("기쁨", "슬픔"), embedder, config)
    assert weights.values.tolist() == [1.0, -1.0]
    assert weights.raw is None
    assert embedder.asked == []


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ({"기뿜": 1}, "'기쁨'"),
        ({"zzz": 1}, "it has 기쁨, 슬픔, 화남/분노"),
        ({"기쁨": 1.01}, "[-1, 1]"),
    ],
)
def test_bad_overrides_are_misuse(overrides: dict[str, float], words: str) -> None:
    with pytest.raises(UsageError) as caught:
        affection_weights(
            plain("기쁨", "슬픔", "화남/분노"), FakeEmbedder(TABLE), WeightsConfig(**ONLY_LOVE, overrides=overrides)
        )
    assert words in str(caught.value)


def test_an_override_that_is_no_number_makes_no_configuration() -> None:
    with pytest.raises(ValidationError, match="finite number"):
        WeightsConfig(overrides={"기쁨": float("nan")})


def test_two_overrides_of_one_label_are_misuse() -> None:
    with pytest.raises(UsageError, match="twice"):
        affection_weights(
            Vocabulary.load("kote44"),
            FakeEmbedder({}),
            WeightsConfig(overrides={"화남/분노": 0.1, "anger": 0.2}),
        )


def test_degenerate_vocabularies_are_misuse() -> None:
    same = {"a": at(0), "b": at(0), "love": at(10)}
    config = WeightsConfig(anchors=("love",), aversion=())
    with pytest.raises(UsageError, match="one label"):
        affection_weights(plain("a"), FakeEmbedder(same), config)
    with pytest.raises(UsageError, match="apart"):
        affection_weights(plain("a", "b"), FakeEmbedder(same), config)
    with pytest.raises(UsageError, match="empty word"):
        affection_weights(plain("a", "b"), FakeEmbedder(same), WeightsConfig(anchors=(" ",)))
    with pytest.raises(UsageError, match="Unknown language"):
        affection_weights(plain("a", "b"), FakeEmbedder(same), config, language="fr")


def test_weights_are_read_only_and_one_for_each_label() -> None:
    given_values = np.array([0.5, -1.0])
    weights = AffectionWeights(("a", "b"), given_values, "test")
    given_values[0] = 9
    assert weights.values.tolist() == [0.5, -1.0]
    with pytest.raises(ValueError, match="read-only"):
        weights.values[0] = 1
    with pytest.raises(UsageError, match="2 labels"):
        AffectionWeights(("a", "b"), np.zeros(3), "test")


def test_the_default_configuration_is_the_built_in_one() -> None:
    path = configs_dir() / "score" / "default.yaml"
    assert load_config(ScoreConfig, path) == ScoreConfig()
    # Each setting is spelled out, so that the file shows what can be changed.
    assert set(yaml.safe_load(path.read_text("utf-8"))["weights"]) == set(WeightsConfig.model_fields)


@pytest.mark.parametrize(
    ("given", "judged"),
    [
        ({}, True),
        ({"overrides": {"기쁨": 0.5}}, True),
        ({"anchors": ["설렘"]}, False),
        ({"aversion": []}, False),
        ({"embedder": "kobert"}, False),
        ({"anchors": ["설렘"], "judged": True}, True),
    ],
)
def test_anchors_that_are_named_are_used(given: dict[str, object], judged: bool) -> None:
    assert WeightsConfig.model_validate(given).judged is judged


def test_no_aversion_differs_from_the_default_in_the_cosines_alone() -> None:
    config = load_config(ScoreConfig, configs_dir() / "score" / "no_aversion.yaml")
    default = ScoreConfig()
    assert config.weights.aversion == ()
    weights = default.weights.model_copy(update={"judged": False, "aversion": ()})
    assert config == default.model_copy(update={"weights": weights})
    cosines = load_config(ScoreConfig, configs_dir() / "score" / "cosines.yaml")
    assert cosines == load_settings(None, "mini")


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Run:
    def call(*arguments: object) -> tuple[int, str, str]:
        code = main(["weights", *map(str, arguments)])
        captured = capfd.readouterr()
        return code, captured.out, captured.err

    return call


def test_the_command_shows_the_minis_weights_and_their_spread(run: Run) -> None:
    code, out, err = run("--show", "--format", "json", "--embedder", "mini")
    assert code == 0, err
    found = json.loads(out)
    by_key = {row["key"]: row for row in found["labels"]}
    assert tuple(sorted(by_key)) == tuple(sorted(Vocabulary.load("kote44").keys))
    listed = [row["weight"] for row in found["labels"]]
    assert listed == sorted(listed, reverse=True)
    assert by_key["행복"]["weight"] > 0.3
    assert by_key["슬픔"]["weight"] < 0 < by_key["아껴주는"]["weight"]
    raw = [row["raw"] for row in found["labels"]]
    assert found["spread"]["raw"]["minimum"] == pytest.approx(min(raw))
    assert found["spread"]["raw"]["std"] == pytest.approx(np.std(raw))
    assert found["spread"]["centred"]["range"] > found["spread"]["raw"]["range"]


def test_the_table_has_bars_on_both_sides_and_csv_has_all_columns(run: Run) -> None:
    code, out, err = run("--vocab", "basic7", "--show")
    assert code == 0, err
    lines = {line.split("·")[0].strip(): line for line in out.splitlines() if "│" in line}
    assert len(lines) == 7
    assert "│█" in lines["행복"]
    assert "█│" in lines["화남"]
    assert "std" in out
    code, out, err = run("--vocab", "basic7", "--show", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert [len(rows), set(rows[0])] == [
        7,
        {"key", "ko", "en", "weight", "raw", "centred", "aversion", "overridden"},
    ]
    assert "Spread" in err


def test_configuration_and_figure_of_the_command(run: Run, tmp_path: Path) -> None:
    config, figure = tmp_path / "score.yaml", tmp_path / "new" / "weights.png"
    config.write_text("vocabulary: basic7\nweights: {aversion: [], overrides: {슬픔: 0.25}}\n", "utf-8")
    code, out, err = run("--config", config, "--figure", figure, "--format", "json")
    assert code == 0, err
    rows = {row["ko"]: row for row in json.loads(out)["labels"]}
    assert (rows["슬픔"]["weight"], rows["슬픔"]["overridden"], rows["행복"]["overridden"]) == (0.25, True, False)
    assert rows["행복"]["aversion"] is None
    with Image.open(figure) as picture:
        assert min(picture.size) > 300


def test_a_word_that_would_be_a_formula_is_guarded_in_csv(run: Run) -> None:
    code, out, err = run("--labels", "=1+1,사랑", "--format", "csv")
    assert code == 0, err
    assert {row["key"] for row in csv.DictReader(io.StringIO(out))} == {"'=1+1", "사랑"}


def test_words_of_ones_own_are_weighed_and_an_existing_plot_stays(run: Run, tmp_path: Path) -> None:
    code, out, err = run("--labels", "사랑,증오", "--format", "json")
    assert code == 0, err
    assert [row["key"] for row in json.loads(out)["labels"]] == ["사랑", "증오"]
    plot = tmp_path / "weights.png"
    plot.write_bytes(b"mine")
    code, _, err = run("--labels", "사랑,증오", "--plot", plot)
    assert code == 2
    assert "there already" in err
    assert plot.read_bytes() == b"mine"
    assert run("--labels", "사랑,증오", "--plot", plot, "--overwrite")[0] == 0
    assert plot.read_bytes() != b"mine"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--embedder", "nonsense"], "kobert"),
        (["--vocab", "nonsense"], "kote44"),
        (["--figure", "weights.jpg"], ".png"),
        (["--lang", "fr"], "Invalid value for '--lang'"),
        (["--labels", "설렘,당황", "--vocab", "basic7"], "not both"),
    ],
)
def test_misuse_of_the_command_is_one_sentence(run: Run, arguments: list[str], words: str) -> None:
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert words in err
    assert "Traceback" not in err
