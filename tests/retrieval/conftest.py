"""What tests of videos share: two people who cross, their clip, and a labeller that knows three colours."""

from __future__ import annotations

from pathlib import Path

import pytest

from clip_emotion.data.faces import makers
from clip_emotion.retrieval.labelling.labeller import ZeroShotLabeller
from clip_emotion.vocabulary import Vocabulary
from tests.support.fakes import FakeEncoder


@pytest.fixture
def square_finder(monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.support.videos import SquareFinder

    monkeypatch.setitem(makers.FINDERS, "mtcnn", SquareFinder)


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.support.videos import two_people, write_video

    return write_video(tmp_path_factory.mktemp("clip") / "two.mp4", two_people().images())


@pytest.fixture
def labeller() -> ZeroShotLabeller:
    return ZeroShotLabeller(FakeEncoder(), Vocabulary.from_list("red,green,blue"))
