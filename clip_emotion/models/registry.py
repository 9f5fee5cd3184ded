"""One look-up from what the user wrote after ``--model`` to an encoder."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from clip_emotion.errors import UsageError
from clip_emotion.files import expanded
from clip_emotion.models.base import ImageTextEncoder, TrainedEncoder
from clip_emotion.resources import weights_dir
from clip_emotion.runtime import Running, resolve_device
from clip_emotion.vocabulary import Vocabulary

DEFAULT = Running()
NVIDIA = Path("/dev/nvidia0")


def load_encoder(spec: str = "mini", device: str = "auto", running: Running = DEFAULT) -> ImageTextEncoder:
    """Load ``mini``, a folder that ``train``, ``ensemble``, ``fuse``, ``pull`` or ``export`` wrote, or open_clip's.

    An open_clip model is ``name/tag``, a file or a Hub id. ``running`` says by which library, and how exactly, pictures
    are embedded. Raises UsageError for an unknown name and for a ``running`` that cannot be, ModelError where weights
    are missing, broken or out of reach.
    """
    folder = bundled_folder(spec) or expanded(spec)
    if (folder / "onnx.yaml").is_file():
        return _exported(folder, device, running)
    if running.library == "onnx" or (running.library == "auto" and (folder / "mini.yaml").is_file()):
        encoder = _through_onnx(spec, folder, device, running)
        if encoder is not None:
            return encoder
    return _through_torch(spec, folder, device, running)


def _through_torch(spec: str, folder: Path, device: str, running: Running) -> ImageTextEncoder:
    chosen = resolve_device(device)
    encoder: ImageTextEncoder
    if (folder / "mini.yaml").is_file() or spec in BUNDLED:
        from clip_emotion.models.mini.encoder import load_mini

        encoder = load_mini(folder, chosen)
    elif (folder / "classifier.yaml").is_file():
        from clip_emotion.models.classifiers.checkpoint import load_classifier

        encoder = load_classifier(folder, chosen)
    elif (folder / "ensemble.yaml").is_file():
        from clip_emotion.models.ensembles.loading import load_ensemble

        encoder = load_ensemble(folder, load_encoder, str(chosen))
    elif (folder / "fusion.yaml").is_file():
        from clip_emotion.models.fusion.loading import load_fusion

        encoder = load_fusion(folder, load_encoder, str(chosen))
    elif any((folder / name).is_file() for name in ("checkpoint.yaml", "checkpoint.pt")):
        from clip_emotion.models.emotion_clip.checkpoint import load_checkpoint_encoder

        encoder = load_checkpoint_encoder(folder, chosen)
    else:
        from clip_emotion.models.openclip.encoder import load_open_clip

        encoder = load_open_clip(spec, chosen)
    if running.precision == "fp32":
        return encoder
    from clip_emotion.models.precision import in_precision

    return in_precision(encoder, running.precision, chosen)


def _through_onnx(spec: str, folder: Path, device: str, running: Running) -> ImageTextEncoder | None:
    """Return the encoder through ONNX Runtime; None where nobody asked for it and it is not the better choice."""
    from clip_emotion.models.onnx import kept, session
    from clip_emotion.models.onnx.encoder import load_export

    asked = running.library == "onnx"
    if asked:
        _check_onnx(device, running)
    elif running.precision != "fp32" or not _is_processor(device) or not session.has_onnx_runtime():
        return None
    place = kept.kept_export(kept.mini_fingerprint(folder)) if (folder / "mini.yaml").is_file() else None
    if place is None:
        if not asked:
            return None
        encoder = _through_torch(spec, folder, "cpu", Running("torch"))
        place = kept.kept_export(encoder.fingerprint) or kept.keep_export(encoder, spec)
    return load_export(place, lambda model: load_encoder(model, "cpu", Running("torch")))


def _exported(folder: Path, device: str, running: Running) -> ImageTextEncoder:
    from clip_emotion.models.onnx.card import read_card
    from clip_emotion.models.onnx.encoder import load_export

    precision = read_card(folder).precision
    if running.precision not in ("auto", "fp32", precision):
        raise UsageError(f"{folder} is an export in {precision}: leave --precision out.")
    if running.library == "torch":
        raise UsageError(f"{folder} is an export to ONNX: leave --runtime torch out, or name the model itself.")
    _check_onnx(device, Running("onnx"))
    return load_export(folder, lambda model: load_encoder(model, "cpu", Running("torch")))


def _check_onnx(device: str, running: Running) -> None:
    if device not in ("auto", "cpu"):
        raise UsageError(f"ONNX Runtime runs on the processor here: leave --device {device} or --runtime onnx out.")
    if running.precision not in ("auto", "fp32"):
        raise UsageError(
            f"--runtime onnx has no {running.precision} of its own: for int8, name a folder that clip-emotion export "
            "onnx --precision int8 wrote; for bf16, leave --runtime onnx out."
        )


def _is_processor(device: str) -> bool:
    """Tell whether torch would use the processor, without asking torch, which takes a second to import."""
    return device == "cpu" or (device == "auto" and sys.platform != "darwin" and not NVIDIA.exists())


def own_vocabulary(encoder: ImageTextEncoder) -> Vocabulary | None:
    """Return the words that an encoder was trained on, where it knows them."""
    return encoder.vocabulary if isinstance(encoder, TrainedEncoder) else None


def bundled_folder(spec: str) -> Path | None:
    """Return the folder of a bundled model, None for another name."""
    return BUNDLED[spec]() if spec in BUNDLED else None


BUNDLED: dict[str, Callable[[], Path]] = {"mini": lambda: weights_dir() / "mini"}
