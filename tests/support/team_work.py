"""What two processes of ``tests/training/test_parallel.py`` do together."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor, nn

from clip_emotion.data.samplers import BalancedBatchSampler
from clip_emotion.training.losses import multi_positive_contrast, supervised_contrast
from clip_emotion.training.parallel.process_group import ProcessGroup
from clip_emotion.training.parallel.sync_batch_norm import SyncBatchNorm, convert_batch_norm

BATCH = 12
LABELS = torch.arange(48) % 3


def small_model(seed: int) -> nn.Sequential:
    """Batch norms of both kinds between weights, and parameters that are used behind the gathering or not at all."""
    torch.manual_seed(seed)
    model = nn.Sequential(
        nn.Conv2d(1, 5, 3, bias=False), nn.BatchNorm2d(5), nn.ReLU(), nn.Flatten(), nn.Linear(80, 6), nn.BatchNorm1d(6)
    )
    model.register_parameter("scale", nn.Parameter(torch.tensor(2.0)))
    model.register_parameter("unused", nn.Parameter(torch.tensor(1.0)))
    return model


def one_step(processes: ProcessGroup, step: int = 3) -> dict[str, Tensor]:
    """The loss, the gradients and the statistics of a step: pictures against columns and against each other."""
    model = small_model(seed=processes.rank)
    processes.broadcast_weights(model)
    convert_batch_norm(model, processes)
    pictures = torch.randn(48, 1, 6, 6, generator=torch.Generator().manual_seed(7)) * 3 + 1
    columns = torch.randn(3, 6, generator=torch.Generator().manual_seed(8))
    sampler = BalancedBatchSampler(LABELS, BATCH, replicas=processes.size, rank=processes.rank)
    labels = LABELS[sampler.whole(step)]
    images = nn.functional.normalize(processes.gather(model(pictures[sampler.batch(step)])), dim=1)
    positives = nn.functional.one_hot(labels, 3).float()
    scale = model.get_parameter("scale")
    loss = multi_positive_contrast(scale * images @ columns.T, positives) + supervised_contrast(images, labels, 0.2)
    loss.backward()
    processes.average_gradients(model.parameters())
    found = {f"gradient of {name}": p.grad for name, p in model.named_parameters() if p.grad is not None}
    return {"loss": loss.detach(), **found, **dict(model.named_buffers())}


def talk(processes: ProcessGroup) -> dict[str, object]:
    """What members tell each other."""
    order = processes.main_first(lambda: processes.rank)
    return {
        "told": processes.broadcast_object(lambda: {"from": processes.rank}),
        "order": order,
        "rows": processes.gather(torch.full((2, 3), float(processes.rank))),
        "only the second": processes.any_stop(interrupted=processes.rank == 1),
        "nobody": processes.any_stop(interrupted=False),
        "asked": ProcessGroup(processes.rank, processes.size, asked=lambda: processes.is_main).any_stop(
            interrupted=False
        ),
        "seed": processes.seed,
    }


def norms(processes: ProcessGroup) -> dict[str, bool]:
    """Which batch norms become the processes's, and what one that is not trained says."""

    class Activated(nn.BatchNorm2d):
        """Another class, whose forward does more."""

    model = nn.Sequential(nn.BatchNorm2d(3), Activated(3), nn.BatchNorm2d(3, affine=False))
    convert_batch_norm(model, processes)
    pictures = torch.randn(4, 3, 2, 2)
    model.eval()
    same = torch.equal(model[0](pictures), nn.BatchNorm2d(3).eval()(pictures))
    return {"shared": [isinstance(one, SyncBatchNorm) for one in model] == [True, False, False], "eval": same}


def meet(folder: Path, rank: int) -> None:
    """Do all of it as one of two processes, and leave what was found in the folder."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    processes = ProcessGroup(rank, 2)
    torch.save(
        {"step": one_step(processes), "talk": talk(processes), "norms": norms(processes)}, folder / f"found_{rank}.pt"
    )
    dist.destroy_process_group()
