"""The kind ``mini_messages``: from a finished mini with a chat tower to one whose tower reads order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from clip_emotion.errors import UsageError
from clip_emotion.files import sha256_of
from clip_emotion.models.mini.encoder import MiniEncoder, load_mini
from clip_emotion.models.mini.message_tower import MessageTower
from clip_emotion.models.mini.sub_words import tokenize
from clip_emotion.training.averaging import mean_of_states
from clip_emotion.training.corpora import CORPORA
from clip_emotion.training.loop.fit import fit
from clip_emotion.training.loop.run_folder import ANSWERS
from clip_emotion.training.mini.answers import check_answers, load_answers
from clip_emotion.training.mini.chats_stage import finish
from clip_emotion.training.mini.chats_tasks import Rows, Task, Words, chat_rows, class_words, load_tasks
from clip_emotion.training.mini.grammar import Grammar
from clip_emotion.training.mini.messages import RULES, MiniMessagesObjective
from clip_emotion.training.mini.messages_config import AnswersConfig, MiniMessagesConfig
from clip_emotion.training.mini.teacher import kept_embeddings, model_folder, teacher_embeddings
from clip_emotion.training.sources import RawSource
from clip_emotion.training.stage import Made, Outcome, RunOptions, Stage
from clip_emotion.vocabulary import Vocabulary

ENGLISH = {
    "goemotions_en": "goemotions_en",
    "goemotions_ko": "goemotions_en",
    "emocontext": "emocontext",
    "emorynlp": "emorynlp",
}
"""Whose English sentences the teacher reads for a task; a translation is taught what its original says."""


def train_messages(config: MiniMessagesConfig, options: RunOptions) -> Outcome:
    """Train the message tower beside a finished mini; ``out`` receives the mini with it as its chat tower."""
    device = torch.device("cpu")
    encoder, first = load_mini(config.base, device), load_mini(config.chats, device)
    objective = load_objective(config, encoder, first)
    said = [sha256_of(answers.folder / ANSWERS)[:16] for answers in config.answers if answers.folder]
    compared = MINI_MESSAGES.compared(config, mini=encoder.fingerprint, start=first.fingerprint, teachers=said)
    # A checkpoint of an earlier release does not say what its teachers were: it is taken at its word.
    settings = replace(compared, defaults={**compared.defaults, "teachers": said})
    result = fit(objective, config.fit, config.out, options.report, options.resume, settings)
    described = replace(encoder, config=encoder.config.model_copy(update={"reading": config.reading}))
    made_with = {"chats": first.config.trained_with.get("chats"), "messages": config.model_dump(mode="json")}
    tower = _mean_tower(result.model.tower, config.mean_with, config.shares())
    finish(config, described, tower, made_with)
    result.model.tower.load_state_dict(tower.state_dict())
    return Outcome(
        objective.validate(result.model.eval()),
        config.out,
        result.notes,
        (f"clip-emotion score CHAT.txt --model {config.out}",),
    )


def _mean_tower(tower: MessageTower, folders: Sequence[Path], shares: Sequence[float]) -> MessageTower:
    """Return a tower with the mean of the weights of this one and those of other runs (model soup, 2203.05482)."""
    states = [tower.state_dict()]
    for folder in folders:
        other = load_mini(folder, torch.device("cpu")).chat_tower
        if not isinstance(other, MessageTower) or other.state_dict().keys() != states[0].keys():
            raise UsageError(f"mean_with: {folder} holds no message tower of these sizes.")
        states.append(other.state_dict())
    tower.load_state_dict(mean_of_states(states, shares))
    return tower


def load_objective(config: MiniMessagesConfig, encoder: MiniEncoder, first: MiniEncoder) -> MiniMessagesObjective:
    """Read all corpora, the grammar and the teachers' answers; raises DataError where a source is missing.

    ``encoder`` has the words that messages are contrasted with, ``first`` the tower to start from.
    """
    check_start(config, encoder, first)
    rows, kept_out = chat_rows(config.sources)
    tasks, checks = load_tasks(config, rows, kept_out, encoder)
    names = {task.name for task in tasks}
    taught: dict[str, Tensor] = {}
    for answers in config.answers:
        tasks = answered_tasks(tasks, answers, rows, Teaching(encoder, first, config.sources.prepared))
    if config.teacher:
        for name in names & ENGLISH.keys():
            taught[name] = teacher_embeddings(rows[ENGLISH[name]].texts, config.sources.prepared)
    grammar = Grammar.load(Vocabulary.load(RULES), config.rules.slips, config.sources.forbidden())
    torch.manual_seed(config.seed)
    start = first.chat_tower or first.text_tower
    return MiniMessagesObjective(config, encoder, start, tasks, checks, grammar, taught)


def check_start(config: MiniMessagesConfig, encoder: MiniEncoder, first: MiniEncoder) -> None:
    """Raise UsageError where the tower to start from does not fit the one that is trained.

    It may have fewer blocks that read order, since a new one begins as the identity.
    """
    if first.config.text.model_copy(update={"dropout": encoder.config.text.dropout}) != encoder.config.text:
        raise UsageError(f"chats: the towers of {config.chats} have other sizes than those of {config.base}.")
    has, wanted = first.config.reading, config.reading
    if first.chat_tower is None or has is None:
        return
    if has.layers > wanted.layers or has.model_copy(update={"layers": wanted.layers}) != wanted:
        told = ", ".join(f"{name}: {size}" for name, size in has.model_dump().items())
        raise UsageError(f"The tower of {config.chats} reads with other blocks: set reading to {{{told}}}.")


@dataclass(frozen=True)
class Teaching:
    """Who gives answers besides a teacher: the tower that a run starts from, in the words that messages are told in."""

    encoder: MiniEncoder
    first: MiniEncoder
    prepared: Path

    def answers(self, config: AnswersConfig, texts: Sequence[str], words: Words) -> Tensor:
        """Return distributions [N, classes] on texts: the teacher's, mixed with this tower's own as configured."""
        if config.folder is None:
            return self._own(config, texts, words)
        taught = load_answers(config.folder, texts, len(words))
        return torch.lerp(taught, self._own(config, texts, words), config.own) if config.own else taught

    def _own(self, config: AnswersConfig, texts: Sequence[str], words: Words) -> Tensor:
        language = CORPORA[config.taught].language
        names = torch.stack([pools[language][0] for pools in words])
        kept = f"messages-{self.first.fingerprint}"
        embedded = kept_embeddings(kept, texts, self.prepared, self.first.encode_messages)
        return (self.first.message_logit_scale * embedded.float() @ names.T).softmax(dim=1)


def answered_tasks(tasks: Sequence[Task], config: AnswersConfig, rows: Rows, teaching: Teaching) -> list[Task]:
    """Mix a teacher's answers into the targets of what it was taught and add a task for each corpus that it is asked.

    A translation means what its original does. Raises ModelError where there are no answers on these texts.
    """
    words = class_words(Vocabulary.load(CORPORA[config.taught].vocabulary), teaching.encoder)
    said = teaching.answers(config, rows[config.taught].texts, words)
    meant = {config.taught, *(name for name, original in ENGLISH.items() if original == config.taught)}
    for task in tasks:
        if task.name in meant and task.targets.shape != said.shape:
            raise UsageError(f"{task.name}: a corpus with answers is learned whole: take leave_out from it.")
    mixed = [
        replace(task, targets=torch.lerp(task.targets, said, config.weight)) if task.name in meant else task
        for task in tasks
    ]
    for corpus, batch in config.asked.items():
        texts = rows[corpus].texts
        if batch > len(texts):
            raise UsageError(f"answers: {batch} texts of {corpus} are asked, but it has {len(texts)}: lower it.")
        ids, answers = tokenize(teaching.encoder.tokenizer, list(texts)), teaching.answers(config, texts, words)
        mixed.append(Task(f"{corpus}_in_{config.taught}", ids, answers, words, batch, config.asked_weight))
    return mixed


def check_messages(config: MiniMessagesConfig, source: str, made: Made) -> Iterable[RawSource]:
    """Return the raw data that the stage reads; raises ModelError where a mini is not there and nothing makes it."""
    for folder in (config.base, config.chats, *config.mean_with):
        if folder not in made:
            load_mini(folder, torch.device("cpu"))
    if config.teacher:
        model_folder()
    for answers in config.answers:
        if answers.folder and answers.folder not in made:
            check_answers(answers.folder)
    config.sources.forbidden()
    made[config.out] = made.get(config.base, 0)
    return [*config.sources.raw().values(), *config.sources.chats().values()]


MINI_MESSAGES = Stage(
    "mini_messages",
    MiniMessagesConfig,
    check_messages,
    train_messages,
    uncompared=dict.fromkeys(("fit", "out", "base", "chats", "mean_with", "mean_weights", "sources"), True),
    inputs=lambda config: (
        config.base,
        config.chats,
        *config.mean_with,
        *(answers.folder for answers in config.answers if answers.folder),
    ),
)
