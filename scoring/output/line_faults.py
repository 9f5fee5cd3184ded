"""Why a line or a chat could not be read, and notices to read before trusting a score, in Korean."""

from __future__ import annotations

import re

from scoring.output.made_of import korean_reason

_FAULTS = tuple(
    (re.compile(pattern), korean)
    for pattern, korean in (
        (r"it stands before the first message", "첫 메시지보다 앞에 있어요"),
        (r"it follows a line that could not be read", "읽지 못한 줄에 이어지는 줄이에요"),
        (r"its (date|time|date or time) does not exist", "없는 날짜나 시간이에요"),
        (r"it has a time but no name and message", "시간은 있는데 이름과 말이 없어요"),
        (r"it holds bytes that are not text", "글자가 아닌 것이 섞여 있어요"),
        (r"it is longer than ([\d,]+) characters", "{0}자보다 길어요"),
        (r"it is not valid JSON", "JSON 형식이 아니에요"),
        (r"it is not a JSON object", "JSON 객체가 아니에요"),
        (
            r"it is no valid (JSON|XML), so that it and what follows are left out",
            "{0} 형식이 깨져 있어 여기부터는 읽지 못했어요",
        ),
        (
            r"it is no header with a column for the speaker and one for the text",
            "사람과 말의 열 이름이 있는 첫 줄이 아니에요",
        ),
        (r"it has (\d+) columns, the header (\d+)", "열이 {0}개인데 첫 줄에는 {1}개예요"),
        (r"a quote opens in it and is never closed", "따옴표가 열린 채 닫히지 않았어요"),
        (r"a value in it is too long for a table", "표에 담기에는 너무 긴 값이 있어요"),
        (r"it names no speaker", "누구의 말인지 없어요"),
        (r"its speaker's name is longer than (\d+) characters", "이름이 {0}자보다 길어요"),
        (r"it has neither text nor picture nor emotions", "말도 사진도 감정도 없어요"),
        (r"its (\w+) is not text", "{0} 칸이 글이 아니에요"),
        (r"its emotions are not .+", "감정이 낱말과 숫자의 짝이 아니에요"),
        (r"an emotion's value is not a number", "감정의 값이 숫자가 아니에요"),
        (r"an emotion's value is negative or not finite", "감정의 값이 음수이거나 끝없는 수예요"),
        (r"its emotions are all zero", "적힌 감정이 모두 0이에요"),
        (r"its time cannot be read, so the turn has none", "시간을 읽지 못해 시간 없이 두었어요"),
        (
            r"its text is longer than ([\d,]+) characters, and what follows them is left out",
            "말이 {0}자보다 길어 그 뒤는 뺐어요",
        ),
        (r"its picture is not a file in the input's folder", "사진 파일이 같은 폴더에 없어요"),
        (r"its picture cannot be found, for the input has no folder", "어느 폴더에서 찾을지 몰라 사진을 못 찾았어요"),
        (
            r"a file in the archive could not be read as a conversation",
            "압축 파일 안의 파일 하나를 대화로 읽지 못했어요",
        ),
        (r"no speaker was recognised up to it", "여기까지 말한 사람을 찾지 못했어요"),
    )
)
OTHER = "이 줄은 읽지 못했어요"
_FAILURES = (
    (r"(.+) is empty: .+", "{0}: 비어 있어요."),
    (
        r"No speaker was recognised in (.+?): .+",
        "{0}: 말한 사람을 찾지 못했어요. 메신저에서 저장한 대화나 ‘이름: 말’로 적은 글을 주세요.",
    ),
    (
        r"(.+) is not read as a chat, .+",
        "{0}: 대화로 읽히지 않아요. 메신저에서 저장한 대화나 ‘이름: 말’로 적은 글을 주세요.",
    ),
    (r"(.+) is neither UTF-8 nor CP949 text: .+", "{0}: UTF-8이나 CP949로 된 글이 아니에요. UTF-8로 저장해 주세요."),
    (r"(.+) is a binary file, .+", "{0}: 글이 아닌 파일이에요."),
    (
        r"(.+) holds no message, only lines of the export itself: .+",
        "{0}: 메시지가 하나도 없어요. 대화를 다시 내보내 주세요.",
    ),
    (r"(.+) is a damaged archive: .+", "{0}: 압축 파일이 깨졌어요. 대화를 다시 내보내 주세요."),
    (r"(.+) is locked with a password: .+", "{0}: 암호가 걸려 있어요. 먼저 풀어 주세요."),
    (r"Cannot read (.+?): .+", "{0}: 파일을 열 수 없어요."),
)
FAILED = "점수를 내지 못했어요. 자세한 까닭은 영어 화면에 있어요."
_UNUSED = re.compile(r"(\d+) turns? (?:was|were) scored without a part that could not be used: turn (\d+), (.+)\.")


def korean_fault(reason: str) -> str:
    """Return why a line could not be read; what stands before it, the name of its file, stays."""
    for pattern, korean in _FAULTS:
        if found := re.fullmatch(rf"(?:(?P<file>.+): )?(?:{pattern.pattern})", reason, re.DOTALL):
            said = korean.format(*found.groups()[1:])
            return f"{found['file']}: {said}" if found["file"] else said
    return OTHER


def korean_notice(notice: str) -> str | None:
    """Return a notice in Korean, or None where it is of no known kind."""
    found = _UNUSED.fullmatch(notice)
    if not found:
        return None
    count, turn, reason = found.groups()
    return f"말 {count}개는 쓰지 못한 부분 없이 점수를 냈어요. 예를 들어 {turn}번째 말: {korean_reason(reason)}"


def korean_failure(error: str) -> str:
    """Return why a conversation could not be scored."""
    for pattern, korean in _FAILURES:
        if found := re.fullmatch(pattern, error, re.DOTALL):
            return korean.format(*found.groups())
    return FAILED
