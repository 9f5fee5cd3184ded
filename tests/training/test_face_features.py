"""An image tower that starts from a network which knows faces, read from TensorFlow.js' format."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from clip_emotion.errors import ModelError, UsageError
from clip_emotion.models.mini.config import ImageTowerConfig
from clip_emotion.models.mini.image_tower import ImageTower
from clip_emotion.training.mini import face_features
from clip_emotion.training.mini.face_features import CONTRAST, check_pretrained, read_tensors, start_from

SMALL = ImageTowerConfig(convolutions="separable", stem=3, widths=(4, 6), blocks=(1, 2), dim=5)


def network() -> dict[str, np.ndarray]:
    """Random weights of a network as small as ``SMALL``, under the names of the published one."""
    rng = np.random.default_rng(0)

    def drawn(*shape: int) -> np.ndarray:
        return rng.normal(size=shape).astype(np.float32)

    tensors = {"conv1/convolution/merged_input": drawn(3, 3, 3, 3) / 50, "conv1_bn/batchnorm_1/sub": drawn(3)}
    for number, (inputs, outputs) in enumerate([(3, 4), (4, 6), (6, 6)], 1):
        tensors[f"conv_dw_{number}/depthwise_kernel"] = drawn(3, 3, inputs, 1)
        tensors[f"conv_dw_{number}_bn/batchnorm_1/mul"] = drawn(inputs)
        tensors[f"conv_dw_{number}_bn/batchnorm_1/sub"] = drawn(inputs)
        tensors[f"conv_pw_{number}/convolution/merged_input"] = drawn(1, 1, inputs, outputs)
        tensors[f"conv_pw_{number}_bn/batchnorm_1/sub"] = drawn(outputs)
    tensors["age_pred/kernel"] = drawn(2, 2)
    return tensors


def written(folder: Path, tensors: dict[str, np.ndarray], cut: int = 0) -> Path:
    weights = [{"name": name, "shape": list(t.shape), "dtype": "float32"} for name, t in tensors.items()]
    (folder / "net.json").write_text(json.dumps({"weightsManifest": [{"paths": ["net.bin"], "weights": weights}]}))
    data = b"".join(tensor.tobytes() for tensor in tensors.values())
    (folder / "net.bin").write_bytes(data[: len(data) - cut])
    return folder / "net.json"


def convolved(inputs: np.ndarray, kernel: np.ndarray, stride: int, depthwise: bool) -> np.ndarray:
    """TensorFlow's SAME convolution of [H, W, C], in plain loops: the independent reference."""
    size = kernel.shape[0]
    height, width = (-(-side // stride) for side in inputs.shape[:2])
    pad_rows, pad_columns = (
        max((out - 1) * stride + size - side, 0) for out, side in zip((height, width), inputs.shape[:2], strict=True)
    )
    before = pad_rows // 2, pad_columns // 2
    padded = np.pad(
        inputs, ((before[0], pad_rows - before[0]), (before[1], pad_columns - before[1]), (0, 0)), mode="constant"
    )
    out = np.zeros((height, width, kernel.shape[2] if depthwise else kernel.shape[3]))
    for row in range(height):
        for column in range(width):
            part = padded[row * stride : row * stride + size, column * stride : column * stride + size]
            out[row, column] = (
                (part * kernel[..., 0]).sum((0, 1)) if depthwise else np.einsum("ijc,ijco->o", part, kernel)
            )
    return out


def reference(tensors: dict[str, np.ndarray], grey: np.ndarray) -> np.ndarray:
    """What the published network makes of a picture [H, W] whose three channels are one."""
    hidden = convolved(np.repeat(grey[..., None], 3, 2) * CONTRAST, tensors["conv1/convolution/merged_input"], 2, False)
    hidden = np.clip(hidden + tensors["conv1_bn/batchnorm_1/sub"], 0, 6)
    for number, stride in enumerate([1, 2, 1], 1):
        name = f"conv_dw_{number}"
        hidden = convolved(hidden, tensors[f"{name}/depthwise_kernel"], stride, True)
        hidden = hidden * tensors[f"{name}_bn/batchnorm_1/mul"] + tensors[f"{name}_bn/batchnorm_1/sub"]
        hidden = convolved(np.clip(hidden, 0, 6), tensors[f"conv_pw_{number}/convolution/merged_input"], 1, False)
        hidden = np.clip(hidden + tensors[f"conv_pw_{number}_bn/batchnorm_1/sub"], 0, 6)
    return np.asarray(hidden)


@pytest.fixture(autouse=True)
def small_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(face_features, "SIZES", SMALL)


@pytest.mark.parametrize("side", [12, 13])
def test_the_trunk_gives_what_the_network_gives(tmp_path: Path, side: int) -> None:
    tensors = network()
    tower = ImageTower(SMALL)
    faces = torch.randn(4, 1, side, side)
    start_from(tower, written(tmp_path, tensors), faces)
    with torch.inference_mode():
        found = tower.eval().trunk(faces)
    for face, maps in zip(faces, found, strict=True):
        wanted = torch.from_numpy(reference(tensors, face[0].numpy())).permute(2, 0, 1).float()
        torch.testing.assert_close(maps, wanted, atol=1e-3, rtol=1e-3)


def test_its_norms_are_those_of_the_faces(tmp_path: Path) -> None:
    tower, faces = ImageTower(SMALL), torch.randn(8, 1, 12, 12)
    start_from(tower, written(tmp_path, network()), faces)
    with torch.inference_mode():
        resting = tower.eval().trunk(faces)
        torch.testing.assert_close(tower.train().trunk(faces), resting, atol=1e-3, rtol=1e-3)


def test_smaller_images_are_enlarged_within_the_tower() -> None:
    torch.manual_seed(0)
    enlarging = ImageTower(SMALL.model_copy(update={"enlarged": 24})).eval()
    plain = ImageTower(SMALL).eval()
    plain.load_state_dict(enlarging.state_dict())
    small, large = torch.randn(2, 1, 12, 12), torch.randn(2, 1, 24, 24)
    with torch.inference_mode():
        enlarged = F.interpolate(small, size=(24, 24), mode="bicubic", align_corners=False)
        torch.testing.assert_close(enlarging(small), plain(enlarged))
        torch.testing.assert_close(enlarging(large), plain(large))
        assert not torch.equal(enlarging(small), plain(small))


@pytest.mark.parametrize("fault", ["missing", "text", "deep", "cut", "other", "shape", "not finite", "dtype"])
def test_a_file_that_is_not_the_network_gets_one_sentence(tmp_path: Path, fault: str) -> None:
    tensors = network()
    path = written(tmp_path, tensors, cut=40 if fault == "cut" else 0)
    if fault == "missing":
        path = tmp_path / "none.json"
    if fault == "text":
        path.write_text("not JSON")
    if fault == "deep":
        path.write_text("[" * 100_000)
    if fault == "shape":
        path = written(tmp_path, tensors | {"conv_dw_2_bn/batchnorm_1/sub": np.ones(1, dtype=np.float32)})
    if fault == "not finite":
        path = written(tmp_path, tensors | {"conv_dw_2_bn/batchnorm_1/sub": np.full(4, np.nan, dtype=np.float32)})
    if fault == "other":
        path = written(tmp_path, {name: t for name, t in tensors.items() if not name.startswith("conv_pw_2")})
    if fault == "dtype":
        path.write_text(path.read_text().replace("float32", "bool"))
    with pytest.raises(ModelError, match=r"no TensorFlow\.js model|does not hold HSE-FaceRes") as caught:
        check_pretrained(SMALL, path)
    assert "\n" not in str(caught.value)


def test_a_tower_of_other_sizes_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, network())
    tower = ImageTower(SMALL.model_copy(update={"widths": (4, 8)}))
    with pytest.raises(UsageError, match=r"tower\.widths is \(4, 8\)"):
        start_from(tower, path, torch.randn(2, 1, 12, 12))


def test_tensors_are_read_in_order(tmp_path: Path) -> None:
    tensors = network()
    for name, read in read_tensors(written(tmp_path, tensors)).items():
        np.testing.assert_array_equal(read, tensors[name])
