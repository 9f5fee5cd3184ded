"""Batches of pictures: right pixels and labels, pure in seed and step, the same through threads and processes."""

from __future__ import annotations

import io
import threading
import time
from pathlib import Path

import datasets
import numpy as np
import pytest
import torch
from datasets import ClassLabel, Dataset, Features, Value
from PIL import Image
from torchvision.transforms import CenterCrop, Compose, PILToTensor, Resize
from torchvision.transforms import InterpolationMode as Mode

from clip_emotion.data import batches as module
from clip_emotion.data.batches import Batch, DecodedImages, Decoding, ImageBatches, Prefetcher, row_labels, row_sources
from clip_emotion.data.samplers import BalancedBatchSampler, ShuffledBatchSampler
from clip_emotion.data.transform_config import TransformConfig
from clip_emotion.errors import DataError

NAMES = ["anger", "fear", "joy"]


def png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def drawn(at: int, width: int, height: int) -> Image.Image:
    """A smooth picture, as faces are, of its own."""
    coarse = np.random.default_rng(at).integers(0, 256, (5, 5, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


def prepared(sizes: list[tuple[int, int]]) -> Dataset:
    """Rows as ``load_prepared`` gives them."""
    features = Features(
        {
            "image": datasets.Image(),
            "label": ClassLabel(names=NAMES),
            "path": Value("string"),
            "source": Value("string"),
        }
    )
    images = [{"bytes": png(drawn(at, *size)), "path": f"{at}.png"} for at, size in enumerate(sizes)]
    labels = [at % 3 for at in range(len(sizes))]
    sources = ["muxspace" if at % 2 else "fer2013" for at in range(len(sizes))]
    columns = {"image": images, "label": labels, "path": [f"{at}.png" for at in range(len(sizes))], "source": sources}
    return Dataset.from_dict(columns, features=features)


def sampler_of(rows: Dataset, size: int = 6, **options: int) -> BalancedBatchSampler:
    return BalancedBatchSampler(row_labels(rows), size, **options)


def same(first: Batch, second: Batch) -> bool:
    return torch.equal(first.pixels, second.pixels) and torch.equal(first.labels, second.labels)


def test_small_squares_are_kept_as_they_are() -> None:
    rows = prepared([(12, 12)] * 7)
    images = DecodedImages(rows, 20)
    wanted = torch.stack([PILToTensor()(drawn(at, 12, 12)) for at in (5, 0)])
    assert torch.equal(images.raw([5, 0]), wanted)
    taken = images.take([5, 0])
    assert taken.shape == (2, 3, 20, 20)
    resized = torch.stack(
        [PILToTensor()(drawn(at, 12, 12).resize((20, 20), Image.Resampling.BICUBIC)) for at in (5, 0)]
    )
    assert (taken * 255 - resized).abs().max() <= 2


@pytest.mark.parametrize("cache", ["memory", "none"])
@pytest.mark.parametrize("shape", [(40, 40), (40, 61), (23, 16), (16, 16)])
def test_other_sizes_are_resized_and_cut_as_clip_does(cache: str, shape: tuple[int, int]) -> None:
    rows = prepared([shape, (12, 12)])
    taken = DecodedImages(rows, 16, Decoding(cache)).take([0, 1])
    clip = Compose([Resize(16, Mode.BICUBIC), CenterCrop(16), PILToTensor()])
    wanted = torch.stack([clip(drawn(0, *shape)), clip(drawn(1, 12, 12))])
    torch.testing.assert_close(taken, wanted / 255)


@pytest.mark.parametrize("sizes", [[(12, 12)] * 9, [(12, 12)] * 4 + [(30, 20)] * 5])
def test_the_cache_changes_nothing(sizes: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch) -> None:
    rows = prepared(sizes)
    kept, plain = (ImageBatches(rows, sampler_of(rows), 16, decoding=Decoding(cache)) for cache in ("memory", "none"))
    monkeypatch.setattr(module, "CACHE_BYTES", 1)
    too_large = ImageBatches(rows, sampler_of(rows), 16)
    for step in range(4):
        assert torch.equal(plain.get(step).pixels, too_large.get(step).pixels)
        assert (kept.get(step).pixels - plain.get(step).pixels).abs().max() < 2.1 / 255


def test_labels_and_sources_go_with_their_pictures() -> None:
    rows = prepared([(10, 10)] * 11)
    batches = ImageBatches(rows, sampler_of(rows), 10)
    assert batches.source_names == ("fer2013", "muxspace")
    for step in range(5):
        batch = batches.get(step)
        at = batches.sampler.batch(step)
        wanted = torch.stack([PILToTensor()(drawn(row, 10, 10)) for row in at])
        torch.testing.assert_close(batch.pixels, wanted / 255)
        assert batch.labels.tolist() == [row % 3 for row in at]
        assert batch.sources is not None
        assert batch.sources.tolist() == [row % 2 for row in at]
        assert batch.rows.tolist() == at
        assert sorted(batch.labels.tolist()) == [0, 0, 1, 1, 2, 2]
        assert len(batch) == 6


def test_rows_without_a_source_have_none() -> None:
    rows = prepared([(10, 10)] * 6).remove_columns(["source"])
    assert row_sources(rows) is None
    assert ImageBatches(rows, sampler_of(rows, 3), 10).get(0).sources is None


def test_a_batch_follows_from_seed_and_step() -> None:
    rows = prepared([(12, 12)] * 12)
    make = lambda seed: ImageBatches(rows, sampler_of(rows), 16, TransformConfig(), seed=seed)  # noqa: E731
    first, again, other = make(1), make(1), make(2)
    wanted = [first.get(step) for step in range(6)]
    torch.rand(5)
    assert all(same(again.get(step), wanted[step]) for step in reversed(range(6)))
    assert not same(other.get(0), wanted[0])
    untouched = ImageBatches(rows, sampler_of(rows), 16)
    assert not same(untouched.get(0), wanted[0])


def test_several_processes_see_what_one_sees() -> None:
    rows = prepared([(12, 12)] * 12)
    whole = ImageBatches(rows, sampler_of(rows), 16, TransformConfig())
    parts = [ImageBatches(rows, sampler_of(rows, replicas=2, rank=rank), 16, TransformConfig()) for rank in (0, 1)]
    for step in range(4):
        joined = torch.cat([part.get(step).pixels for part in parts])
        torch.testing.assert_close(joined, whole.get(step).pixels)


def test_a_damaged_picture_is_named() -> None:
    rows = prepared([(12, 12)] * 3)
    broken = [dict(cell) for cell in rows.cast_column("image", datasets.Image(decode=False))["image"]]
    broken[1]["bytes"] = broken[1]["bytes"][:60]
    harmed = Dataset.from_dict(
        {"image": broken, "label": [0, 1, 2]},
        features=Features({"image": datasets.Image(), "label": ClassLabel(names=NAMES)}),
    )
    with pytest.raises(DataError, match=r"Picture 1 \(1\.png\) cannot be used: The picture is damaged"):
        DecodedImages(harmed, 16)
    with pytest.raises(DataError, match="Picture 1"):
        DecodedImages(harmed, 16, Decoding("none")).take([1])


def test_pictures_beside_the_data_set_are_read_from_their_files(tmp_path: Path) -> None:
    drawn(0, 12, 12).save(tmp_path / "a.png")
    rows = Dataset.from_dict(
        {"image": [{"bytes": None, "path": str(tmp_path / "a.png")}]}, Features({"image": datasets.Image()})
    )
    assert torch.equal(DecodedImages(rows, 12).raw([0])[0], PILToTensor()(drawn(0, 12, 12)))


@pytest.mark.parametrize("workers", [1, 3])
def test_prefetched_batches_are_the_same(workers: int) -> None:
    rows = prepared([(12, 12)] * 12)
    batches = ImageBatches(rows, sampler_of(rows), 16, TransformConfig())
    with Prefetcher(batches.get, ahead=3, workers=workers) as ahead:
        for step in (0, 1, 2, 3, 40, 41, 5, 6):
            assert same(ahead.get(step), batches.get(step))


def test_threads_draw_the_same_rows_as_one() -> None:
    labels = [0] * 40 + [1] * 7
    alone, shared = BalancedBatchSampler(labels, 10), BalancedBatchSampler(labels, 10)
    with Prefetcher(shared.batch, ahead=12, workers=6) as ahead:
        assert [ahead.get(step) for step in range(300)] == [alone.batch(step) for step in range(300)]


def test_the_prefetcher_works_ahead_and_no_further() -> None:
    started, begun = [], threading.Event()

    def get(step: int) -> int:
        started.append(step)
        if step == 3:
            begun.set()
        return step

    with Prefetcher(get, ahead=2) as ahead:
        assert ahead.get(1) == 1
        assert begun.wait(5)
        time.sleep(0.02)
        assert started == [1, 2, 3]
        assert ahead.get(2) == 2


def test_an_error_belongs_to_its_step_and_the_threads_end() -> None:
    def get(step: int) -> int:
        if step == 2:
            raise DataError("Picture 2 is broken.")
        return step

    before = threading.active_count()
    with Prefetcher(get, ahead=3, workers=2) as ahead:
        assert [ahead.get(0), ahead.get(1)] == [0, 1]
        with pytest.raises(DataError, match="Picture 2"):
            ahead.get(2)
        assert ahead.get(3) == 3
    assert threading.active_count() == before


def test_shuffled_batches_fit_too() -> None:
    rows = prepared([(12, 12)] * 12)
    batches = ImageBatches(rows, ShuffledBatchSampler(row_labels(rows), 4), 12)
    seen = torch.cat([batches.get(step).labels for step in range(3)])
    assert sorted(seen.tolist()) == sorted(row_labels(rows).tolist())


def test_a_mask_of_skin_is_laid_on_before_pictures_are_cut() -> None:
    from clip_emotion.skin import keep_skin

    pixels = np.random.default_rng(1).integers(0, 256, (20, 20, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    rows = Dataset.from_dict(
        {"image": [{"bytes": buffer.getvalue(), "path": "a"}]}, Features({"image": datasets.Image()})
    )
    wanted = torch.from_numpy(np.array(keep_skin(Image.fromarray(pixels), "hsv"))).permute(2, 0, 1)
    for cache in ("memory", "none"):
        assert torch.equal(DecodedImages(rows, 20, Decoding(cache, "hsv")).raw([0])[0], wanted)
