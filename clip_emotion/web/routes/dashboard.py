"""The dashboard: emotions over time, pictures a day or a week, and the words of each vocabulary."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from starlette.responses import Response

from clip_emotion.web.charts import Chart, marks, stacked
from clip_emotion.web.counting import PERIODS, UNITS, Counts, counts_of
from clip_emotion.web.naming import ORDER, family_name, word_names
from clip_emotion.web.visits import Own, own_pages

WORDS = 8
"""Words of a vocabulary that are listed."""
router = own_pages()


@dataclass(frozen=True)
class Row:
    """A word of a vocabulary: its key, its name, how often it led, its share as text and as the width of a bar."""

    key: str
    name: str
    count: int
    share: str
    width: str


@router.get("/dashboard")
def dashboard(visit: Own, period: str = "", unit: str = "") -> Response:
    """Show the counts of a period."""
    period = period if period in PERIODS else next(iter(PERIODS))
    unit = unit if unit in UNITS else UNITS[0]
    with visit.site.database.reading() as db:
        counts = counts_of(db, visit.user.id, period, unit)
    families = [(one, family_name(one, visit.language)) for one in ORDER if counts.families[one]]
    return visit.page(
        "dashboard.html.j2", counts=counts, period=period, periods=tuple(PERIODS), units=UNITS, families=families,
        amounts=stacked([column.families for column in counts.columns], ORDER),
        shares=[(key, name, _share_chart(counts, key)) for key, name in families],
        marks=marks([column.begin.isoformat() for column in counts.columns]),
        vocabularies=[(name, sum(found.values()), words_of(name, found, visit.language))
                      for name, found in sorted(counts.words.items(), key=lambda one: -sum(one[1].values()))],
    )  # fmt: skip


def words_of(vocabulary: str, found: Counter[str], language: str) -> list[Row]:
    """Return the words that led most often, with their share of a vocabulary's pictures."""
    names, total = word_names(vocabulary, language), sum(found.values())
    return [
        Row(key, names.get(key, key), count, f"{count / total:.0%}", f"{100 * count / total:.1f}")
        for key, count in found.most_common(WORDS)
    ]


def _share_chart(counts: Counts, family: str) -> Chart:
    shares = [{family: one.families.get(family, 0) / one.total} if one.total else {} for one in counts.columns]
    return stacked(shares, (family,), top=1)
