"""The kind ``classifier``: from a configuration to a trained classifier."""

from __future__ import annotations

import shlex
from collections.abc import Iterable

import torch

from clip_emotion.data.batches import row_labels
from clip_emotion.errors import UsageError
from clip_emotion.evaluation.calibration import fit_temperature
from clip_emotion.evaluation.result import ClassTable
from clip_emotion.models.classifiers.checkpoint import ClassifierCard, load_classifier, save_classifier
from clip_emotion.models.classifiers.network import Classifier
from clip_emotion.models.classifiers.sphere import RADIUS
from clip_emotion.models.emotion_clip.trained_vocabulary import TrainedVocabulary, all_aliases
from clip_emotion.runtime import resolve_device
from clip_emotion.training.classifier.config import ClassifierRunConfig
from clip_emotion.training.classifier.objective import ClassifierObjective, answers
from clip_emotion.training.classifier.sharing import kept
from clip_emotion.training.classifier.summary import write_summary
from clip_emotion.training.finetune.data import load_images
from clip_emotion.training.loop.fit import RunResult, fit
from clip_emotion.training.sources import RawSource
from clip_emotion.training.stage import Made, Outcome, RunOptions, Stage
from clip_emotion.vocabulary import Vocabulary


def prepare_classifier(config: ClassifierRunConfig, source: str) -> ClassifierObjective:
    """Open network and images; raises UsageError, DataError or ModelError where settings, data or weights are amiss."""
    vocabulary = Vocabulary.load(config.vocabulary)
    torch.manual_seed(config.seed)
    model = Classifier(config.model, len(vocabulary))
    if config.start is not None:
        before = load_classifier(config.start, torch.device("cpu"))
        if before.vocabulary is None or before.vocabulary.keys != vocabulary.keys:
            raise UsageError(f"{source}: the classifier {config.start} has other classes than {vocabulary.name}.")
        if before.model.config.architecture != config.model.architecture:
            raise UsageError(
                f"{source}: {config.start} is a {before.model.config.architecture}, not a {config.model.architecture}: "
                "give model the same settings."
            )
        _start_from(model, before.model)
    key = ("splits", config.data.model_dump_json(), config.vocabulary, config.seed if config.data.limit else 0)
    splits = kept(key, lambda: load_images(config.data, vocabulary, config.seed))
    return ClassifierObjective(config, model.to(resolve_device(config.device)), splits)


def _start_from(model: Classifier, before: Classifier) -> None:
    """Take another classifier's weights, but for the last layers where these are of other sizes."""
    weights = before.state_dict()
    if model.config.hidden != before.config.hidden:
        own, heads = model.state_dict(), model.head_names()
        weights = {name: value for name, value in weights.items() if name not in before.head_names()}
        weights |= {name: own[name] for name in heads}
    model.load_state_dict(weights)


def train_classifier(config: ClassifierRunConfig, options: RunOptions) -> Outcome:
    """Train a classifier; ``out`` receives a folder that ``--model`` takes, beside the run's own files."""
    objective = prepare_classifier(config, options.source)
    try:
        settings = CLASSIFIER.compared(config, pictures=objective.splits.fingerprints)
        result = fit(objective, config.fit, config.out, options.report, options.resume, settings)
        tables = _finish(objective, result)
    finally:
        objective.close()
    following = (f"clip-emotion label IMAGES --model {shlex.quote(str(config.out))}",)
    return Outcome(result.metrics, config.out, result.notes, following, tables)


def _finish(objective: ClassifierObjective, result: RunResult[Classifier]) -> tuple[ClassTable, ...]:
    """Fit the temperature on kept-out training images and write the classifier; returns the table of its classes."""
    config, rows = objective.config, objective.splits.tuning
    vocabulary = Vocabulary.load(config.vocabulary)
    model = result.model.eval()
    logits = answers(model, objective.seen(rows))
    card = ClassifierCard(
        name=config.out.name,
        model=config.model,
        vocabulary=TrainedVocabulary.of(vocabulary),
        aliases=all_aliases(vocabulary),
        temperature=RADIUS * fit_temperature((logits / RADIUS).numpy(), row_labels(rows).numpy()),
        metrics=dict(result.metrics),
        data=objective.splits.fingerprints,
        trained_with={**config.model_dump(mode="json"), "seconds": round(result.seconds)},
    )
    save_classifier(model, config.out, card)
    if objective.logits and config.fit.select == "last":
        found = objective.logits
    else:
        found = {name: answers(model, images) for name, (images, _) in objective.validation.items()}
    return write_summary(objective, found, config.out)


def check_classifier(config: ClassifierRunConfig, source: str, made: Made) -> Iterable[RawSource]:
    """Return the raw data that a run reads, after trying a batch where all of it is there.

    A classifier to go on from that an earlier run of the same command will make is not looked for.
    """
    if config.start in made:
        config = config.model_copy(update={"start": None})
    made[config.out] = len(Vocabulary.load(config.vocabulary))
    sources = [*config.data.raw().values(), *filter(None, [config.data.raw_votes()])]
    if not any(raw.fault() for raw in sources):
        objective = prepare_classifier(config, source)
        try:
            objective.model.train()
            objective.loss(0, 0.0).backward()
        finally:
            objective.close()
    return sources


CLASSIFIER = Stage(
    "classifier",
    ClassifierRunConfig,
    check_classifier,
    train_classifier,
    uncompared={
        **dict.fromkeys(("fit", "out", "device", "workers", "cache"), True),
        "data": {"folder", "prepared", "merged"},
    },
    inputs=lambda config: (config.start,) if config.start else (),
)
