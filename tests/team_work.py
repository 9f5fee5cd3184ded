"""What two processes do together in ``test_distributed.py``: each of these runs in both."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import yaml
from torch import nn

from clip_emotion.data.balanced import BalancedBatchSampler
from clip_emotion.training.finetune import train_emotion_clip
from clip_emotion.training.losses import multi_positive_contrast, supervised_contrast
from clip_emotion.training.team import Team
from clip_emotion.training.whole_norm import share_batch_norm

BATCH = 12
LABELS = torch.arange(48) % 3


def small_model(seed: int = 0) -> nn.Sequential:
    """Batch norms of both kinds between weights, and one parameter that no picture passes."""
    torch.manual_seed(seed)
    model = nn.Sequential(
        nn.Conv2d(1, 5, 3, bias=False), nn.BatchNorm2d(5), nn.ReLU(), nn.Flatten(), nn.Linear(80, 6), nn.BatchNorm1d(6)
    )
    model.register_parameter("scale", nn.Parameter(torch.tensor(2.0)))
    model.register_parameter("unused", nn.Parameter(torch.tensor(1.0)))
    return model


def gradients(team: Team, step: int = 3) -> dict[str, torch.Tensor]:
    """Gradients and statistics of one step: images against columns, and against each other, behind one gathering."""
    model = small_model(seed=team.rank)
    team.align(model)
    share_batch_norm(model, team)
    pictures = torch.randn(48, 1, 6, 6, generator=torch.Generator().manual_seed(7)) * 3 + 1
    columns = torch.randn(3, 6, generator=torch.Generator().manual_seed(8))
    sampler = BalancedBatchSampler(LABELS, BATCH, replicas=team.size, rank=team.rank)
    labels = LABELS[sampler.whole(step)]
    images = nn.functional.normalize(team.gather(model(pictures[sampler.batch(step)])), dim=1)
    contrast = multi_positive_contrast(model.scale * images @ columns.T, nn.functional.one_hot(labels, 3).float())
    loss = contrast + 0.7 * supervised_contrast(images, labels, 0.2)
    loss.backward()
    team.average_gradients(model.parameters())
    found = {f"grad {name}": p.grad for name, p in model.named_parameters() if p.grad is not None}
    return {"loss": loss.detach(), **found, **{name: b.clone() for name, b in model.named_buffers()}}


def trained(team: Team, values: dict[str, Any], resume: bool = False, die: int = 0) -> dict[str, Any]:
    """A run, or one that is asked to stop at a step; returns its figures and the losses that were told."""
    losses: list[float] = []
    seen = Team(team.rank, team.size, team.device, asked=lambda: bool(die) and team.first and len(losses) >= die)
    try:
        figures = train_emotion_clip(values, "test", lambda told: losses.append(told.loss), resume, seen)
    except KeyboardInterrupt:
        figures = {}
    return {"figures": figures, "losses": losses}


def main(folder: Path, rank: int) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    team = Team(rank, 2)
    found: dict[str, Any] = {"gradients": gradients(team)}
    for name, job in yaml.safe_load((folder / "jobs.yaml").read_text("utf-8")).items():
        found[name] = trained(team, **job)
    torch.save(found, folder / f"found_{rank}.pt")
    dist.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
