"""What WhatsApp writes into an export where it leaves something out, and what it says itself."""

from __future__ import annotations

import re

from scoring.readers.turns import file_kind

_OMITTED = {
    *("<media omitted>", "<미디어 파일 제외됨>", "<미디어 파일을 생략한 대화내용>", "<미디어 제외>"),
    *("<メディアなし>", "<メディアは含まれていません>", "<medien ausgeschlossen>", "<medien weggelassen>"),
    *("<médias omis>", "<fichier omis>", "<multimedia omitido>", "<archivo omitido>", "<media omessi>"),
    *("<media omesso>", "<ficheiro não revelado>", "<mídia omitida>", "<mídia oculta>", "<media weggelaten>"),
    *("<pominięto multimedia>", "<media dihilangkan>", "<media tidak disertakan>", "<medya dahil edilmedi>"),
    *("<без медиафайлов>", "<файл пропущен>", "<省略多媒体文件>", "<忽略多媒體檔>", "<media udeladt>", "<mediefil udeladt>"),
    *("<media utelatt>", "<media utelämnat>", "<media har utelämnats>", "<media jätettiin pois>", "null"),
}
_KINDS = {
    "photo": "image|photo|사진|이미지|画像|bild|imagen|immagine|imagem|afbeelding",
    "video": "video|video note|동영상|비디오|動画|vid[eé]o|vídeo",
    "voice": "audio|voice message|오디오|음성 ?메시지|音声",
    "emoticon": "sticker|gif|스티커|ステッカー|스티커가|figurinha",
    "file": "document|문서|파일|文書|dokument|documento",
    "contact": "contact card|연락처(?: 카드)?|連絡先|kontaktkarte",
}
_LEFT_OUT = "omitted|생략됨|제외됨|생략(?:되었습니다)?|が?省略(?:されました)?|weggelassen|omitid[oa]|omess[oa]|weggelaten|omise?"
_OMITTED_ONE = re.compile(
    "|".join(f"(?P<{kind}><?(?:{words}) ?(?:{_LEFT_OUT})>?)" for kind, words in _KINDS.items()), re.IGNORECASE
)
_FORMS = {
    "deleted": (
        r"(?:This message was deleted|You deleted this message|이 메시지는 삭제되었습니다|삭제된 메시지입니다"
        r"|(?:내가|회원님이|본인이) ?(?:이 )?메시지를 삭제(?:했습니다|하였습니다)|このメッセージは削除されました|Diese Nachricht wurde gelöscht"
        r"|Du hast diese Nachricht gelöscht|Se eliminó este mensaje|Ce message a été supprimé)(?: by admin .{1,80})?[.。]?"
    ),
    "call": (
        r"(?:Missed |Silenced )?(?:voice|video|group (?:voice|video)) call(?:[,.] ?.{0,40})?|부재중 (?:음성|영상) ?통화.{0,20}"
        r"|(?:음성|영상) ?통화(?:, ?.{1,30})?|不在着信"
    ),
    "map": r"(?:Location|Live location shared|위치|Standort|Ubicación) ?:? ?(?:https?://\S+)?|live location shared|실시간 위치.{0,12}",
    "vote": r"(?:POLL|투표|UMFRAGE|ENCUESTA):(?:.|\n)*",
}
_WHOLE = re.compile("|".join(f"(?P<{kind}>{form})" for kind, form in _FORMS.items()), re.IGNORECASE)
_FILE = r"(?P<name>[^\n<>:]{1,200}\.\w{2,5})"
_ATTACHED = re.compile(
    rf"(?:{_FILE} \((?:file attached|파일 첨부됨|파일 첨부|첨부 파일|添付ファイル|Datei angehängt|archivo adjunto|fichier joint"
    rf"|arquivo anexado|file allegato)\)|<[^<>:\n]{{2,30}}: {_FILE.replace('name', 'other')}>)(?:\n(?P<caption>(?:.|\n)*))?"
)
_OWN_FILE = re.compile(rf"{_FILE.replace('name', 'own')} \([^()\n]{{3,40}}\)(?:\n(?P<caption>(?:.|\n)*))?")
_OWN_NAME = re.compile(r"[A-Z]{3}-\d{8}-WA\d{4}\.\w+")
_EDITED = re.compile(
    r"(?<=\S)\s*(?:\u200e<[^<>:\n]{3,60}>|<(?:This message was edited|이 메시지는 수정되었습니다|수정된 메시지입니다|수정됨)\.?>)\s*$"
)
_ENCRYPTED = re.compile(
    r".{0,300}(?:end-to-end encrypt(?:ed\.|ion)|종단간 암호화(?:됩니다|되|로)|엔드투엔드 암호화|エンドツーエンドで?暗号化|Ende-zu-Ende-versch"
    r"|cifrad[oa]s de extremo a extremo|chiffrés de bout en bout|criptografia de ponta a ponta|end-to-end-versleuteld"
    r"|crittografati end-to-end).*",
    re.IGNORECASE,
)
_LEAST_ENCRYPTED = 40
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
    if (match := _ATTACHED.fullmatch(text)) and (name := match["name"] or match["other"]):
        return file_kind(name), name, match["caption"] or ""
    if (match := _OWN_FILE.fullmatch(text)) and _OWN_NAME.fullmatch(match["own"]):
        return file_kind(match["own"]), match["own"], match["caption"] or ""
    if len(text) <= _LONGEST_NOTICE and (match := _OMITTED_ONE.fullmatch(text) or _WHOLE.fullmatch(text)):
        return match.lastgroup or "file", None, ""
    return None


def is_notice(name: str, text: str) -> bool:
    """Tell whether what looks like a name and a text is WhatsApp's own: of a change, or that it is encrypted."""
    if _DEED.search(name):
        return True
    return _LEAST_ENCRYPTED <= len(text) <= _LONGEST_NOTICE and _ENCRYPTED.fullmatch(text) is not None
