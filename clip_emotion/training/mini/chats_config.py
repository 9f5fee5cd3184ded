"""Configuration of the mini's third stage, the tower for chat messages."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from clip_emotion.config import Config
from clip_emotion.training.corpora import SourcesConfig
from clip_emotion.training.loop.config import FitConfig
from clip_emotion.training.mini.text_config import NoiseConfig
from clip_emotion.training.sources import RawSource


class ChatSourcesConfig(SourcesConfig):
    """Where the chats lie, beside the comments; no row whose text stands in one of ``exclude``'s tables is used."""

    emocontext: str = "emocontext_train.tsv.gz"
    """EmoContext's file."""
    emorynlp: str = "emorynlp_train.tsv.gz"
    """EmoryNLP's file."""
    chatbot: str = "chatbot.tsv.gz"
    """The chatbot set's file."""
    exclude: tuple[str, ...] = ()
    """Tables whose texts are not trained on."""

    def chats(self) -> dict[str, RawSource]:
        """Return the raw chat sets by the names of their cards."""
        files = {"emocontext": self.emocontext, "emorynlp": self.emorynlp, "chatbot": self.chatbot}
        return {card: RawSource(card, self.folder / file, self.prepared) for card, file in files.items()}


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


class MiniChatsConfig(Config):
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
    sources: ChatSourcesConfig
    """The text and chat sets."""
    tasks: tuple[TaskConfig, ...] = Field(min_length=1)
    """What is trained on."""
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
