"""Configuration of the mini's third stage, the tower for chat messages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

from pydantic import Field

from clip_emotion.config import Config
from clip_emotion.data.tables import read_column
from clip_emotion.errors import DataError
from clip_emotion.resources import datasets_dir
from clip_emotion.text import read_text
from clip_emotion.training.corpora_config import SourcesConfig
from clip_emotion.training.loop.config import FitConfig
from clip_emotion.training.mini.text_config import NoiseConfig
from clip_emotion.training.sources import RawSource


class ChatSourcesConfig(SourcesConfig):
    """Where the chats lie, beside the comments; no row whose text stands in one of ``exclude``'s tables is used.

    No message by rule equals a ``warmer`` or ``colder`` one of ``forbid``'s JSON lines, or a text of the neutral
    messages that the project checks itself with.
    """

    emocontext: str = "emocontext_train.tsv.gz"
    """EmoContext's file."""
    emorynlp: str = "emorynlp_train.tsv.gz"
    """EmoryNLP's file."""
    chatbot: str = "chatbot.tsv.gz"
    """The chatbot set's file."""
    exclude: tuple[str, ...] = ()
    """Tables whose texts are not trained on."""
    forbid: tuple[str, ...] = ()
    """Files of JSON lines whose colder and warmer messages no rule gives."""

    def chats(self) -> dict[str, RawSource]:
        """Return the raw chat sets by the names of their cards."""
        files = {"emocontext": self.emocontext, "emorynlp": self.emorynlp, "chatbot": self.chatbot}
        return {card: RawSource(card, self.folder / file, self.prepared) for card, file in files.items()}

    def forbidden(self) -> list[str]:
        """Return the messages that no rule may give; raises DataError where a file of ``forbid`` cannot be read."""
        texts = read_column(datasets_dir() / "checks" / "neutral_messages.tsv", "text")
        for name in self.forbid:
            try:
                lines = [json.loads(line) for line in read_text(self.folder / name).splitlines() if line.strip()]
                texts += [line[side] for line in lines for side in ("colder", "warmer")]
            except (ValueError, KeyError, TypeError) as error:
                raise DataError(f"{self.folder / name} does not hold colder and warmer messages a line.") from error
        return texts


class TaskConfig(Config):
    """One kind of supervision: ``batch`` texts of a corpus a step, against the words of its classes.

    With ``sentiment`` the corpus's labels are taken together as ``positive``, ``neutral`` and ``negative``, and rows
    with both or with unlisted ones are left out; a label may stand in one of the three lists.
    """

    corpus: Literal["kote", "goemotions_en", "goemotions_ko", "nsmc", "emocontext", "emorynlp", "chatbot"]
    """The corpus."""
    batch: int = Field(ge=1)
    """Its texts a step."""
    weight: float = Field(1.0, gt=0)
    """Weight of the task in the loss."""
    sentiment: dict[Literal["positive", "neutral", "negative"], tuple[str, ...]] | None = None
    """The corpus's labels that are positive, neutral and negative; null keeps its own labels."""
    leave_out: tuple[str, ...] = ()
    """Labels whose rows are left out."""


class TasksConfig(Config):
    """What stages that train on messages share: where these lie, and which tasks they are."""

    sources: ChatSourcesConfig
    """The text and chat sets."""
    tasks: tuple[TaskConfig, ...] = Field(min_length=1)
    """What is trained on."""


class MiniChatsConfig(TasksConfig):
    """Configuration of the chat stage.

    ``base`` is the finished mini whose text tower is where the chat tower starts from and whose words it is trained
    against. ``anchor_weight`` weighs how near lexicon words, ``anchor_batch`` a step, must stay to where the text tower
    has them. A class is called by its own name with probability ``own_names``, else by a synonym.
    """

    kind: Literal["mini_chats"]
    """The kind of training."""
    seed: int = 0
    """Seed of weights and draws."""
    base: Path
    """The folder of the finished mini."""
    out: Path = Path("runs/mini_chats")
    """The run's folder."""
    anchor_weight: float = Field(1.0, ge=0)
    """Weight of keeping lexicon words where the text tower has them."""
    anchor_batch: int = Field(48, ge=1)
    """Lexicon words a step."""
    own_names: float = Field(0.6, ge=0, le=1)
    """Probability that a class is called by its own name."""
    noise: NoiseConfig = Field(default_factory=NoiseConfig)
    """Noise of the texts."""
    fit: FitConfig
    """The training loop."""
