"""The rows of ``label`` as blocks of text for a screen or a pipe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from clip_emotion.cli.common import cells, padded, printable

if TYPE_CHECKING:
    from rich.text import Text

    from clip_emotion.types import Prediction, ScoredLabel

BAR = 24


class TableWriter:
    """Prints a block per row as it comes: the picture's path, then its words in columns, with bars.

    Nothing is cut to the screen's width, so that the text is whole in a pipe too.
    """

    def __init__(self, names: Sequence[str], glosses: Mapping[str, str]) -> None:
        from rich.console import Console

        self.console = Console(highlight=False, emoji=False, markup=False, soft_wrap=True)
        self.glosses = glosses
        self.name_width = max(map(cells, names))
        self.gloss_width = max(map(cells, glosses.values()), default=0)

    def write(self, prediction: Prediction) -> None:
        """Print one row's block."""
        from clip_emotion.retrieval.labelling.rows import is_faceless

        face = f"  face {prediction.face.index + 1}" if prediction.face.index is not None else ""
        sure = f", found with {prediction.face.confidence:.0%}" if prediction.face.confidence is not None else ""
        note = f"{sure}  ({prediction.face.note})" if prediction.face.note else sure
        self.console.print(f"{printable(prediction.path)}{face}{note}", style="bold cyan")
        if prediction.error:
            self.console.print(f"  ✗ {prediction.error}", style="red")
        # Words for an image in which no face was found are a guess at something else: they step back.
        style = "dim" if is_faceless(prediction) else None
        for entry in prediction.labels:
            self.console.print(self._line(entry), style=style)
        if prediction.dimensions is not None:
            valence, arousal = prediction.dimensions.valence, prediction.dimensions.arousal
            self.console.print(f"  valence {valence:+.3f}  arousal {arousal:+.3f}", style=style)
        self.console.print()

    def _line(self, entry: ScoredLabel) -> Text:
        from rich.text import Text

        gloss = self.glosses.get(entry.key, "")
        bar = "█" * round(BAR * entry.probability)
        return Text.assemble(
            (f"  {padded(printable(entry.name), self.name_width)}", "bold"),
            (f"  {padded(gloss, self.gloss_width)}" if self.gloss_width else "", "dim"),
            (f"  {padded(bar, BAR)}", "yellow"),
            f"  {entry.probability:6.1%}",
            (f"  {entry.similarity:6.3f}", "dim"),
        )
