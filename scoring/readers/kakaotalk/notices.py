"""Lines of an export that nobody says: who came and went, its headings, the date on which it was saved."""

from __future__ import annotations

import re
from collections.abc import Container

# The patterns of notices compare every place of a line with every other place: long lines are never notices.
_LONGEST_NOTICE = 1000
_HEADING = re.compile(
    r".*님과(?:의)? ?카카오톡 대화|.+ 카카오톡 대화|.+ with KakaoTalk Chats|KakaoTalk Chats with.*|.+ Talk Chats"
    r"|.+さんとの(?:カカオ)?トーク(?:履歴)?|.+カカオトークの(?:トーク|会話|チャット).{0,20}"
    r"|Talk_\d{4}\.\d{1,2}\.\d{1,2}.*\.txt"
)
_SAVED = re.compile(
    r"(?:저장한 ?날짜|Date ?Saved|Saved ?Date|保存(?:した)?(?:日時|日付|日)) ?[:：] ?.*\d.*", re.IGNORECASE
)
_BARE_NOTICE = re.compile(
    r".+님이 ?(?:들어왔|나갔|입장했|퇴장했)습니다\.?.*"
    r"|.+님(?:을|과|이|께서) .*(?:초대(?:했|하였)|내보냈)습니다\.?"
    r"|.+님을 ?(?:초대(?:했|하였)|내보냈)습니다\.?"
    r"|(?:채팅방 ?|.+님이 )?(?:관리자|방장|부방장)가? ?(?:\d+개의 )?메시지를 가렸습니다\.?"
    r"|.+님이 (?:\d+개의 )?메시지를 가렸습니다\.?"
    r"|.+님이 (?:부방장|방장)(?:이 되었|에서 해제되었|으로 지정되었)습니다\.?"
    r"|(?:메시지가 삭제되었습니다|The message has been deleted)\.?"
    r"|.+さん(?:が|は)(?:入室|退室|退出|参加)しました。?|.+さんが.+を招待しました。?"
    r"|.+ (?:left|joined|has been removed from|was removed from) this chat ?room\.?"
)
_ENGLISH_NOTICE = re.compile(r"(?P<name>.+?) (?:left|joined|has left|has joined|invited .+)\.")
_STAMPED_NOTICE = re.compile(
    r".*(?:님(?:이|을|은|과|께서)|채팅방|오픈채팅|방장|관리자|운영정책|사칭|메시지|보이스룸|보이스톡|라이브톡|페이스톡|공지|초대"
    r"|투표|프로필).*(?:[다요]|까)[.!]?(?: ?운영정책 보기)?"
    r"|.+(?:さん|メッセージ|管理者|チャットルーム|トークルーム).*(?:ました|ます|です|ください)。?"
    r"|.*\b(?:invited|left|joined|removed|chat ?room|host|co-?host|deleted|hidden|notice|Voice Room|Live Talk)\b.*",
    re.DOTALL,
)


def is_heading(line: str) -> bool:
    """Tell whether a line is an export's title or the date on which it was saved."""
    return len(line) <= _LONGEST_NOTICE and (is_saved_date(line) or _HEADING.fullmatch(line) is not None)


def is_saved_date(line: str) -> bool:
    """Tell whether a line is the date on which an export was saved."""
    return _SAVED.fullmatch(line) is not None


def is_bare_notice(line: str, speakers: Container[str] | None = None) -> bool:
    """Tell whether a line without a time is a notice of KakaoTalk.

    ``… left.`` might as well be a sentence: where ``speakers`` are given, it counts for their names alone.
    """
    if len(line) > _LONGEST_NOTICE or not line.endswith((".", "다", "요", "기", "。", "た")):
        return False
    if _BARE_NOTICE.fullmatch(line):
        return True
    match = _ENGLISH_NOTICE.fullmatch(line)
    return match is not None and (speakers is None or match["name"] in speakers)


def is_stamped_notice(text: str) -> bool:
    """Tell whether what stands behind a time, with no speaker, is a notice of KakaoTalk."""
    return len(text) <= _LONGEST_NOTICE and _STAMPED_NOTICE.fullmatch(text) is not None
