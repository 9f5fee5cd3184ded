"""Lines of an export that are nobody's words: who came and went, headings, and what stands for a photo or a call."""

from __future__ import annotations

import re
from collections.abc import Container

MEDIA_WORDS = {
    "photo": ("사진", "Photo", "Photos", "묶음사진", "사진을 보냈습니다."),
    "video": ("동영상", "Video", "Videos", "동영상을 보냈습니다."),
    "emoticon": ("이모티콘", "(이모티콘)", "Emoticon", "Emoticons", "(Emoticon)", "(Emoticons)", "스티커", "Sticker"),
    "file": ("파일", "File"),
    "voice": ("음성메시지", "음성 메시지", "Voice Note", "Voice Message", "Audio"),
    "deleted": (
        "삭제된 메시지입니다.",
        "메시지가 삭제되었습니다.",
        "This message was deleted.",
        "This message has been deleted.",
        "The message has been deleted.",
        "Deleted message.",
    ),
    "hidden": ("채팅방 관리자가 메시지를 가렸습니다.", "관리자가 메시지를 가렸습니다.", "가려진 메시지입니다."),
}
_WORDS = {word.casefold(): kind for kind, words in MEDIA_WORDS.items() for word in words}
_CALL = r"(?:(?:그룹 ?)?(?:보이스톡|페이스톡)|그룹콜|라이브톡|보이스룸|(?:Voice|Video) Call|(?:Voice|Face|Live) ?Talk)"
_CALL_END = "해요|취소|부재중|응답없음|거절|종료|시작|ended|started|cancell?ed|missed|no answer"
_MEDIA_FORMS = {
    "photo": r"사진 ?\d+장|Photos? ?\d+|\d+ Photos?",
    "video": r"동영상 ?\d+개|\d+ Videos?",
    "file": r"(?:파일|File) ?: ?\S.*",
    "call": rf"(?:Missed )?{_CALL}(?: (?:{_CALL_END}))?\.?(?: ?\(?\d{{1,2}}(?::\d{{2}}){{1,2}}\)?)?",
    "search": r"샵검색 ?: ?\S.*",
    "map": r"(?:지도|Location) ?: ?\S.*",
    "contact": r"(?:연락처|Contact) ?: ?\S.*",
    "vote": r"(?:투표|Poll) ?: ?\S.*",
}
_FORMS = re.compile("|".join(f"(?P<{kind}>{form})" for kind, form in _MEDIA_FORMS.items()), re.IGNORECASE)
_LONGEST_FORM = 300
# The patterns of notes look at every place of a line for every other place: nothing for lines of any length.
_LONGEST_NOTE = 1000
# Windows and macOS write an animated sticker's words behind the placeholder: the words are the message.
_STICKER_WORDS = re.compile(r"\((?:이모티콘|Emoticons?)\)\s+(?=\S)", re.IGNORECASE)


def media_kind(text: str) -> str | None:
    """Return what KakaoTalk left out of an export where the whole message is its placeholder, or None."""
    if len(text) > _LONGEST_FORM or "\n" in text:
        return None
    kind = _WORDS.get(text.casefold())
    if kind is None and (match := _FORMS.fullmatch(text)):
        kind = match.lastgroup
    return kind


def without_placeholder(text: str) -> str:
    """Return the words that came with a sticker, without the placeholder before them."""
    match = _STICKER_WORDS.match(text)
    return text[match.end() :] if match else text


_HEADING = re.compile(
    r".*님과(?:의)? ?카카오톡 대화|.+ 카카오톡 대화|.+ with KakaoTalk Chats|KakaoTalk Chats with.*|.+ Talk Chats"
    r"|Talk_\d{4}\.\d{1,2}\.\d{1,2}.*\.txt"
)
_SAVED = re.compile(r"(?:저장한 ?날짜|Date ?Saved|Saved ?Date) ?: ?.*\d.*", re.IGNORECASE)
_BARE_NOTE = re.compile(
    r".+님이 ?(?:들어왔|나갔|입장했|퇴장했)습니다\.?.*"
    r"|.+님(?:을|과|이|께서) .*(?:초대(?:했|하였)|내보냈)습니다\.?"
    r"|.+님을 ?(?:초대(?:했|하였)|내보냈)습니다\.?"
    r"|(?:채팅방 ?|.+님이 )?(?:관리자|방장|부방장)가? ?(?:\d+개의 )?메시지를 가렸습니다\.?"
    r"|.+님이 (?:\d+개의 )?메시지를 가렸습니다\.?"
    r"|.+님이 (?:부방장|방장)(?:이 되었|에서 해제되었|으로 지정되었)습니다\.?"
    r"|(?:메시지가 삭제되었습니다|The message has been deleted)\.?"
    r"|.+ (?:left|joined|has been removed from|was removed from) this chat ?room\.?"
)
_ENGLISH_NOTE = re.compile(r"(?P<name>.+?) (?:left|joined|has left|has joined|invited .+)\.")
_STAMPED_NOTE = re.compile(
    r".*(?:님(?:이|을|은|과|께서)|채팅방|오픈채팅|방장|관리자|운영정책|사칭|메시지|보이스룸|보이스톡|라이브톡|페이스톡|공지|초대"
    r"|투표|프로필).*(?:[다요]|까)[.!]?(?: ?운영정책 보기)?"
    r"|.*\b(?:invited|left|joined|removed|chat ?room|host|co-?host|deleted|hidden|notice|Voice Room|Live Talk)\b.*",
    re.DOTALL,
)


def is_heading(line: str) -> bool:
    """Tell whether a line is an export's title or the date on which it was saved."""
    return len(line) <= _LONGEST_NOTE and (is_saved_date(line) or _HEADING.fullmatch(line) is not None)


def is_saved_date(line: str) -> bool:
    """Tell whether a line is the date on which an export was saved."""
    return _SAVED.fullmatch(line) is not None


def is_bare_note(line: str, speakers: Container[str] | None = None) -> bool:
    """Tell whether a line without a time is KakaoTalk's own note.

    ``… left.`` might as well be a sentence: where ``speakers`` are given, it counts for their names alone.
    """
    if len(line) > _LONGEST_NOTE or not line.endswith((".", "다", "요", "기")):
        return False
    if _BARE_NOTE.fullmatch(line):
        return True
    match = _ENGLISH_NOTE.fullmatch(line)
    return match is not None and (speakers is None or match["name"] in speakers)


def is_stamped_note(text: str) -> bool:
    """Tell whether what stands behind a time, with no speaker, is KakaoTalk's own note."""
    return len(text) <= _LONGEST_NOTE and _STAMPED_NOTE.fullmatch(text) is not None
