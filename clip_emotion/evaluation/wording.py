"""What an evaluation says in Korean: its figures, tables and plots."""

from __future__ import annotations

KOREAN = {
    "rows": "행 수",
    "accuracy (top-1)": "정확도 (top-1)",
    "  chance · most frequent": "  무작위 · 최빈 클래스",
    "top-5": "top-5 정확도",
    "macro F1": "매크로 F1",
    "macro recall": "매크로 재현율",
    "expected calibration error": "기대 보정 오차 (ECE)",
    "F1 and recall count from": "F1과 재현율의 기준",
    "probability": "확률",
    "by label": "라벨마다 다름",
    "left out of the averages (no rows)": "평균에서 제외 (행 없음)",
    "family hit@1": "감정 가족 hit@1",
    "family precision@5": "감정 가족 precision@5",
    "classes with no family": "가족이 없는 클래스",
    "accuracy, also in training": "정확도, 학습에도 있는 행",
    "accuracy, not in training": "정확도, 학습에 없는 행",
    "no rows": "행 없음",
    "pictures without a face, left out": "얼굴이 없어 제외한 사진",
    "pictures without a face, taken whole": "얼굴이 없어 통째로 본 사진",
    "rows left out as unusable": "쓸 수 없어 제외한 행",
    "rows left out by the filter": "조건에 맞지 않아 제외한 행",
    "classes not in the vocabulary": "어휘에 없는 클래스",
    "left out": "제외한 클래스",
    "Classes": "클래스",
    "Families": "감정 가족",
    "class": "클래스",
    "true class": "실제 클래스",
    "precision": "정밀도",
    "recall": "재현율",
    "F1": "F1",
    "hit@1": "hit@1",
    "prec@5": "prec@5",
    "precision@5": "precision@5",
    "chance": "무작위",
    "words chosen most": "가장 많이 고른 단어",
    "its family": "그 가족",
    "predicted": "예측",
    "true (rows)": "실제 (행)",
    "share of the true class": "실제 클래스 안의 비율",
    "accuracy": "정확도",
    "confidence": "확신",
    "perfectly calibrated": "완전한 보정",
    "mean confidence of the bin": "구간의 평균 확신",
    "bins": "구간",
    "text": "텍스트만",
    "image": "이미지",
    "both": "둘 다",
    "head": "헤드",
    "gain": "이득",
    "caption": "캡션",
    "Captions": "캡션",
    "macro recall: image": "매크로 재현율: 이미지만",
    "McNemar's p by seed": "시드별 McNemar p",
    "Accuracy by head, mean of the seeds": "헤드별 정확도, 시드 평균",
    "F1 by class": "클래스별 F1",
    "captions that name it": "이름을 맞힌 캡션",
    "captions that name the right class": "맞는 클래스를 말한 캡션",
    "captions that name it before any other": "그것을 가장 먼저 말한 캡션",
    "captions that name no class": "아무 클래스도 말하지 않은 캡션",
    "head that was kept": "남긴 헤드",
    "gain of both over the image alone": "이미지만 쓸 때보다 둘 다 쓸 때의 이득",
    "captioner": "캡션 모델",
    "prompt": "프롬프트",
    "image feature": "이미지 특징",
    "text feature": "텍스트 특징",
    "images": "이미지 수",
    "seeds": "시드",
    "Groups by": "집단별:",
    "Recall by": "집단별 재현율:",
    "group": "집단",
    "class · group": "클래스 · 집단",
    "ECE": "ECE",
    "95 %": "95 %",
    "largest gap by": "가장 큰 차이:",
    "rows without": "값이 없는 행:",
    "Korean": "한국어",
    "English": "영어",
}


def spoken(english: str, language: str) -> str:
    """Return words of an evaluation in a language; Korean where it is ``ko``, else English as they are.

    Raises KeyError for words that have no Korean.
    """
    return KOREAN[english] if language == "ko" else english


def spoken_of(english: str, language: str) -> str:
    """Return words of an evaluation in a language, where a tab parts them from a name that is the same in every one."""
    words, _, name = english.partition("\t")
    return f"{spoken(words, language)} {name}".rstrip()
