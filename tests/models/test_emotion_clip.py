"""EmotionClip over the bundled mini, a tiny mini and tiny open_clip models saved to disk."""

from __future__ import annotations

import copy
import json
import sys
from collections.abc import Callable
from pathlib import Path

import open_clip
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor, nn

from clip_emotion.config import validate
from clip_emotion.errors import MissingExtraError, ModelError, UsageError
from clip_emotion.models.backbone import Backbone
from clip_emotion.models.emotion_clip.config import EmotionClipConfig, HeadConfig, LoraSettings
from clip_emotion.models.emotion_clip.lora import adapted_layers
from clip_emotion.models.emotion_clip.model import EmotionClip
from clip_emotion.models.loading import backbone_from_spec, open_backbone
from clip_emotion.models.registry import load_encoder
from tests.support.minis import tiny_mini
from tests.support.pictures import plain
from tests.support.tiny_openclip import RESNET, TIMM, TINY, awake, hugging_face

TEXTS = ["joy", "a photo of a face that looks sad", "기쁨", ""]
NONE = EmotionClipConfig(image_head=None)
BOTH = EmotionClipConfig(image_head=HeadConfig(depth=1), text_head=HeadConfig(depth=1), classes=4)
MODES = ("heads", "last-1-blocks", "all", "lora")


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What ``open_backbone`` and ``load_encoder`` call each model."""
    folder = tmp_path_factory.mktemp("models")
    tiny_mini().save(folder / "mini")
    hub = folder / "hub"
    hub.mkdir()
    (hub / "open_clip_config.json").write_text(json.dumps({"model_cfg": {**TINY, "quick_gelu": True}}))
    torch.manual_seed(0)
    model = open_clip.CLIP(**TINY, quick_gelu=True, init_logit_scale=5.0)
    save_file(
        {name: tensor.clone() for name, tensor in model.state_dict().items()}, hub / "open_clip_model.safetensors"
    )
    for name, config in {"tiny": TINY, "resnet": RESNET, "timm": TIMM, "hf": hugging_face(folder / "hf")}.items():
        (folder / f"{name}.json").write_text(json.dumps(config))
    made = {name: f"random:{folder / name}.json" for name in ("tiny", "resnet", "timm", "hf")}
    return {"bundled": "mini", "mini": str(folder / "mini"), "open_clip": f"local-dir:{hub}", **made}


@pytest.fixture(scope="module")
def fresh(places: dict[str, str]) -> Callable[..., EmotionClip]:
    """Make an EmotionClip of a copy of a backbone that was opened once."""
    opened: dict[str, Backbone] = {}

    def make(name: str, config: EmotionClipConfig = NONE) -> EmotionClip:
        if name not in opened:
            torch.manual_seed(1)
            opened[name] = open_backbone(places[name])
        torch.manual_seed(2)
        return EmotionClip(copy.deepcopy(opened[name]), config)

    return make


Fresh = Callable[..., EmotionClip]


def pixels_for(model: EmotionClip, count: int = 3) -> Tensor:
    side = model.backbone.image_size
    return model.backbone.normalise(torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(3)))


def close(left: Tensor, right: Tensor, within: float = 1e-5) -> None:
    torch.testing.assert_close(left, right, atol=within, rtol=0)


@pytest.mark.parametrize("depths", [(None, None), (0, 0), (1, None), (None, 2), (4, 3)], ids=str)
@pytest.mark.parametrize("name", ["bundled", "open_clip"])
def test_logits_are_the_encoders_own_before_any_step(
    places: dict[str, str], fresh: Fresh, name: str, depths: tuple[int | None, int | None]
) -> None:
    encoder = load_encoder(places[name], "cpu")
    heads = [None if depth is None else HeadConfig(depth=depth) for depth in depths]
    model = fresh(name, EmotionClipConfig(image_head=heads[0], text_head=heads[1]))
    pixels = torch.stack([encoder.preprocess(plain(colour, (70, 50))) for colour in ("red", "green", "blue")])
    mine = torch.stack([model.backbone.preprocess(plain(colour, (70, 50))) for colour in ("red", "green", "blue")])
    assert torch.equal(mine, pixels)
    with torch.no_grad():
        images = model.embed_images(pixels, flip_average=model.backbone.flip_average)
        logits = model.logit_scale * images @ model.embed_texts(TEXTS).T
    expected = encoder.logit_scale * encoder.encode_images(pixels) @ encoder.encode_texts(TEXTS).T
    close(logits, expected, 1e-5 * encoder.logit_scale)
    assert model.backbone.languages == encoder.languages


def test_forward_gives_what_the_embedders_give(fresh: Fresh) -> None:
    model = fresh("tiny")
    pixels = pixels_for(model)
    images, texts, scale = model(pixels, model.backbone.tokenize(TEXTS))
    close(images, model.embed_images(pixels))
    close(texts, model.embed_texts(TEXTS))
    assert scale.item() == pytest.approx(1 / 0.07, rel=1e-4)
    close(images.norm(dim=1), torch.ones(3))
    assert images.requires_grad
    assert texts.requires_grad


@pytest.mark.parametrize("name", ["bundled", "open_clip"])
def test_normalise_does_to_a_batch_what_preprocess_does_to_a_picture(fresh: Fresh, name: str) -> None:
    backbone = fresh(name).backbone
    side = backbone.image_size
    bytes_ = torch.randint(0, 256, (3, side, side), dtype=torch.uint8, generator=torch.Generator().manual_seed(4))
    picture = Image.fromarray(bytes_.permute(1, 2, 0).numpy())
    close(backbone.normalise(bytes_[None])[0], backbone.preprocess(picture))
    close(backbone.normalise(bytes_[None] / 255), backbone.normalise(bytes_[None]))
    assert backbone.normalise(torch.zeros(2, 3, 5 * side, side)).shape == (2, 3, side, side)


POOLING = ("text_tower.norm.", "text_tower.attention.", "text_tower.head.", "text_tower.skip.")
NORMS = ("ln_post", "visual.proj", "ln_final", "text_projection")
LAST = {
    "tiny": ("visual.transformer.resblocks.1.", "model.transformer.resblocks.1.", *NORMS),
    "mini": ("image_tower.trunk.5.", "image_tower.head.", "text_tower.blocks.1.", *POOLING),
    "resnet": ("layer4.0.", "attnpool.", "model.transformer.resblocks.1.", *NORMS),
    "timm": ("trunk.blocks.5.", "trunk.norm.", "fc_norm", "visual.head.", "model.transformer.resblocks.1.", *NORMS),
    "hf": ("visual.transformer.resblocks.1.", "encoder.layer.1.", "text.proj.", *NORMS),
}


def opened(name: str, mode: str, parameter: str) -> bool:
    """Say by hand which parameters a mode trains."""
    if not parameter.startswith("backbone."):
        return True
    if mode == "lora":
        return ".lora_" in parameter
    if parameter.rpartition(".")[2].startswith("logit_"):
        return False
    return mode == "all" or (mode == "last-1-blocks" and any(part in parameter for part in LAST[name]))


def learn(model: EmotionClip, steps: int = 2) -> set[str]:
    """Take a few steps on every output, with decay, and return the names of what changed."""
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01, weight_decay=0.1)
    model.train()
    for step in range(steps):
        torch.manual_seed(step)
        images, texts, scale = model(pixels_for(model, 4), TEXTS)
        loss = nn.functional.cross_entropy(scale * images @ texts.T, torch.arange(4))
        if model.classifier is not None:
            loss = loss + nn.functional.cross_entropy(model.classify(images), torch.arange(4))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return {name for name, tensor in model.state_dict().items() if not torch.equal(tensor, before[name])}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", LAST)
def test_a_mode_trains_what_it_says_and_nothing_else(fresh: Fresh, name: str, mode: str) -> None:
    model = fresh(name, BOTH)
    awake(model)
    model.set_trainable(mode)
    trained = {parameter for parameter, tensor in model.named_parameters() if tensor.requires_grad}
    assert trained == {p for p, _ in model.named_parameters() if opened(name, mode, p)}
    statistics = {key for key, _ in model.named_buffers()}
    changed = learn(model)
    assert changed - statistics <= trained
    still = trained - changed
    # The patterns that have no gradient by nature: keys' biases in softmax attention, unused embeddings.
    assert all("bias" in p or "embed" in p for p in still), still


@pytest.mark.parametrize("name", ["mini", "resnet"])
def test_statistics_of_a_frozen_batch_norm_stay(fresh: Fresh, name: str) -> None:
    for mode in MODES:
        model = fresh(name, BOTH)
        model.set_trainable(mode)
        drifting = {key for key in learn(model) if "running_" in key}
        every = {key for key in model.state_dict() if "running_" in key}
        assert len(every) >= 8
        if mode == "all":
            assert drifting == every
        elif mode == "last-1-blocks":
            assert drifting == {key for key in every if any(part in key for part in LAST[name])}
        else:
            assert not drifting


def test_frozen_towers_stay_in_eval_and_the_rest_follows_train(fresh: Fresh) -> None:
    model = fresh("mini", BOTH)
    assert not any(module.training for module in model.modules())
    model.set_trainable("heads")
    model.train()
    assert model.image_head.training
    assert not any(module.training for module in model.backbone.image_tower.modules())
    pixels = pixels_for(model)
    assert torch.equal(model.backbone.image_features(pixels), model.backbone.image_features(pixels))
    model.set_trainable("all")
    assert all(module.training for module in model.backbone.image_tower.modules())
    assert not any(module.training for module in model.eval().modules())


def test_which_sides_can_be_embedded_once(fresh: Fresh) -> None:
    image_only = fresh("tiny", EmotionClipConfig(image_head=HeadConfig()))
    expected = {"heads": (False, True), "last-1-blocks": (False, False), "lora": (False, False)}
    for mode, frozen in expected.items():
        image_only.set_trainable(mode)
        assert (image_only.image_frozen, image_only.text_frozen) == frozen
    model = fresh("tiny", EmotionClipConfig(image_head=None, text_head=HeadConfig()))
    model.set_trainable("heads")
    assert (model.image_frozen, model.text_frozen) == (True, False)


@pytest.mark.parametrize("name", LAST)
def test_lr_scales_fall_from_the_heads_to_the_embeddings(fresh: Fresh, name: str) -> None:
    model = fresh(name, BOTH)
    model.set_trainable("all")
    factor = model.lr_scales(0.5)
    for groups in (model.backbone.image_blocks(), model.backbone.text_blocks()):
        found = [{factor(f"backbone.{parameter}") for parameter in group} for group in groups]
        assert found == [{0.5 ** (len(groups) - 1 - at)} for at in range(len(groups))]
        assert len(groups) >= 4
    for parameter, _ in model.named_parameters():
        if not parameter.startswith("backbone."):
            assert factor(parameter) == 1.0
    assert factor("no.such.parameter") == 0.0
    model.set_trainable("last-1-blocks")
    factor = model.lr_scales(0.5)
    assert {factor(parameter) for parameter, _ in model.named_parameters()} == {0.0, 0.5, 1.0}
    model.set_trainable("lora")
    factor = model.lr_scales(0.5)
    for parameter, tensor in model.named_parameters():
        assert (factor(parameter) > 0) == tensor.requires_grad
    adapters = {factor(parameter) for parameter, _ in model.named_parameters() if ".lora_" in parameter}
    assert 0.5 in adapters
    assert max(adapters) <= 1


def test_groups_hold_each_parameter_of_a_tower_once(fresh: Fresh) -> None:
    for name in LAST:
        backbone = fresh(name).backbone
        grouped = [p for groups in (backbone.image_blocks(), backbone.text_blocks()) for group in groups for p in group]
        towers = [p for p, _ in backbone.named_parameters() if not p.rpartition(".")[2].startswith("logit_")]
        assert sorted(grouped) == sorted(towers), name


@pytest.mark.parametrize("name", LAST)
def test_lora_starts_as_the_identity_and_folds_back(fresh: Fresh, name: str) -> None:
    model = fresh(name, EmotionClipConfig(train="lora", lora=LoraSettings(rank=2)))
    plain_names = set(model.state_dict())
    pixels = pixels_for(model)
    before = [model.embed_images(pixels), model.embed_texts(TEXTS)]
    model.set_trainable()
    close(model.embed_images(pixels), before[0])
    close(model.embed_texts(TEXTS), before[1])
    learn(model)
    adapted = [model.eval().embed_images(pixels), model.embed_texts(TEXTS)]
    assert all((old - new).abs().max() > 1e-4 for old, new in zip(before, adapted, strict=True))
    other = fresh(name, model.config)
    other.load_state_dict(model.plain_state_dict())
    assert adapted_layers(model)
    close(other.embed_images(pixels), adapted[0])
    close(other.embed_texts(TEXTS), adapted[1])
    model.merge()
    close(model.embed_images(pixels), adapted[0])
    close(model.embed_texts(TEXTS), adapted[1])
    assert set(model.state_dict()) == plain_names
    assert not adapted_layers(model)


def test_every_adapter_learns(fresh: Fresh) -> None:
    for name in LAST:
        model = fresh(name, EmotionClipConfig(train="lora", lora=LoraSettings(rank=2)))
        awake(model)
        model.set_trainable()
        adapters = {parameter for parameter, _ in model.named_parameters() if "lora_B" in parameter}
        assert len(adapters) >= 4
        assert adapters <= learn(model), name


def test_lora_adapts_what_is_named(fresh: Fresh) -> None:
    model = fresh("tiny", EmotionClipConfig(train="lora", lora=LoraSettings(targets=("c_proj",))))
    model.set_trainable()
    names = [name for name, _ in adapted_layers(model.backbone)]
    assert len(names) == 4
    assert all(name.endswith("mlp.c_proj") for name in names)
    model = fresh("tiny", EmotionClipConfig(lora=LoraSettings(targets=("banana",))))
    with pytest.raises(UsageError, match=r"'banana'.*c_fc, c_proj"):
        model.set_trainable("lora")
    # PyTorch's attention reads this layer's weights itself: an adapter on it would be passed by.
    model = fresh("tiny", EmotionClipConfig(lora=LoraSettings(targets=("out_proj",))))
    with pytest.raises(UsageError, match="out_proj"):
        model.set_trainable("lora")


def test_lora_can_follow_heads_and_other_modes_fold_it_in(fresh: Fresh) -> None:
    model = fresh("tiny", BOTH)
    model.set_trainable("lora")
    learn(model)
    model.set_trainable("heads")
    assert adapted_layers(model)
    assert not any(parameter.requires_grad for parameter in model.backbone.parameters())
    pixels = pixels_for(model)
    before = model.eval().embed_images(pixels)
    model.set_trainable("all")
    assert not adapted_layers(model)
    close(model.embed_images(pixels), before)


def test_lora_without_peft_says_how_to_install_it(fresh: Fresh, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'clip-emotion\[lora\]'"):
        fresh("tiny").set_trainable("lora")


def test_unknown_names_list_the_known_in_one_sentence(fresh: Fresh, tmp_path: Path) -> None:
    (tmp_path / "no.json").write_text("[1]")
    (tmp_path / "half.json").write_text('{"embed_dim": 4}')
    for spec, words in {
        "random:ViT-B-31": r"ViT-B-32.*",
        "random:banana": r"small_clip48\.json.*ViT-B-32",
        "banana": "neither mini, nor .* nor an open_clip name/tag",
        f"random:{tmp_path / 'no.json'}": "not a JSON file of open_clip's form",
        f"random:{tmp_path / 'half.json'}": "lacks vision_cfg, text_cfg",
    }.items():
        with pytest.raises(UsageError, match=words) as caught:
            open_backbone(spec)
        assert "\n" not in str(caught.value)
    with pytest.raises(UsageError, match="'banana': choose one of mini, open_clip"):
        backbone_from_spec({"kind": "banana"})
    with pytest.raises(UsageError, match="choose heads, last-N-blocks"):
        fresh("tiny").set_trainable("last-blocks")
    with pytest.raises(UsageError, match=r"train: .*choose heads, last-N-blocks.*all or lora"):
        validate(EmotionClipConfig, {"train": "last-0-blocks"}, "model")
    with pytest.raises(UsageError, match="Nothing is left to train"):
        fresh("tiny", EmotionClipConfig(image_head=None, learn_logit_scale=False)).set_trainable("heads")
    with pytest.raises(UsageError, match=r"model\.classes"):
        fresh("tiny").classify(torch.zeros(1, 16))
    with pytest.raises(UsageError, match="decay"):
        fresh("tiny").lr_scales(0.0)


def test_a_text_tower_that_is_not_on_this_machine_is_one_sentence(tmp_path: Path) -> None:
    text = {"hf_model_name": "nobody/no-such-model", "hf_pooler_type": "mean_pooler"}
    (tmp_path / "far.json").write_text(json.dumps({**TINY, "text_cfg": text}))
    with pytest.raises(ModelError, match=r"needs nobody/no-such-model, which is neither") as caught:
        open_backbone(f"random:{tmp_path / 'far.json'}")
    assert "\n" not in str(caught.value)


def test_another_embedding_size(fresh: Fresh) -> None:
    head = HeadConfig(depth=1, dim=40)
    model = fresh("tiny", EmotionClipConfig(image_head=head, text_head=HeadConfig(depth=0, dim=40), classes=3))
    pixels = pixels_for(model)
    images, texts, _ = model(pixels, TEXTS)
    assert (images.shape, texts.shape, model.dim) == ((3, 40), (4, 40), 40)
    assert model.classify(images).shape == (3, 3)
    same = fresh("tiny")
    close(images @ texts.T, same.embed_images(pixels) @ same.embed_texts(TEXTS).T)
    for fault in ({"image_head": {"dim": 40}}, {"image_head": {"dim": 40}, "text_head": {"dim": 30}}):
        with pytest.raises(UsageError, match="share one space"):
            validate(EmotionClipConfig, fault, "model")


def test_the_scale_stops_at_a_hundred_and_can_come_back(fresh: Fresh) -> None:
    model = fresh("tiny").train()
    with torch.no_grad():
        model.log_scale.fill_(7.0)
    assert model.logit_scale.item() == pytest.approx(100, rel=1e-5)
    model.logit_scale.backward()
    assert model.log_scale.grad is not None
    assert float(model.log_scale.grad) == pytest.approx(100, rel=1e-5)


def test_a_backbone_past_the_limit_keeps_its_scale(fresh: Fresh) -> None:
    model = fresh("open_clip")
    assert model.logit_scale.item() == pytest.approx(148.413, rel=1e-4)
    rebuilt = EmotionClip(backbone_from_spec(model.backbone.spec), NONE)
    rebuilt.load_state_dict(model.state_dict())
    assert rebuilt.train().logit_scale.item() == pytest.approx(148.413, rel=1e-4)


def test_a_scale_that_is_not_learned_stays(fresh: Fresh) -> None:
    model = fresh("tiny", EmotionClipConfig(learn_logit_scale=False, train="all"))
    model.set_trainable()
    assert "log_scale" not in learn(model)


def test_a_classifier_can_start_as_zero_shot(fresh: Fresh) -> None:
    model = fresh("tiny", BOTH)
    with torch.no_grad():
        images, texts, scale = model(pixels_for(model), TEXTS)
        model.start_classifier(texts)
        close(model.classify(images), scale * images @ texts.T, 1e-4)


@pytest.mark.parametrize("name", ["bundled", "mini", "open_clip", "tiny", "resnet", "timm", "hf"])
def test_a_model_is_rebuilt_from_its_description_and_weights(
    fresh: Fresh, name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    model = fresh(name, BOTH)
    awake(model)
    spec = json.loads(json.dumps(model.backbone.spec))
    files = model.backbone.tokenizer_files()
    assert bool(files) == (name in ("bundled", "mini", "hf"))
    monkeypatch.chdir(tmp_path)
    if name == "hf":  # the description must do without the folder that it was made from
        spec["model"]["text_cfg"]["hf_model_name"] = spec["model"]["text_cfg"]["hf_tokenizer_name"] = "gone"
    rebuilt = EmotionClip(backbone_from_spec(spec, "cpu", files), BOTH)
    rebuilt.load_state_dict(model.state_dict())
    pixels = pixels_for(model)
    assert torch.equal(rebuilt.embed_images(pixels), model.embed_images(pixels))
    assert torch.equal(rebuilt.embed_texts(TEXTS), model.embed_texts(TEXTS))
    assert torch.equal(
        rebuilt.backbone.preprocess(plain("red", (9, 7))), model.backbone.preprocess(plain("red", (9, 7)))
    )
    for fact in ("dim", "image_size", "languages", "flip_average", "initial_logit_scale", "initial_text_logit_scale"):
        assert getattr(rebuilt.backbone, fact) == getattr(model.backbone, fact)


def test_a_broken_description_is_one_sentence(fresh: Fresh) -> None:
    mini = fresh("mini").backbone
    with pytest.raises(ModelError, match=r"tokenizer\.json is missing"):
        backbone_from_spec(mini.spec)
    spec = copy.deepcopy(fresh("tiny").backbone.spec)
    del spec["model"]["vision_cfg"]
    with pytest.raises(ModelError, match="cannot be built") as caught:
        backbone_from_spec(spec)
    assert "\n" not in str(caught.value)


def test_autocast_gives_float32_embeddings_of_length_one(fresh: Fresh) -> None:
    for name in ("mini", "tiny", "hf"):
        model = fresh(name, BOTH)
        model.set_trainable("all")
        with torch.autocast("cpu", torch.bfloat16):
            images, texts, scale = model.train()(pixels_for(model), TEXTS)
        assert {images.dtype, texts.dtype, scale.dtype} == {torch.float32}
        close(images.norm(dim=1), torch.ones(3))
        (images.sum() + texts.sum()).backward()


def test_the_shipped_small_architecture() -> None:
    backbone = open_backbone("random:small_clip48")
    assert (backbone.dim, backbone.image_size, backbone.languages) == (128, 48, ("en",))
    assert len(backbone.image_blocks()) == 8
    assert backbone.tokenize(["joy"]).shape == (1, 77)
    first, second = (open_backbone("random:small_clip48.json").state_dict()["model.visual.proj"] for _ in range(2))
    assert not torch.equal(first, second)
