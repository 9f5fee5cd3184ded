"""Why a picture has no words, by kind and in Korean; a row's own sentence is English."""

from __future__ import annotations

KINDS = (
    ("HEIC", "heic"),
    ("Not a picture", "format"),
    ("is empty", "empty"),
    ("more than the limit", "large"),
    ("cannot be read (", "unopened"),
    ("a folder or a device", "folder"),
    ("damaged", "damaged"),
)
"""What a row's error says → its kind."""
KOREAN = {
    "heic": "HEIC 사진을 읽으려면 pip install 'clip-emotion[heic]'를 먼저 실행하세요.",
    "format": "읽을 수 있는 사진 파일이 아니에요. JPEG, PNG, WEBP, GIF 같은 파일을 주세요.",
    "empty": "파일이 비어 있어요.",
    "large": "사진이 너무 커요. 작게 줄여서 다시 해 보세요.",
    "unopened": "파일을 열 수 없어요. 파일이 그 자리에 있는지, 읽을 권한이 있는지 보세요.",
    "folder": "사진 파일이 아니라 폴더나 장치예요.",
    "damaged": "파일이 손상되어 읽을 수 없어요. 새로 저장해 보세요.",
}
OTHER = "이 사진은 볼 수 없었어요. 자세한 까닭은 결과 파일의 error에 있어요."


def kind_of_fault(error: str) -> str | None:
    """Return the kind of a row's error, or None where it is of no known kind."""
    return next((kind for sign, kind in KINDS if sign in error), None)


def korean_fault(error: str) -> str:
    """Return a row's error in Korean."""
    return KOREAN.get(kind_of_fault(error) or "", OTHER)
