"""Chat expressions: one spelling each, none lost, and words for those that a tokenizer does not know."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from clip_emotion.errors import DataError, UsageError
from clip_emotion.models.mini.files import load_tokenizer
from clip_emotion.resources import weights_dir
from clip_emotion.vocabulary import Vocabulary
from scoring.emotions.normalising import MAX_CHARACTERS, ExpressionNormaliser, known_pieces, load_expressions
from tests.support.fakes import FakeEncoder
from tests.support.minis import tiny_mini

SPELLINGS = {
    "ㅋㅋㅋ": ["ㅋㅋㅋ", "ㅋㅋㅋㅋㅋㅋㅋ", "ㅋㄱㅋㅋ", "ㅋㅋㅌㅋㅋ", "ㅋㅋ큐ㅋㅋ", "ᄏᄏᄏᄏ", "ﾻﾻﾻ"],
    "ㅋㅋ": ["ㅋㅋ"],
    "ㅋ": ["ㅋ", "\ud83dㅋ", "ㅋ\u200b"],
    "ㅎㅎ": ["ㅎㅎ", "ㅎㅅㅎ", "ㅎㅁㅎ", "ﾾﾾ"],
    "ㅎㅎㅎ": ["ㅎㅎㅎㅎㅎ"],
    "ㅠㅠ": [
        "ㅠㅠ",
        "ㅜㅜ",
        "ㅠㅜ",
        "ㅠ.ㅠ",
        "ㅜ_ㅜ",
        "ㅠㅡㅠ",
        "T_T",
        "T.T",
        "TT",
        "TTTT",
        "ToT",
        "(T_T)",
        ";_;",
        "Q_Q",
        "ᅲᅮ",
    ],
    "ㅠㅠㅠ": ["ㅠㅜㅠㅜㅠㅜ"],
    "^^": ["^^", "^_^", "^-^", "^.^", "^ㅁ^", "*^^*", "(^・^)", "＾＾", "^^^^^"],
    "^^;;": ["^^;;;;", "^_^;;"],
    "ㅡㅡ": ["ㅡㅡ", "ㅡ_ㅡ", "-_-", "-.-", "ㅡㅡㅡㅡ"],
    "ㅡㅡ;": ["--;", "-_-;"],
    ":)": [":)", ":-)", "=)", ":))))", ":]", "(:", ":')", "：）"],
    ":(": [":(", ":-(", "=(", ":'(", ":[", "):", ":(((("],
    ":D": [":D", ":-D", "xD", "XD", "XDDD", "=D"],
    ";)": [";)", ";-)", ";]"],
    "😮": [":o", ":-O", "ㅇㅁㅇ", "O_O"],
    ":/": [":/", ":-/", ":\\"],
    "♥": ["♥", "<3", "<33", "❤", "❤️", "💙", "❤️❤️❤️❤️❤️", "♥ 🧡"],
    "💔": ["</3", "💔"],
    "👍": ["👍", "👍🏻", "👍🏿"],
    "🤷": ["🤷🏼‍♀️", "🤷‍♂️"],
    "😂": ["😂", "😂😂😂😂😂😂", "🤣😂🤣 😂🤣"],
    "★★★": ["★★★★★"],
    "!!!": ["!!!!!!!", "！！！！"],
    "...": ["......", "…"],
    "~~": ["~~~~~", "～～～"],
    "응 ㅋㅋㅋ ㅠㅠ": ["응 ㅋㅋㅋㅋㅠㅠ"],
    "ok": ["ok", "  ok\n", "ok https://example.com/a?b=1", "@철수 ok", "www.example.com ok"],
    ":) ㅋㅋ": ["https://a.b/c:) ㅋㅋ"],
}
UNTOUCHED = [
    "참고:(내용)",
    "10:30",
    "1:3",
    "결과:3",
    "점수=0",
    "note:Don't",
    "3.14",
    "1000000",
    "I - love",
    "a -- b",
    "ㅎㅇㅎㅇ",
    "ㅇㅅㅇ",
    "a@b.com",
]
SIGNS = [
    *("ㅋㅋ", "ㅎㅎ", "ㅠㅠ", "ㅜㅜ", "^^", ":)", ":(", "ㅇㅇ", "헐", "ㅡㅡ", "(하트)", "T_T", ">_<", "<3"),
    *("😂", "😊", "😭", "❤️", "♡", "😡", "👍", "👍🏻", "🥹"),
]
FRAGMENTS = st.sampled_from(
    [
        *SIGNS,
        *(form for forms in SPELLINGS.values() for form in forms),
        "ㅋㅎ",
        "안녕",
        "OTL",
        "ㄱㅅ",
        " ",
        "a",
        "-",
        ":",
        "@",
    ]
)


def mini_tokenizer_knows() -> ExpressionNormaliser:
    return ExpressionNormaliser(known_pieces(load_tokenizer(weights_dir() / "mini" / "tokenizer.json")))


NORMALISERS = {
    "every sign known": ExpressionNormaliser(),
    "no sign known": ExpressionNormaliser(lambda sign: False),
    "English alone": ExpressionNormaliser(lambda sign: sign.isascii(), ("en",)),
    "the mini": mini_tokenizer_knows(),
}


@pytest.mark.parametrize(("wanted", "text"), [(wanted, text) for wanted, texts in SPELLINGS.items() for text in texts])
def test_each_expression_has_one_spelling(wanted: str, text: str) -> None:
    assert ExpressionNormaliser()(text) == wanted


@pytest.mark.parametrize("text", UNTOUCHED)
def test_what_only_looks_like_an_expression_stays(text: str) -> None:
    assert ExpressionNormaliser()(text) == text


@pytest.mark.parametrize("text", ["", "  \n", "https://example.com", "@someone", "\u200b", "\ud800"])
def test_texts_without_words_become_empty(text: str) -> None:
    assert ExpressionNormaliser()(text) == ""


@pytest.mark.parametrize("name", NORMALISERS)
@given(text=st.one_of(st.text(), st.lists(FRAGMENTS, max_size=12).map("".join)))
@example(text="ㅋ" * 5000 + "ㅠ" * 5000)
@example(text="응 하하 " * 600)
@example(text="a --b " * 300)
@example(text="e\u200d\u0301")
@example(text="ㅠ" * 100_000)
@example(text="(*" * 50_000)
@example(text="ㅠㅡ(" * 30_000)
@example(text=":-_a" * 30_000)
@example(text="http://(" * 20_000)
@example(text="😂" + " " * 100_000 + "😂 ")
@example(text="a " * 50_000 + "!!")
def test_normal_texts_are_nfc_bounded_and_stay_as_they_are(name: str, text: str) -> None:
    normalise = NORMALISERS[name]
    normal = normalise(text)
    assert normalise(normal) == normal
    assert len(normal) <= MAX_CHARACTERS
    assert unicodedata.is_normalized("NFC", normal)
    normal.encode()  # no half of a surrogate pair is left, which no tokenizer takes


@pytest.mark.parametrize("name", NORMALISERS)
@given(before=st.text(), sign=st.sampled_from(SIGNS), after=st.text())
def test_a_text_with_an_expression_is_never_emptied(name: str, before: str, sign: str, after: str) -> None:
    assert NORMALISERS[name](f"{before} {sign} {after}")


def test_unknown_signs_become_words_in_the_language_of_the_message() -> None:
    normalise = NORMALISERS["no sign known"]
    assert normalise("정말 🥹🥹🥹") == "정말 감동이야"
    assert normalise("so sweet 🥹") == "so sweet deeply touched"
    assert normalise("🥹") == "감동이야"
    assert NORMALISERS["English alone"]("정말 🥹") == "정말 deeply touched"


def test_a_known_relative_wins_over_words() -> None:
    assert ExpressionNormaliser(lambda sign: sign == "♥")("응 🥰") == "응 ♥"
    assert ExpressionNormaliser(lambda sign: sign == "🥰")("응 🥰💘") == "응 🥰 사랑해"


def test_slang_is_rewritten_only_alone() -> None:
    normalise = NORMALISERS["no sign known"]
    assert normalise("응 ㄱㅅ") == normalise("응ㄳ") == "응 고마워"
    assert normalise("ㄱㅅㅎ") == "ㄱㅅㅎ"
    assert normalise("orzo") == "orzo"


def test_the_mini_keeps_the_signs_that_its_tokenizer_knows() -> None:
    normalise = NORMALISERS["the mini"]
    for sign in ("ㅋㅋ", "ㅋㅋㅋ", "ㅎㅎ", "ㅠㅠ", "^^", ":)", ":(", "ㅡㅡ", "♥", "😂", ";;"):
        assert normalise(sign) == sign
    assert normalise("고생 많았어 (하트)") == "고생 많았어 ♥"
    assert not any(sign in normalise(sign) for sign in ("🥹", "ㄱㅅ", "(하트)"))


def test_encoders_say_what_they_know() -> None:
    class EnglishOnly(FakeEncoder):
        languages = ("en",)

    assert ExpressionNormaliser.of(EnglishOnly())("ok ㅠㅠ") == "ok crying"
    assert ExpressionNormaliser.of(EnglishOnly())("ok :)") == "ok :)"
    assert ExpressionNormaliser.of(FakeEncoder())("응 ㅠㅠ 🥹") == "응 ㅠㅠ 감동이야"
    assert ExpressionNormaliser.of(tiny_mini())("응 🥹") == "응 감동이야"


def test_the_table_keeps_the_words_of_the_zero_shot_check_unseen() -> None:
    unseen = {name for label in Vocabulary.load("synonyms7").labels for name in label.names.values()}
    for entry in load_expressions():
        assert not [word for word in unseen if any(word in text for text in (entry.ko, entry.en, *entry.signs))]


@pytest.mark.parametrize(
    ("content", "error", "words"),
    [
        ("- {signs: [a], ko: x, en: y}\n- {signs: [a], ko: x, en: y}", DataError, "twice"),
        ("- {signs: [ㅜㅜ], ko: x, en: y}", DataError, "spelt 'ㅠㅠ'"),
        ("- {signs: [🥹], ko: 응 🥹, en: y}", DataError, "holds a sign"),
        ("- {signs: [], ko: x, en: y}", UsageError, "signs"),
        ("- [", UsageError, "not valid YAML"),
    ],
)
def test_a_faulty_table_is_refused(tmp_path: Path, content: str, error: type[Exception], words: str) -> None:
    path = tmp_path / "table.yaml"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(error, match=words):
        load_expressions(path)
