"""What ``label`` and ``evaluate`` take from an adapter, and the correction of priors beside it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from clip_emotion.cli.common import chosen_words
from clip_emotion.errors import UsageError

if TYPE_CHECKING:
    from clip_emotion.retrieval.adapting.adapter import Adapter
    from clip_emotion.retrieval.evaluation.evaluate import EvaluationOptions
    from clip_emotion.retrieval.labelling.labeller import ZeroShotLabeller
    from clip_emotion.retrieval.store.embedding_store import EmbeddingStore
    from clip_emotion.vocabulary import Vocabulary


@dataclass(frozen=True)
class AdaptedWords:
    """The words that were asked for, the adapter that brings them, a method that corrects priors; None for none."""

    vocabulary: Vocabulary | None
    adapter: Adapter | None
    prior: str | None

    def applied(self, options: EvaluationOptions) -> EvaluationOptions:
        """Return an evaluation's options with both, and with ``auto`` in the adapter's language."""
        language = options.language
        if self.adapter is not None and language == "auto":
            language = self.adapter.language
        return replace(options, language=language, adapter=self.adapter, prior=self.prior)

    def refuse_prior(self) -> None:
        """Raise UsageError for pictures that are labelled as they come: shares of words need all of them beforehand."""
        if self.prior is not None:
            raise UsageError(
                "--prior-correction looks at all faces before it labels one: embed them into a store first."
            )

    def correct(self, store: EmbeddingStore, labeller: ZeroShotLabeller) -> None:
        """Correct a labeller's priors by all faces of a store, where that was asked for."""
        if self.prior is not None:
            from clip_emotion.retrieval.store.priors import correct_prior

            correct_prior(store, labeller, self.prior)


def adapted_words(folder: Path | None, labels: str | None, vocab: str | None, prior: str | None) -> AdaptedWords:
    """Read the words that were asked for, by an adapter, --labels or --vocab; raises UsageError for several."""
    if folder is None:
        return AdaptedWords(chosen_words(labels, vocab), None, prior)
    if labels is not None or vocab is not None:
        raise UsageError("An adapter brings its words: leave out --vocab and --labels beside --adapter.")
    from clip_emotion.retrieval.adapting.folder import load_adapter

    adapter = load_adapter(folder)
    return AdaptedWords(adapter.vocabulary, adapter, prior)
