"""``clip-emotion label --store``: the faces of a store, any words, and no encoder of pictures."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clip_emotion.cli.common import say
from clip_emotion.cli.label_output import LabelOutput, Output
from clip_emotion.cli.label_table import TableWriter

if TYPE_CHECKING:
    from clip_emotion.data.images import ImageSource
    from clip_emotion.retrieval.labelling.row_files import RowWriter
    from clip_emotion.retrieval.store.embedding_store import EmbeddingStore
    from clip_emotion.retrieval.store.labelling import LabelledBlock
    from clip_emotion.types import Prediction


@dataclass(frozen=True)
class StoreRun:
    """One labelling of a store's faces, and its way out."""

    store: EmbeddingStore
    rows: LabelOutput

    def run(self, output: Output) -> int:
        """Label all faces, write rows and report, and return how many rows failed."""
        from clip_emotion.retrieval.store.labelling import label_store

        started = time.perf_counter()
        reported: list[Prediction] = []
        sources: dict[str, ImageSource] = {}
        rows = failed = faceless = 0
        with self.rows.sink(output) as (writer, _):
            write = _writing(writer, self.rows)
            for block in label_store(self.store, self.rows.labeller, self.rows.top):
                write(block)
                rows, failed, faceless = rows + len(block), failed + block.failed, faceless + block.faceless
                if output.report:
                    reported += block.predictions()
                    sources |= block.sources()
        if output.report:
            say(f"Contact sheet: {self.rows.write_report(output.report, reported, sources, len(sources))}")
        if faceless:
            say(f"{faceless} of {rows} rows are of pictures without a face: their words mean little.")
        counted = "1 row" if rows == 1 else f"{rows:,} rows"
        say(f"{counted} of {self.store.path} in {time.perf_counter() - started:.1f} s; {failed} failed.")
        return failed


def _writing(writer: RowWriter | TableWriter, rows: LabelOutput) -> Callable[[LabelledBlock], None]:
    """Return what writes a block: JSON lines all at once, other forms row by row."""

    def row_by_row(block: LabelledBlock) -> None:
        for prediction in block.predictions():
            writer.write(prediction)

    if isinstance(writer, TableWriter) or not writer.takes_json_lines:
        return row_by_row
    lines, card = writer.write_lines, rows.card()
    return lambda block: lines(block.json_lines(card))
