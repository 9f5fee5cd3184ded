from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from clip_emotion.text_batches import length_batches


@given(st.lists(st.integers(0, 50)), st.integers(1, 7))
def test_every_row_stands_in_one_batch_beside_rows_of_like_length(lengths: list[int], size: int) -> None:
    batches = length_batches(lengths, size)
    rows = [row for batch in batches for row in batch]
    assert sorted(rows) == list(range(len(lengths)))
    assert [lengths[row] for row in rows] == sorted(lengths)
    assert all(0 < len(batch) <= size for batch in batches)


def test_rows_of_equal_length_stay_in_order() -> None:
    assert length_batches([3, 1, 3, 1, 3], 2) == [[1, 3], [0, 2], [4]]
    assert length_batches([], 2) == []
