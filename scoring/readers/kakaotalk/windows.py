"""KakaoTalk for Windows: ``[이름] [오후 3:12] 말`` under ``--------------- 2024년 3월 1일 금요일 ---------------``.

A notice of the room has an empty name (``[] [오후 3:12]``); some versions write the date into the stamp.
"""

from __future__ import annotations

import re

from scoring.readers.kakaotalk.parser import Syntax, kakaotalk_layout
from scoring.readers.kakaotalk.stamps import CLOCK, DATED

_MESSAGE = re.compile(rf"\[(?P<name>.*?)\] \[(?P<stamp>{DATED}|{CLOCK})\](?: (?P<text>.*))?$", re.IGNORECASE)

WINDOWS = kakaotalk_layout("kakaotalk-windows", Syntax(_MESSAGE, own=_MESSAGE))
