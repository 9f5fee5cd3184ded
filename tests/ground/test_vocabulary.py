"""The vocabularies that come with the project, a user's own in every form, and the words kept unseen."""

import re
import unicodedata
from pathlib import Path

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from clip_emotion.errors import UsageError
from clip_emotion.label import LANGUAGES, Label
from clip_emotion.resources import configs_dir, datasets_dir
from clip_emotion.text import fold, nfc
from clip_emotion.vocabulary import Vocabulary, shipped_vocabularies

SIZES = {
    "basic7": 7,
    "basic8": 8,
    "kote44": 44,
    "kote36": 36,
    "goemotions28": 28,
    "affection4": 4,
    "synonyms7": 7,
    "sentiment3": 3,
    "aihub7": 7,
    "chatbot3": 3,
    "emocontext4": 4,
    "emorynlp7": 7,
    "rated49": 49,
}
# In FER-2013's folder order; written out here, so that a slip in the YAML file shows.
UNSEEN = {
    "en": ["furious", "revolted", "terrified", "delighted", "expressionless", "gloomy", "astonished"],
    "ko": ["격분", "구역질", "겁먹음", "신남", "무표정", "우울", "깜짝 놀람"],
}
KOTE_PUBLISHED_LABEL = "즐거움/신남"


@pytest.mark.parametrize("name", SIZES)
def test_shipped_vocabulary_has_its_size_and_distinct_names(name: str) -> None:
    vocabulary = Vocabulary.load(name)
    assert vocabulary.name == name
    assert len(vocabulary) == SIZES[name]
    for language in LANGUAGES:
        assert len(set(map(fold, vocabulary.names(language)))) == len(vocabulary)
        assert all(len(set(prompts)) == 4 for prompts in vocabulary.prompts(language))


def test_every_shipped_file_is_known_here() -> None:
    assert set(shipped_vocabularies()) == set(SIZES)


@pytest.mark.parametrize("name", SIZES)
def test_every_alias_finds_its_own_label_and_no_other(name: str) -> None:
    vocabulary = Vocabulary.load(name)
    for label in vocabulary.labels:
        for alias in label.aliases():
            assert vocabulary.match(alias) is label, alias


@pytest.mark.parametrize("name", SIZES)
def test_families_are_basic_emotions(name: str) -> None:
    basic = set(Vocabulary.load("basic8").keys)
    for label in Vocabulary.load(name).labels:
        assert set(label.families) <= basic, label.key
        assert len(label.families) <= 3


@pytest.mark.parametrize("name", SIZES)
def test_names_are_prompted_in_their_own_language(name: str) -> None:
    vocabulary = Vocabulary.load(name)
    assert all(re.fullmatch(r"[가-힣 /]+", word) for word in vocabulary.names("ko"))
    assert all(re.fullmatch(r"[a-z -]+", word) for word in vocabulary.names("en"))


def test_kote_keys_stand_in_published_order() -> None:
    keys = Vocabulary.load("kote44").keys
    assert [keys[i] for i in (0, 6, 18, 24, 35, 39, 43)] == [
        "불평/불만",
        "화남/분노",
        "공포/무서움",
        "없음",
        "부담/안_내킴",
        "놀람",
        "안심/신뢰",
    ]


def test_goemotions_keys_stand_in_published_order() -> None:
    keys = Vocabulary.load("goemotions28").keys
    assert keys[:27] == tuple(sorted(keys[:27]))
    assert keys[27] == "neutral"


def test_basic_keys_stand_in_folder_order() -> None:
    for name in ("basic7", "basic8", "synonyms7"):
        keys = Vocabulary.load(name).keys
        assert keys == tuple(sorted(keys))
    assert set(Vocabulary.load("basic8").keys) - set(Vocabulary.load("basic7").keys) == {"contempt"}


def test_kote36_is_kote44_less_the_eight_trained_emotions() -> None:
    whole, rest = Vocabulary.load("kote44"), Vocabulary.load("kote36")
    left_out = [key for key in whole.keys if key not in rest.keys]
    assert left_out == ["슬픔", "화남/분노", "우쭐댐/무시함", "공포/무서움", "역겨움/징그러움", "없음", "놀람", "행복"]
    assert [label for label in whole.labels if label.key not in left_out] == list(rest.labels)
    assert rest.templates == whole.templates


def _spoken(label: Label) -> set[str]:
    """Return the words that may become prompts: names and synonyms, compound ones also in their parts."""
    words = [*label.names.values(), *(word for words in label.synonyms.values() for word in words)]
    return {fold(part) for word in words for part in (word, *word.split("/"))}


@pytest.mark.parametrize("name", ["basic7", "basic8"])
def test_no_word_of_kote36_is_ever_a_basic_prompt(name: str) -> None:
    trained = set().union(*map(_spoken, Vocabulary.load(name).labels))
    unseen = {
        fold(part)
        for label in Vocabulary.load("kote36").labels
        for word in (label.key, *label.names.values())
        for part in (word, *word.split("/"))
    }
    assert not trained & unseen


def test_unseen_synonyms_are_the_announced_ones() -> None:
    vocabulary = Vocabulary.load("synonyms7")
    assert vocabulary.keys == Vocabulary.load("basic7").keys
    assert {language: vocabulary.names(language) for language in LANGUAGES} == UNSEEN


def test_unseen_synonyms_stand_in_no_other_file() -> None:
    latin = re.compile(rf"\b({'|'.join(UNSEEN['en'])})\b", re.IGNORECASE)
    hangul = re.compile("|".join(UNSEEN["ko"]))
    files = [*datasets_dir().rglob("*.y*ml"), *configs_dir().rglob("*.y*ml")]
    assert len(files) >= len(SIZES)
    for path in files:
        if path.stem == "synonyms7":
            continue
        text = nfc(path.read_text(encoding="utf-8")).replace(KOTE_PUBLISHED_LABEL, "")
        assert not latin.findall(text), path
        assert not hangul.findall(text), path


@pytest.mark.parametrize(
    ("folder", "key"),
    [
        ("angry", "angry"),
        ("Anger", "angry"),
        ("ANGER", "angry"),
        ("화남", "angry"),
        (unicodedata.normalize("NFD", "화남"), "angry"),
        ("화남/분노", "angry"),
        ("분노", "angry"),
        ("happiness", "happy"),
        ("Happy", "happy"),
        ("joy", "happy"),
        ("기쁨", "happy"),
        ("행복", "happy"),
        ("Sadness", "sad"),
        ("슬픔", "sad"),
        ("Surprise", "surprise"),
        ("공포/무서움", "fear"),
        ("Fear", "fear"),
        ("Disgust", "disgust"),
        ("Neutral", "neutral"),
        ("중립", "neutral"),
        ("없음", "neutral"),
        ("no_emotion", "neutral"),
    ],
)
def test_class_folders_match_by_alias(folder: str, key: str) -> None:
    for name in ("basic7", "basic8"):
        label = Vocabulary.load(name).match(folder)
        assert label is not None
        assert label.key == key


def test_match_is_none_for_a_stranger() -> None:
    assert Vocabulary.load("basic7").match("contempt") is None
    assert Vocabulary.load("basic7").match("") is None


def test_names_win_over_synonyms() -> None:
    vocabulary = Vocabulary(
        "v", (Label("a", {"en": "a"}, synonyms={"en": ("b",)}), Label("b", {"en": "b"}, spellings=("c",)))
    )
    found = vocabulary.match("B")
    assert found is not None
    assert found.key == "b"
    assert vocabulary.match("c") is found


def test_comma_list_keeps_order_and_tells_languages() -> None:
    vocabulary = Vocabulary.load(" 설렘, excited ,비장함,")
    assert vocabulary.keys == ("설렘", "excited", "비장함")
    assert [label.names for label in vocabulary.labels] == [{"ko": "설렘"}, {"en": "excited"}, {"ko": "비장함"}]
    assert vocabulary.names("en") == ["설렘", "excited", "비장함"]
    assert vocabulary.prompts("en")[0][1].startswith("설렘 표정")


def test_comma_list_takes_east_asian_commas() -> None:
    assert Vocabulary.load("설렘，당황、비장함").keys == ("설렘", "당황", "비장함")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp949"])
def test_text_file_in_any_encoding(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "words.txt"
    path.write_bytes("설렘\r\n\r\n당황  # 덧말\r\nproud\r\n".encode(encoding))
    vocabulary = Vocabulary.load(path)
    assert vocabulary.keys == ("설렘", "당황", "proud")
    assert vocabulary.name == "words"


def test_decomposed_hangul_in_file_and_file_name(tmp_path: Path) -> None:
    path = tmp_path / unicodedata.normalize("NFD", "낱말.txt")
    path.write_text(unicodedata.normalize("NFD", "설렘\n당황\n"), encoding="utf-8")
    vocabulary = Vocabulary.load(str(path))
    assert vocabulary.keys == ("설렘", "당황")
    assert vocabulary.name == "낱말"


def test_own_yaml_mixes_bare_words_and_mappings(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(
        "labels:\n  - 설렘\n  - proud\n  - {ko: 당황, en: flustered, synonyms: {en: [awkward]}, spellings: [AI_7]}\n"
        "templates: {en: ['so {}']}\n",
        encoding="utf-8",
    )
    vocabulary = Vocabulary.load(path)
    assert vocabulary.keys == ("설렘", "proud", "flustered")
    assert vocabulary.prompts("en") == [["설렘"], ["so proud"], ["so flustered"]]
    for alias in ("awkward", "ai-7", "당황"):
        assert vocabulary.match(alias) is vocabulary.labels[2]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("labels: []", "holds no words"),
        ("labels: [a, A]", "twice"),
        ("labels: [{key: ' '}]", "neither key, ko nor en"),
        ("labels: [{en: a, korean: b}]", r"labels\.0\.korean"),
        ("labels: 3", "labels"),
        ("- a\n- b", "key: value"),
        ("labels: [a]\ntemplates: {en: ['no place']}", "once and no other brace"),
        ("labels: [a]\ntemplates: {en: ['{} and {}']}", "once and no other brace"),
        ("labels: [a]\ntemplates: {en: ['{} }']}", "once and no other brace"),
        ("labels: [a]\ntemplates: {fr: ['{}']}", "unknown language 'fr'"),
        ("labels: [{en: a, synonyms: {kr: [b]}}]", "unknown language 'kr'"),
        ("labels: [a", "not valid YAML"),
        ("subset_of: kote44\nwithout: [기쁨, 없는말]", "'없는말' is not in vocabulary 'kote44'"),
        ("subset_of: own.yaml\nwithout: []", "subset_of must name one of"),
        ("subset_of: kote44\nwithout: [기쁨]\nlabels: [a]", "labels"),
    ],
)
def test_faulty_yaml_is_one_usage_error(tmp_path: Path, content: str, says: str) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(UsageError, match=says):
        Vocabulary.load(path)


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("basic9", "use one of affection4, aihub7, basic7"),
        ("missing.yaml", "does not exist"),
        ("missing.txt", "does not exist"),
        (",,", "holds no words"),
        ("기쁨,기쁨", "twice"),
        ("", "Unknown vocabulary"),
    ],
)
def test_unusable_source_is_one_usage_error(source: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        Vocabulary.load(source)


def test_empty_text_file_is_a_usage_error(tmp_path: Path) -> None:
    path = tmp_path / "empty.txt"
    path.write_text("# nothing but a remark\n", encoding="utf-8")
    with pytest.raises(UsageError, match="holds no words"):
        Vocabulary.load(path)


def test_a_list_is_cut_at_the_commas_of_either_width() -> None:
    assert Vocabulary.from_list("설렘，당황、 grim resolve, ").keys == ("설렘", "당황", "grim resolve")


def test_subset_and_index() -> None:
    vocabulary = Vocabulary.load("basic7").subset(["sad", "angry"], name="two")
    assert (vocabulary.name, vocabulary.keys) == ("two", ("sad", "angry"))
    assert vocabulary.index("angry") == 1
    with pytest.raises(UsageError, match="'joy' is not in vocabulary 'two'"):
        vocabulary.index("joy")


own_words = st.lists(
    st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z"), exclude_characters=",，、#;；|"), min_size=1),
    min_size=1,
    max_size=8,
    unique_by=fold,
)


@settings(max_examples=40)
@given(own_words)
@example(["0;"])
def test_own_words_round_trip_through_every_form(tmp_path_factory: pytest.TempPathFactory, words: list[str]) -> None:
    assume(all(fold(word) for word in words))
    vocabulary = Vocabulary.from_words(words)
    assert vocabulary.keys == tuple(map(nfc, words))
    for word in words:
        for form in ("NFC", "NFD"):
            assert vocabulary.match(unicodedata.normalize(form, f" {word} ")) is not None
    assert Vocabulary.load(",".join([*words, ""])).keys == vocabulary.keys
    path = tmp_path_factory.mktemp("own") / "own.txt"
    path.write_text("\n".join(words), encoding="utf-8")
    assert Vocabulary.load(path) == vocabulary
