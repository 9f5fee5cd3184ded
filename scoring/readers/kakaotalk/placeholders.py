"""The words that stand in an export for a photo, a call or another thing that it leaves out."""

from __future__ import annotations

import re

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
