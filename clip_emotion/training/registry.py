"""The runs that ``clip-emotion train`` knows, by the ``kind`` in their configuration."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from clip_emotion.config import apply_override, read_yaml, validate
from clip_emotion.errors import ModelError, UsageError
from clip_emotion.evaluation.calibration import fit_temperature
from clip_emotion.files import write_atomic
from clip_emotion.models.mini.encoder import (
    PARTS,
    MiniConfig,
    MiniEncoder,
    fingerprint_files,
    load_tokenizer,
    load_tower,
    save_tower,
)
from clip_emotion.models.mini.image_tower import ImageTower
from clip_emotion.models.mini.text_tower import TextTower
from clip_emotion.models.prototypes import prototypes
from clip_emotion.training.corpora import Corpora, load_corpora
from clip_emotion.training.finetune.objective import train_emotion_clip
from clip_emotion.training.kobert.kote import KobertKoteConfig, prepare_kobert_stage
from clip_emotion.training.loop.fit import Report, RunResult, fit
from clip_emotion.training.mini.chats import train_chats
from clip_emotion.training.mini.faces import FaceRows, load_faces
from clip_emotion.training.mini.image import (
    ImageModel,
    MiniImageConfig,
    MiniImageObjective,
    TextSide,
    embed_images,
    face_words,
)
from clip_emotion.training.mini.text import MiniTextConfig, TextModel, prepare_text_stage
from clip_emotion.training.prompts import WordBank
from clip_emotion.vocabulary import LANGUAGES, Vocabulary

COMMENTS = 2000
"""About so many comments of a class are embedded for the faces to be trained against."""
UNCOMPARED: dict[str, Any] = {
    **dict.fromkeys(("fit", "deepen", "out", "text", "start", "backbone", "device"), True),
    **{sources: {"folder", "prepared"} for sources in ("sources", "faces", "comments")},
}
"""Settings that a resumed run compares otherwise, or that only say where things lie."""
THRESHOLDS = [step / 1000 for step in range(5, 200)]


def train(path: Path, overrides: list[str], report: Report, resume: bool = False) -> dict[str, float]:
    """Run the stage that a configuration describes and return its last validation figures.

    Raises UsageError for an unknown ``kind`` or a faulty configuration, before any work is done.
    """
    kind, values = read_stage(path, overrides)
    return STAGES[kind](values, str(path), report, resume)


def read_stage(path: Path, overrides: list[str]) -> tuple[str, dict[str, Any]]:
    """Read a configuration with its overrides; returns its kind and its values, raises UsageError for another kind."""
    values = read_yaml(path)
    for override in overrides:
        apply_override(values, override)
    kind = str(values.get("kind"))
    if kind not in STAGES:
        raise UsageError(f"{path} has kind '{kind}': known kinds are {', '.join(STAGES)}.")
    return kind, values


def train_text(values: dict[str, Any], source: str, report: Report, resume: bool) -> dict[str, float]:
    """Train the mini's text tower; ``out`` receives ``text.safetensors``, ``tokenizer.json`` and ``mini.yaml``."""
    config = validate(MiniTextConfig, values, source)
    stage = config.stage(deep=not config.deepen)
    objective = prepare_text_stage(stage)
    result = fit(objective, config.fit, config.out, report, resume, settings_of(stage))
    figures = result.figures
    if config.deepen:
        # Words first, depth second: a tower that is deep from the start learned more slowly and ended lower.
        stage = config.stage(deep=True)
        objective = prepare_text_stage(stage)
        objective.model.load_state_dict(result.model.state_dict(), strict=False)
        shallow = {name: tensor.clone() for name, tensor in result.model.state_dict().items()}
        result = fit(objective, config.deepen.fit, config.out / "deepen", report, resume, settings_of(stage))
        blend(result.model, shallow, config.deepen.blend)
        figures = objective.validate(result.model.eval())
    assert isinstance(result.model, TextModel)
    save_tower(result.model.tower, config.out / PARTS[1])
    mini = MiniConfig(text=config.tower, trained_with={"text": config.model_dump(mode="json")})
    tuned = tune_text(_encoder(mini, result.model.tower, ImageTower(mini.image), config.out), objective.corpora)
    tuned.write(config.out / PARTS[0])
    return figures


def settings_of(config: MiniTextConfig | MiniImageConfig | KobertKoteConfig) -> dict[str, Any]:
    """Return what a checkpoint's run must have in common with the one that resumes it, besides ``fit``."""
    return config.model_dump(mode="json", exclude=UNCOMPARED)


def blend(model: nn.Module, shallow: dict[str, Tensor], share: float) -> None:
    """Average a deepened model with the shallow one it came from, in place.

    Shared weights become ``shallow + share · (deep - shallow)``. The added blocks, whose last layer began at zero, are
    faded in by the same share: their last layer is scaled, their inner weights stay.
    """

    def mixed(name: str, deep: Tensor) -> Tensor:
        if name in shallow:
            return torch.lerp(shallow[name], deep, share)
        return deep * share if ".out." in name else deep

    model.load_state_dict({name: mixed(name, tensor) for name, tensor in model.state_dict().items()})


def train_image(values: dict[str, Any], source: str, report: Report, resume: bool) -> dict[str, float]:
    """Train the mini's image tower against a finished text tower; ``out`` receives the whole mini."""
    config = validate(MiniImageConfig, values, source)
    mini, tower = finished_text(config.text)
    check_widths(config, mini.text.dim, source)
    encoder = _encoder(mini, tower, ImageTower(config.tower), config.text)
    basic = Vocabulary.load("basic8")
    splits = load_faces(config.faces, basic)
    text = text_side(encoder, basic, load_corpora(config.comments))
    torch.manual_seed(config.seed)
    objective = MiniImageObjective(config, splits, text)
    if config.start is not None:
        load_tower(objective.model.tower, config.start / PARTS[2])
    settings = {**settings_of(config), "text_tower": encoder.fingerprint}
    result = fit(objective, config.fit, config.out, report, resume, settings)
    assert isinstance(result.model, ImageModel)
    _assemble(mini, result, config, text, splits.tuning.joined(splits.photographs))
    return result.figures


def _assemble(mini: MiniConfig, result: RunResult, config: MiniImageConfig, text: TextSide, tuning: FaceRows) -> None:
    assert isinstance(result.model, ImageModel)
    save_tower(result.model.tower, config.out / PARTS[2])
    for name in (PARTS[1], PARTS[3]):
        write_atomic(config.out / name, (config.text / name).read_bytes())
    scale = 1 / image_temperature(result.model.tower.eval(), text, tuning)
    record = {**mini.trained_with, "image": config.model_dump(mode="json"), "seconds": round(result.seconds)}
    update = {"image": config.tower, "logit_scale": scale, "trained_with": record}
    mini.model_copy(update=update).write(config.out / PARTS[0])


def train_kobert(values: dict[str, Any], source: str, report: Report, resume: bool) -> dict[str, float]:
    """Fine-tune KoBERT on KOTE's emotions; ``out`` receives what ``load_kobert_emotion`` reads."""
    config = validate(KobertKoteConfig, values, source)
    objective = prepare_kobert_stage(config, source)
    settings = {**settings_of(config), "backbone": objective.backbone}
    result = fit(objective, config.fit, config.out, report, resume, settings)
    objective.finished(result).save(config.out)
    return result.figures


def text_side(encoder: MiniEncoder, basic: Vocabulary, corpora: Corpora) -> TextSide:
    """Embed all that faces are trained against: each class's prompts per language, and comments of one emotion."""
    bank = face_words(basic, Vocabulary.load("kote36"))
    names, prompts = {}, {}
    for language in LANGUAGES:
        names[language] = prototypes(map(encoder.encode_texts, basic.prompts(language)))
        prompts[language] = tuple(encoder.encode_texts(group) for group in _all_prompts(bank, language))
    return TextSide(names, prompts, _comments(encoder, basic, corpora))


def _all_prompts(bank: WordBank, language: str) -> list[list[str]]:
    templates = bank.vocabulary.templates.get(language, ("{}",))
    return [[template.format(word) for word in words[language] for template in templates] for words in bank.words]


def _comments(encoder: MiniEncoder, basic: Vocabulary, corpora: Corpora) -> tuple[Tensor, ...]:
    """Embed the GoEmotions comments whose one label is a basic emotion, in both languages, by class."""
    vocabulary = Vocabulary.load("goemotions28")
    class_of = [basic.match(key) for key in vocabulary.keys]
    pools: list[list[str]] = [[] for _ in basic.keys]
    for corpus in ("goemotions_en", "goemotions_ko"):
        rows = corpora.training[corpus]
        single = rows.targets.sum(dim=1) == 1
        for row in single.nonzero().flatten().tolist():
            label = class_of[int(rows.targets[row].argmax())]
            if label:
                pools[basic.index(label.key)].append(rows.texts[row])
    embedded = [encoder.encode_texts(pool[:: max(1, len(pool) // COMMENTS)]) for pool in pools]
    return tuple(embedded)


def image_temperature(tower: ImageTower, text: TextSide, tuning: FaceRows) -> float:
    """Fit the one temperature on kept-out training pictures, over both languages' names of their classes."""
    embeddings = embed_images(tower, tuning.pictures)
    classes = tuning.targets.argmax(dim=1)
    there = torch.unique(classes)
    position = {int(c): at for at, c in enumerate(there)}
    targets = torch.tensor([position[int(c)] for c in classes])
    similarities = torch.cat([embeddings @ text.prototypes[language][there].T for language in LANGUAGES])
    return fit_temperature(similarities.numpy(), targets.repeat(len(LANGUAGES)).numpy())


def tune_text(encoder: MiniEncoder, corpora: Corpora) -> MiniConfig:
    """Fit the text scale and the multi-label threshold on KOTE comments that neither train nor validate."""
    vocabulary, rows = Vocabulary.load("kote44"), corpora.tuning["kote"]
    labels = prototypes(map(encoder.encode_texts, vocabulary.prompts("ko")))
    similarities = encoder.encode_texts(list(rows.texts)) @ labels.T
    # A comment with several labels counts once with each of them.
    pairs = rows.targets.nonzero()
    scale = 1 / fit_temperature(similarities[pairs[:, 0]].numpy(), pairs[:, 1].numpy())
    probabilities = (scale * similarities).softmax(dim=1)
    scores = {threshold: _macro_f1(probabilities >= threshold, rows.targets > 0) for threshold in THRESHOLDS}
    best = max(scores, key=lambda threshold: scores[threshold])
    return encoder.config.model_copy(update={"text_logit_scale": scale, "text_threshold": best})


def _macro_f1(predicted: Tensor, truth: Tensor) -> float:
    hits, both = (predicted & truth).sum(dim=0), predicted.sum(dim=0) + truth.sum(dim=0)
    return float((2 * hits / both.clamp_min(1)).mean())


def check_widths(config: MiniImageConfig, dim: int, source: str) -> None:
    """Raise UsageError unless the image tower's embeddings will be as wide as the text tower's."""
    if config.tower.dim != dim:
        raise UsageError(f"{source}: tower.dim is {config.tower.dim}, the text tower's is {dim}.")


def finished_text(folder: Path) -> tuple[MiniConfig, TextTower]:
    """Load the text tower that the first stage made; raises ModelError when it is missing or broken."""
    path = folder / PARTS[0]
    if not path.is_file():
        raise ModelError(f"There is no finished text tower in {folder}: run its configuration first.")
    values = read_yaml(path)
    mini = validate(MiniConfig, values, str(path))
    tower = TextTower(mini.text)
    load_tower(tower, folder / PARTS[1])
    return mini, tower


def _encoder(mini: MiniConfig, text: TextTower, image: ImageTower, folder: Path) -> MiniEncoder:
    tokenizer = load_tokenizer(folder / PARTS[3])
    return MiniEncoder(mini, text, image, tokenizer, torch.device("cpu"), fingerprint_files([folder / PARTS[1]]))


STAGES: dict[str, Callable[[dict[str, Any], str, Report, bool], dict[str, float]]] = {
    "mini_text": train_text,
    "mini_image": train_image,
    "mini_chats": train_chats,
    "kobert_kote": train_kobert,
    "emotion_clip": train_emotion_clip,
}
