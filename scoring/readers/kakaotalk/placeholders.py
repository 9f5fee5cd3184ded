"""The words that stand in an export for a photo, a call or another thing that it leaves out."""

from __future__ import annotations

import re

MEDIA_WORDS = {
    "photo": ("사진", "Photo", "Photos", "묶음사진", "写真"),
    "video": ("동영상", "Video", "Videos", "動画"),
    "emoticon": (
        *("이모티콘", "(이모티콘)", "스티커", "スタンプ", "(スタンプ)"),
        *("Emoticon", "Emoticons", "(Emoticon)", "(Emoticons)", "Sticker"),
    ),
    "file": ("파일", "File", "ファイル"),
    "voice": (
        *("음성메시지", "음성 메시지", "Voice Note", "Voice Message", "Audio"),
        *("ボイスメッセージ", "音声メッセージ"),
    ),
    "deleted": (
        "삭제된 메시지입니다.",
        "메시지가 삭제되었습니다.",
        "This message was deleted.",
        "This message has been deleted.",
        "The message has been deleted.",
        "Deleted message.",
        "削除されたメッセージです。",
    ),
    "hidden": ("채팅방 관리자가 메시지를 가렸습니다.", "관리자가 메시지를 가렸습니다.", "가려진 메시지입니다."),
}
_WORDS = {word.casefold(): kind for kind, words in MEDIA_WORDS.items() for word in words}
_CALL = (
    r"(?:(?:그룹 ?)?(?:보이스톡|페이스톡)|그룹콜|라이브톡|보이스룸|ボイストーク|フェイストーク"
    r"|(?:Voice|Video) Call|(?:Voice|Face|Live) ?Talk)"
)
_CALL_END = "해요|취소|부재중|응답없음|거절|종료|시작|ended|started|cancell?ed|missed|no answer"
_END = r"(?:습니다|어요)[.!]?"
_SENT = rf"(?:보냈|공유했){_END}"
_MEDIA_FORMS = {
    "photo": rf"사진 ?\d+장|사진(?: ?\d+장)?을 {_SENT}|Photos? ?\d+|\d+ Photos?|写真 ?\d+枚",
    "video": rf"동영상 ?\d+개|동영상(?: ?\d+개)?을 {_SENT}|\d+ Videos?",
    "emoticon": rf"(?:이모티콘|스티커)[을를] {_SENT}",
    "voice": rf"음성 ?메시지를 {_SENT}",
    "file": rf"(?:파일|File|ファイル) ?: ?\S.*|파일을 {_SENT}",
    "gift": rf"(?:선물|선물과 메시지|메시지와 선물)[을를] {_SENT}|선물이 도착했{_END}",
    "money": rf"송금 ?봉투(?:가 도착했|를 보냈|를 받았){_END}|\d[\d,]*원을 (?:보냈|받았){_END}|정산을 요청했{_END}",
    "call": rf"(?:Missed )?{_CALL}(?: (?:{_CALL_END}))?\.?(?: ?\(?\d{{1,2}}(?::\d{{2}}){{1,2}}\)?)?",
    "search": r"샵검색 ?: ?\S.*",
    "map": rf"(?:지도|위치|장소|Location|位置情報) ?: ?\S.*|(?:지도|위치|위치 ?정보|장소)[를을] {_SENT}",
    "contact": rf"(?:연락처|Contact|連絡先) ?: ?\S.*|(?:연락처|프로필)[를을] {_SENT}",
    "vote": r"(?:투표|Poll|投票) ?: ?\S.*",
}
_FORMS = re.compile("|".join(f"(?P<{kind}>{form})" for kind, form in _MEDIA_FORMS.items()), re.IGNORECASE)
_LONGEST_FORM = 300
# Windows and macOS write an animated sticker's words behind the placeholder: the words are the message.
_STICKER_WORDS = re.compile(r"\((?:이모티콘|Emoticons?)\)\s+(?=\S)", re.IGNORECASE)


def media_kind(text: str) -> str | None:
    """Return what KakaoTalk left out of an export where the whole message is its placeholder, or None.

    A placeholder is a word (사진), a word with a detail (사진 3장, 파일: a.pdf) or a sentence (선물을 보냈습니다.).
    """
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
