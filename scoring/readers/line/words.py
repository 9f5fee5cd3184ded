"""What LINE writes for what an export leaves out, and its own lines, in Korean, English, Japanese and Chinese."""

from __future__ import annotations

import re

from scoring.readers.kakaotalk.notices import is_saved_date

_MEDIA = {
    "photo": "Photo|Photos|Image|사진|이미지|写真|照片|图片|圖片",
    "video": "Video|Videos|동영상|비디오|動画|影片|视频",
    "emoticon": "Sticker|Stickers|스티커|이모티콘|GIF|スタンプ|貼圖|贴图|Emoji",
    "voice": "Voice message|Voice note|Audio|음성 ?메시지|ボイスメッセージ|音声メッセージ|語音訊息|语音信息",
    "file": "File|파일|ファイル|檔案|文件|Album|앨범|アルバム|相簿|Notes?|노트|ノート|記事本",
    "map": "Location|위치 ?정보|위치|位置情報|位置訊息|位置",
    "contact": "Contact|연락처|連絡先|聯絡資訊",
    "gift": "Gift|선물|ギフト",
    "money": "Payment|송금|送金",
    "vote": "Poll|투표|投票",
    "call": "Call|통화|通話",
}
_BRACKETED = re.compile("|".join(rf"(?P<{kind}>\[(?:{words})\])" for kind, words in _MEDIA.items()), re.IGNORECASE)
_BARE = re.compile("|".join(rf"(?P<{kind}>{words})" for kind, words in _MEDIA.items()))
_CALL = re.compile(r"☎.{0,100}|(?:Call time|통화 ?시간|通話時間) ?:? ?[\d:]+")
_TITLE = re.compile(r"\[LINE\] ?\S.*|Chat history (?:with|in) .+")
_SAVED = re.compile(r"(?:Saved on|Save date|保存日期|储存日期|儲存日期|บันทึกวันที่) ?[:：] ?.*\d.*", re.IGNORECASE)


def media_of(text: str, *, bare: bool = False) -> str | None:
    """Return what a whole message stands for, or None for words; ``bare``: the desktop writes no brackets."""
    match = _BRACKETED.fullmatch(text) or (_BARE.fullmatch(text) if bare else None)
    if match:
        return match.lastgroup
    return "call" if _CALL.fullmatch(text) else None


def is_title(line: str) -> bool:
    """Tell whether a line is an export's title or the date on which it was saved."""
    return _TITLE.fullmatch(line) is not None or is_saved(line)


def is_saved(line: str) -> bool:
    """Tell whether a line is the date on which an export was saved."""
    return is_saved_date(line) or _SAVED.fullmatch(line) is not None
