"""KoBERT's tokenizer where kobert-transformers 0.6 and today's transformers disagree; needs the extra ``kobert``."""

from __future__ import annotations

from pathlib import Path

from kobert_transformers.tokenization_kobert import KoBertTokenizer


class KobertTokenizer(KoBertTokenizer):  # type: ignore[misc]
    """KoBertTokenizer that can be saved, takes any text, and never reads a marker such as ``[SEP]`` out of a text."""

    def preprocess_text(self, inputs: str) -> str:
        """Return the text as KoBERT was trained on it; half a surrogate pair, which SentencePiece rejects, is ``?``."""
        return str(super().preprocess_text(inputs.encode("utf-8", "replace").decode("utf-8")))

    def _tokenize(self, text: str) -> list[str]:
        # A run of characters unknown to SentencePiece is one piece, and may spell a marker.
        markers = set(self.all_special_tokens)
        return [str(self.unk_token) if piece in markers else piece for piece in super()._tokenize(text)]

    def save_vocabulary(self, save_directory: str, filename_prefix: str | None = None) -> tuple[str, str]:
        """Write both vocabulary files into a folder that exists, and return their paths.

        transformers passes a prefix for the files' names, which the parent class does not know and KoBERT never has.
        """
        folder = Path(save_directory)
        model, words = super().save_vocabulary(str(folder))
        return str(model), str(words)
