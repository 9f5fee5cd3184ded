"""The kind ``mini_text``: from the text sources to a finished text tower."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import torch

from clip_emotion.config import read_yaml, validate
from clip_emotion.data.lexicon import load_lexicon
from clip_emotion.errors import ModelError, UsageError
from clip_emotion.models.mini.config import MiniConfig
from clip_emotion.models.mini.encoder import MiniEncoder
from clip_emotion.models.mini.files import PARTS, fingerprint_files, load_tokenizer
from clip_emotion.models.mini.image_tower import ImageTower
from clip_emotion.models.mini.storage import load_tower, save_tower
from clip_emotion.models.mini.sub_words import PAD
from clip_emotion.models.mini.text_tower import TextTower
from clip_emotion.training.averaging import average_state
from clip_emotion.training.corpora import CORPORA, Corpora, load_corpora
from clip_emotion.training.loop.fit import fit
from clip_emotion.training.mini.lexicon import lexicon_entries
from clip_emotion.training.mini.text import MiniTextObjective
from clip_emotion.training.mini.text_config import BatchConfig, MiniTextConfig
from clip_emotion.training.mini.thresholds import calibrated
from clip_emotion.training.mini.tokenizer import train_tokenizer
from clip_emotion.training.sources import RawSource
from clip_emotion.training.stage import Made, Outcome, RunOptions, Stage

FILES = frozenset({"folder", "prepared"})
"""Settings of sources that only say where things lie."""


def train_text(config: MiniTextConfig, options: RunOptions) -> Outcome:
    """Train the mini's text tower; ``out`` receives ``text.safetensors``, ``tokenizer.json`` and ``mini.yaml``."""
    stage = config.stage(deep=not config.deepen)
    objective = prepare_text_stage(stage)
    compared = MINI_TEXT.compared
    result = fit(objective, config.fit, config.out, options.report, options.resume, compared(stage))
    metrics = result.metrics
    if config.deepen:
        # Words first, depth second: a tower that is deep from the start learned more slowly and ended lower.
        stage = config.stage(deep=True)
        objective = prepare_text_stage(stage)
        objective.model.load_state_dict(result.model.state_dict(), strict=False)
        shallow = {name: tensor.clone() for name, tensor in result.model.state_dict().items()}
        folder = config.out / "deepen"
        result = fit(objective, config.deepen.fit, folder, options.report, options.resume, compared(stage))
        result.model.load_state_dict(average_state(shallow, result.model, config.deepen.blend))
        metrics = objective.validate(result.model.eval())
    save_tower(result.model.tower, config.out / PARTS[1])
    mini = MiniConfig(text=config.tower, trained_with={"text": config.model_dump(mode="json")})
    tuned = tune_text(unfinished(mini, result.model.tower, ImageTower(mini.image), config.out), objective.corpora)
    tuned.write(config.out / PARTS[0])
    following = f"clip-emotion train configs/train/mini_2_image.yaml text={config.out}"
    return Outcome(metrics, config.out, result.notes, (following,))


def _check_batch(batch: BatchConfig, corpora: Corpora) -> None:
    for name, rows in corpora.training.items():
        setting = CORPORA[name].split
        wanted = getattr(batch, setting)
        if wanted > len(rows.texts):
            raise UsageError(f"batch.{setting} is {wanted}, but {name} has {len(rows.texts)} training texts: lower it.")


def prepare_text_stage(config: MiniTextConfig) -> MiniTextObjective:
    """Load the corpora and the tokenizer (trained when it is not there yet) and build the objective.

    Raises UsageError when a batch wants more texts than there are, or the tokenizer was made with other settings.
    """
    corpora = load_corpora(config.sources)
    _check_batch(config.batch, corpora)
    path = config.out / "tokenizer.json"
    if path.is_file():
        tokenizer = load_tokenizer(path)
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        lexicon = [word for word, _ in lexicon_entries(load_lexicon(), kept_out=False)]
        tokenizer = train_tokenizer(corpora.for_tokenizer() + lexicon, config.tower.vocabulary_size)
        tokenizer.save(str(path), pretty=False)
    if tokenizer.token_to_id("<pad>") != PAD or tokenizer.get_vocab_size() > config.tower.vocabulary_size:
        raise UsageError(f"{path} was made with other settings: use another out=FOLDER or delete it.")
    torch.manual_seed(config.seed)
    return MiniTextObjective(config, corpora, tokenizer)


def tune_text(encoder: MiniEncoder, corpora: Corpora) -> MiniConfig:
    """Fit the text scale and the multi-label thresholds on KOTE comments that neither train nor validate."""
    scale, thresholds = calibrated(encoder, encoder.encode_texts, corpora)
    return encoder.config.model_copy(update={"text_logit_scale": scale, **thresholds})


def check_text(config: MiniTextConfig, source: str, made: Made) -> Iterable[RawSource]:
    """Return the raw data that the stage reads, and note the tower that it makes."""
    made[config.out] = config.tower.dim
    return config.sources.raw().values()


def finished_text(folder: Path) -> tuple[MiniConfig, TextTower]:
    """Load the text tower that the stage made; raises ModelError when it is missing or broken."""
    path = folder / PARTS[0]
    if not path.is_file():
        raise ModelError(f"There is no finished text tower in {folder}: run its configuration first.")
    mini = validate(MiniConfig, read_yaml(path), str(path))
    tower = TextTower(mini.text)
    load_tower(tower, folder / PARTS[1])
    return mini, tower


def unfinished(mini: MiniConfig, text: TextTower, image: ImageTower, folder: Path) -> MiniEncoder:
    """Return an encoder of towers that are still being made, with the folder's tokenizer."""
    tokenizer = load_tokenizer(folder / PARTS[3])
    return MiniEncoder(mini, text, image, tokenizer, torch.device("cpu"), fingerprint_files([folder / PARTS[1]]))


MINI_TEXT = Stage(
    "mini_text",
    MiniTextConfig,
    check_text,
    train_text,
    uncompared={"fit": True, "deepen": True, "out": True, "sources": FILES},
)
