"""What WhatsApp writes into an export where it leaves something out, and what it says itself."""

from __future__ import annotations

import re

from scoring.readers.cleaning import MARK
from scoring.readers.turns import file_kind

_OMITTED = {
    *("<media omitted>", "<미디어 파일 제외됨>", "<미디어 파일을 생략한 대화내용>", "<미디어 제외>", "null"),
    *("<メディアなし>", "<メディアは含まれていません>", "<省略多媒体文件>", "<忽略多媒體檔>"),
    *("<medien ausgeschlossen>", "<medien weggelassen>", "<médias omis>", "<fichier omis>", "<media omessi>"),
    *("<media omesso>", "<multimedia omitido>", "<archivo omitido>", "<mídia omitida>", "<mídia oculta>"),
    *("<ficheiro não revelado>", "<media weggelaten>", "<pominięto multimedia>", "<media dihilangkan>"),
    *("<media tidak disertakan>", "<medya dahil edilmedi>", "<без медиафайлов>", "<файл пропущен>"),
    *("<media udeladt>", "<mediefil udeladt>", "<media utelatt>", "<media utelämnat>", "<media jätettiin pois>"),
}
_KINDS = {
    "photo": "image|photo|사진|이미지|画像|bild|imagen|immagine|imagem|afbeelding",
    "video": "video|video note|동영상|비디오|動画|vid[eé]o|vídeo",
    "voice": "audio|voice message|오디오|음성 ?메시지|音声",
    "emoticon": "sticker|gif|스티커|ステッカー|figurinha",
    "file": "document|문서|파일|文書|dokument|documento",
    "contact": "contact card|연락처(?: 카드)?|連絡先|kontaktkarte",
}
_LEFT_OUT = "|".join(
    (
        *("omitted", "생략됨", "제외됨", "생략(?:되었습니다)?", "が?省略(?:されました)?"),
        *("weggelassen", "omitid[oa]", "omess[oa]", "weggelaten", "omise?"),
    )
)
_OMITTED_ONE = "|".join(f"(?P<{kind}><?(?:{words}) ?(?:{_LEFT_OUT})>?)" for kind, words in _KINDS.items())
_DELETED = "|".join(
    (
        *("This message was deleted", "You deleted this message", "This message was deleted by admin .{1,80}"),
        *(
            "이 메시지는 삭제되었습니다",
            "삭제된 메시지입니다",
            "(?:내가|회원님이|본인이) ?메시지를 삭제(?:했습니다|하였습니다)",
        ),
        *("このメッセージは削除されました", "Diese Nachricht wurde gelöscht", "Du hast diese Nachricht gelöscht"),
        *("Se eliminó este mensaje", "Ce message a été supprimé"),
    )
)
_CALL = "|".join(
    (
        r"(?:Missed |Silenced )?(?:group )?(?:voice|video) call(?:[,.] ?.{0,40})?",
        *("부재중 (?:음성|영상) ?통화.{0,20}", "(?:음성|영상) ?통화(?:, ?.{1,30})?", "不在着信"),
    )
)
_PLACE = r"(?:Location|위치|Standort|Ubicación) ?: ?https?://\S+|live location shared|실시간 위치.{0,12}"
_WHOLE = re.compile(
    rf"{_OMITTED_ONE}|(?P<deleted>(?:{_DELETED})[.。]?)|(?P<call>{_CALL})|(?P<map>{_PLACE})"
    r"|(?P<vote>(?:POLL|투표|UMFRAGE|ENCUESTA):[\s\S]*)",
    re.IGNORECASE,
)
_WITH = "|".join(
    (
        *("file attached", "파일 첨부됨", "파일 첨부", "첨부 파일", "添付ファイル", "Datei angehängt"),
        *("archivo adjunto", "fichier joint", "arquivo anexado", "file allegato", "bestand bijgevoegd"),
    )
)
_FILE = r"[^\n<>:]{1,200}\.\w{2,5}"
_CAPTION = r"(?:\n(?P<caption>[\s\S]*))?"
_ATTACHED = re.compile(
    rf"(?:(?P<android>{_FILE}) \((?:{_WITH})\)|(?P<own>[A-Z]{{3}}-\d{{8}}-WA\d{{4}}\.\w{{2,5}}) \([^()\n]{{3,40}}\)"
    rf"|<[^<>:\n]{{2,30}}: (?P<ios>{_FILE})>){_CAPTION}"
)
_EDITED = re.compile(
    rf"(?<=\S)\s*(?:{MARK}<[^<>:\n]{{3,60}}>"
    r"|<(?:This message was edited|이 메시지는 수정되었습니다|수정된 메시지입니다|수정됨)\.?>)\s*$"
)
_END_TO_END = "|".join(
    (
        *(r"end-to-end encrypt(?:ed\.|ion)", "종단간 암호화(?:됩니다|되|로)", "엔드투엔드 암호화"),
        *("エンドツーエンドで?暗号化", "Ende-zu-Ende-versch", "cifrad[oa]s de extremo a extremo"),
        *("chiffrés de bout en bout", "criptografia de ponta a ponta", "end-to-end-versleuteld"),
        "crittografati end-to-end",
    )
)
_MESSAGES = "|".join(
    (
        *("(?:Your )?messages", "This chat", "메시지", "이 (?:대화|채팅)", "メッセージ", "Nachrichten", "Los mensajes"),
        *("Les messages", "As mensagens", "Berichten", "I messaggi"),
    )
)
_ENCRYPTED = re.compile(rf"(?:{_MESSAGES}).{{0,200}}(?:{_END_TO_END}).*", re.IGNORECASE)
_LEAST_ENCRYPTED = 40
_EAST_ASIAN = re.compile(
    rf"^{MARK}?(?:(?:메시지|이 대화).{{0,80}}종단간 암호화|メッセージ.{{0,80}}エンドツーエンド"
    "|.{0,80}(?:端到端加密|端對端加密)"
    "|<(?:미디어 파일|メディア|省略多媒体|忽略多媒體))"
)
# A name that holds a deed is a notice with a colon in it: Kim changed the subject to "Plan: B".
_DEED = re.compile(
    r" (?:changed the (?:subject|group)|created (?:this )?group|changed this group|changed (?:their|the) )"
    r"|님이 .*(?:제목|이름|설명|그룹|아이콘)|さんが.*(?:変更|グループ)"
)
_LONGEST_NOTICE = 500


def without_edit(text: str) -> str:
    """Return a text without WhatsApp's remark that it was edited."""
    return _EDITED.sub("", text)


def left_out(text: str) -> tuple[str, str | None, str] | None:
    """Return what a whole message stands for: a kind of media, the file's name if told, and the words with it."""
    if text.casefold() in _OMITTED:
        return "file", None, ""
    if match := _ATTACHED.fullmatch(text):
        name = match["android"] or match["own"] or match["ios"]
        return file_kind(name), name, match["caption"] or ""
    if len(text) <= _LONGEST_NOTICE and (match := _WHOLE.fullmatch(text)):
        return match.lastgroup or "file", None, ""
    return None


def is_east_asian(text: str) -> bool:
    """Tell whether a text is WhatsApp's own in Korean, Japanese or Chinese, which write the year of a date first."""
    return _EAST_ASIAN.search(text[:_LONGEST_NOTICE]) is not None


def is_notice(name: str, text: str) -> bool:
    """Tell whether what looks like a name and a text is WhatsApp's own: of a change, or that it is encrypted."""
    if _DEED.search(name) or (len(name) >= _LEAST_ENCRYPTED and _ENCRYPTED.fullmatch(name)):
        return True
    return _LEAST_ENCRYPTED <= len(text) <= _LONGEST_NOTICE and _ENCRYPTED.fullmatch(text) is not None
