"""The kind ``mini_image``: from faces and a finished text tower to a whole mini."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from clip_emotion.config import read_yaml, validate
from clip_emotion.errors import UsageError
from clip_emotion.evaluation.calibration import fit_temperature
from clip_emotion.files import write_atomic
from clip_emotion.label import LANGUAGES
from clip_emotion.models.classifiers.checkpoint import load_classifier
from clip_emotion.models.mini.config import WITHOUT_MESSAGES, ImageTowerConfig, MiniConfig
from clip_emotion.models.mini.encoder import MiniEncoder, load_mini
from clip_emotion.models.mini.files import PARTS
from clip_emotion.models.mini.image_tower import ImageTower, standardise
from clip_emotion.models.mini.storage import save_tower
from clip_emotion.models.prototypes import prototypes
from clip_emotion.training.averaging import average_tensors
from clip_emotion.training.corpora import CORPORA, Corpora, load_corpora
from clip_emotion.training.loop.fit import fit
from clip_emotion.training.mini.face_features import check_pretrained, start_from
from clip_emotion.training.mini.faces import FaceRows, FaceSplits, load_faces
from clip_emotion.training.mini.image import ImageModel, MiniImageObjective, TextSide, embed_faces, face_prompts
from clip_emotion.training.mini.image_config import MiniImageConfig
from clip_emotion.training.mini.image_teachers import taught
from clip_emotion.training.mini.text_stage import FILES, finished_text, unfinished
from clip_emotion.training.prompts import PromptBank
from clip_emotion.training.sources import RawSource
from clip_emotion.training.stage import Made, Outcome, RunOptions, Stage
from clip_emotion.vocabulary import Vocabulary

COMMENTS = 2000
"""About so many comments of a class are embedded for the faces to be trained against."""
PAIR = {"second", "second_share"}
"""What the sizes of a tower of two networks say beyond those of one."""
SECOND = "second."
"""Begins the names of the second network's weights."""
NORMED = 256
"""So many faces set the norms of a network that is started from."""
PHOTOGRAPHS = 8
"""One kept-out photograph in so many fits the temperature too: all of them, so like those that train, make too sure."""


def train_image(config: MiniImageConfig, options: RunOptions) -> Outcome:
    """Train the mini's image tower against a finished text tower; ``out`` receives the whole mini."""
    mini, tower = finished_text(config.text)
    check_widths(config, mini.text.dim, options.source)
    encoder = unfinished(mini, tower, ImageTower(config.tower), config.text)
    settings = MINI_IMAGE.compared(config, text_tower=encoder.fingerprint)
    started = None if config.start is None else begun(config, config.start, options.source)
    beside = None if config.beside is None else tower_beside(config, config.beside, options.source)
    basic = Vocabulary.load("basic8")
    splits = load_faces(config.faces, basic)
    text = text_side(encoder, basic, load_corpora(config.comments))
    torch.manual_seed(config.seed)
    softened = taught(splits.training, config.teachers, config.teacher_weight, basic, config.faces.prepared)
    splits = replace(splits, training=softened)
    objective = MiniImageObjective(config, splits, text)
    if started is not None:
        objective.model.tower.load_state_dict(started.state_dict())
    if config.pretrained is not None:
        start_from(objective.model.tower, config.pretrained, standardise(splits.training.images[:NORMED].float()))
    result = fit(objective, config.fit, config.out, options.report, options.resume, settings)
    if started is not None and config.share < 1:
        share_with(result.model.tower, started, config.share)
    finished = result.model.tower if beside is None else joined(result.model.tower, beside, config.beside_share)
    _assemble(mini, finished, round(result.seconds), config, text, tuning_rows(splits))
    changed = beside is not None or config.share < 1
    metrics = objective.validate(ImageModel(finished).eval()) if changed else result.metrics
    return Outcome(metrics, config.out, result.notes, (f"clip-emotion label IMAGES --model {config.out}",))


def tuning_rows(splits: FaceSplits) -> FaceRows:
    """Return what the temperature is fitted on: FER-2013's tuning images and one in ``PHOTOGRAPHS`` of muxspace's."""
    one_in = torch.arange(len(splits.photographs)) % PHOTOGRAPHS == 0
    return splits.tuning.joined(splits.photographs.part(one_in))


def begun(config: MiniImageConfig, folder: Path, source: str) -> ImageTower:
    """Load the tower that the run goes on with: of one of two networks the first, where the run trains a single one.

    Raises UsageError where it has other layers than the one that is to be trained, ModelError where there is none.
    """
    tower, which = load_mini(folder, torch.device("cpu")).image_tower, f"image tower of {folder}"
    if tower.second is not None and config.tower.second is None:
        tower, which = first_of(tower), f"first network of the {which}"
    if _layers(tower.config) != _layers(config.tower):
        raise UsageError(f"{source}: tower has other layers than the {which}, which it starts from.")
    return tower


def share_with(tower: ImageTower, before: ImageTower, share: float) -> None:
    """Mix a tower's weights with those that it started from: θ = (1 - share) · θ_before + share · θ."""
    tower.load_state_dict(average_tensors(before.state_dict(), tower.state_dict(), share, frozenset()))


def tower_beside(config: MiniImageConfig, folder: Path, source: str) -> ImageTower:
    """Load the tower that is to stand beside the trained one; raises UsageError where it cannot, ModelError if none."""
    tower = load_mini(folder, torch.device("cpu")).image_tower
    if tower.config.second is not None:
        raise UsageError(f"{source}: beside: the image tower of {folder} is of two networks already.")
    for name in ("dim", "image_size"):
        own, other = getattr(config.tower, name), getattr(tower.config, name)
        if own != other:
            raise UsageError(f"{source}: tower.{name} is {own}, that of beside's tower is {other}.")
    return tower


def joined(first: ImageTower, second: ImageTower, share: float) -> ImageTower:
    """Return one tower of two networks, each of one before; ``share`` is that of the second's embedding in the mean."""
    sizes = first.config.model_dump(exclude=PAIR) | {"second": second.config.model_dump(exclude=PAIR)}
    both = ImageTower(ImageTowerConfig.model_validate({**sizes, "second_share": share}))
    states = {"": first.state_dict(), SECOND: second.state_dict()}
    both.load_state_dict({front + name: tensor for front, state in states.items() for name, tensor in state.items()})
    return both


def first_of(both: ImageTower) -> ImageTower:
    """Return the first network of a tower of two, as a tower of its own."""
    first = ImageTower(ImageTowerConfig.model_validate(both.config.model_dump(exclude=PAIR)))
    state = both.state_dict()
    first.load_state_dict({name: tensor for name, tensor in state.items() if not name.startswith(SECOND)})
    return first


def _assemble(
    mini: MiniConfig, tower: ImageTower, seconds: int, config: MiniImageConfig, text: TextSide, tuning: FaceRows
) -> None:
    save_tower(tower, config.out / PARTS[2], eight_bits=config.eight_bits)
    for name in (PARTS[1], PARTS[3]):
        write_atomic(config.out / name, (config.text / name).read_bytes())
    scale = 1 / image_temperature(tower.eval(), text, tuning)
    earlier = {"image_before": config.start, "image_beside": config.beside}
    before = {name: _image_record(folder) for name, folder in earlier.items() if folder}
    made_with = {"image": config.model_dump(mode="json"), "seconds": seconds, **before}
    kept = {name: value for name, value in mini.trained_with.items() if name not in earlier}
    record = {**kept, **made_with}
    # Where the text tower comes from a whole mini, its tower for chat messages is not among what is assembled.
    no_chats: dict[str, Any] = {} if mini.chat_logit_scale is None else dict(WITHOUT_MESSAGES)
    update = {"image": tower.config, "logit_scale": scale, "trained_with": record, **no_chats}
    mini.model_copy(update=update).write(config.out / PARTS[0])


def _image_record(folder: Path) -> Any:
    """Return how the image tower of a mini was trained, as the mini tells it."""
    return validate(MiniConfig, read_yaml(folder / PARTS[0]), str(folder)).trained_with.get("image")


def text_side(encoder: MiniEncoder, basic: Vocabulary, corpora: Corpora) -> TextSide:
    """Embed all that faces are trained against: each class's prompts per language, and comments of one emotion."""
    bank = face_prompts(basic, Vocabulary.load("kote36"))
    names, prompts = {}, {}
    for language in LANGUAGES:
        names[language] = prototypes(map(encoder.encode_texts, basic.prompts(language)))
        prompts[language] = tuple(encoder.encode_texts(group) for group in _all_prompts(bank, language))
    return TextSide(names, prompts, _comments(encoder, basic, corpora))


def _all_prompts(bank: PromptBank, language: str) -> list[list[str]]:
    templates = bank.vocabulary.templates.get(language, ("{}",))
    return [[template.format(word) for word in words[language] for template in templates] for words in bank.words]


def _comments(encoder: MiniEncoder, basic: Vocabulary, corpora: Corpora) -> tuple[Tensor, ...]:
    """Embed the GoEmotions comments whose one label is a basic emotion, in both languages, by class."""
    vocabulary = Vocabulary.load(CORPORA["goemotions_en"].vocabulary)
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
    """Fit the one temperature on kept-out training images, over both languages' names of their classes."""
    embeddings = embed_faces(tower, tuning.images)
    classes = tuning.targets.argmax(dim=1)
    there = torch.unique(classes)
    position = {int(c): at for at, c in enumerate(there)}
    targets = torch.tensor([position[int(c)] for c in classes])
    similarities = torch.cat([embeddings @ text.prototypes[language][there].T for language in LANGUAGES])
    return fit_temperature(similarities.numpy(), targets.repeat(len(LANGUAGES)).numpy())


def check_widths(config: MiniImageConfig, dim: int, source: str) -> None:
    """Raise UsageError unless the image tower's embeddings will be as wide as the text tower's."""
    if config.tower.dim != dim:
        raise UsageError(f"{source}: tower.dim is {config.tower.dim}, the text tower's is {dim}.")


def check_image(config: MiniImageConfig, source: str, made: Made) -> Iterable[RawSource]:
    """Return the raw data that the stage reads; raises ModelError where what it starts from is not there
    or made earlier."""
    text_dim = made[config.text] if config.text in made else finished_text(config.text)[0].text.dim
    check_widths(config, text_dim, source)
    for folder, check in ((config.start, begun), (config.beside, tower_beside)):
        if folder is not None and folder not in made:
            check(config, folder, source)
    for folder in config.teachers:
        if folder not in made:
            load_mini(folder, torch.device("cpu"))
    for folder in config.classifiers:
        if folder not in made:
            load_classifier(folder, torch.device("cpu"))
    if config.pretrained is not None:
        check_pretrained(config.tower, config.pretrained)
    made[config.out] = config.tower.dim
    return [*config.faces.raw().values(), *config.comments.raw().values()]


def _layers(sizes: ImageTowerConfig) -> dict[str, object]:
    """Return what of a tower's sizes its weights depend on."""
    dumped = sizes.model_dump(exclude={"dropout", "image_size", "enlarged", "second_share"})
    return dumped | {"second": None if sizes.second is None else sizes.second.model_dump(exclude={"dropout"})}


def _minis(config: MiniImageConfig) -> tuple[Path, ...]:
    """Return the finished minis that the stage builds on: what it starts from, what stands beside it, its teachers."""
    return (*[folder for folder in (config.start, config.beside) if folder], *config.teachers)


MINI_IMAGE = Stage(
    "mini_image",
    MiniImageConfig,
    check_image,
    train_image,
    uncompared={
        "fit": True,
        "out": True,
        "share": True,
        "text": True,
        "start": True,
        "pretrained": True,
        "beside": True,
        "beside_share": True,
        "eight_bits": True,
        "teachers": True,
        "classifiers": True,
        "faces": FILES,
        "comments": FILES,
    },
    inputs=lambda config: (config.text, *_minis(config), *config.classifiers),
)
