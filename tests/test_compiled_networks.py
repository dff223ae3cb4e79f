"""Networks wrapped by torch.compile: no name in a checkpoint tells of it, and all checkpoints fit."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_gan import LinearDiscriminator, LinearGenerator, examples, linear_gan, loader, sgd, trainer
from torch import nn

from lit_gan.callbacks.ema import GeneratorEMA
from lit_gan.gan import GAN
from lit_gan.networks import MaxoutDiscriminator, MLPGenerator
from lit_gan.networks.stacked import StackedGenerator


def _compiled(module: nn.Module) -> Any:
    return torch.compile(module, backend="eager")


class Inside(LinearGenerator):
    """A part of it is wrapped, and a buffer is in there."""

    def __init__(self, wrap: Callable[[nn.Module], nn.Module] = lambda module: module) -> None:
        super().__init__()
        self.tail = wrap(nn.Sequential(nn.BatchNorm2d(1), wrap(nn.Conv2d(1, 1, 1)))).double()

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return self.tail(super().forward(z))


def _plain() -> GAN:
    return GAN(LinearGenerator(), LinearDiscriminator(), optimizer_g=sgd(), optimizer_d=sgd(momentum=0.9))


def _wrapped() -> GAN:
    return GAN(
        _compiled(LinearGenerator()), _compiled(LinearDiscriminator()), optimizer_g=sgd(), optimizer_d=sgd(momentum=0.9)
    )


def _wrapped_later() -> GAN:
    gan = _plain()
    gan.generator, gan.discriminator = _compiled(gan.generator), _compiled(gan.discriminator)
    return gan


def _fit(gan: GAN, epochs: int, **kwargs: Any) -> Any:
    run = trainer(max_epochs=epochs, callbacks=[GeneratorEMA(0.5)])
    run.fit(gan, loader(examples(8), batch_size=4), **kwargs)
    return run


def _as_before(path: Path) -> Path:
    """The checkpoint with the names that it had when wrappers were in them."""
    content = torch.load(path, weights_only=True)
    content["state_dict"] = {name.replace(".", "._orig_mod.", 1): each for name, each in content["state_dict"].items()}
    average = content["lit_gan"]["generator_average"]
    content["lit_gan"]["generator_average"] = {f"_orig_mod.{name}": each for name, each in average.items()}
    torch.save(content, path)
    return path


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor")  # dynamo looks at it
@pytest.mark.parametrize(
    ("saved_by", "resumed_by", "earlier"),
    [
        (_plain, _wrapped, False),
        (_wrapped, _plain, False),
        (_wrapped, _plain, True),
        (_wrapped, _wrapped, True),
        (_wrapped_later, _wrapped, False),
    ],
)
def test_any_checkpoint_goes_on_in_any_networks(
    saved_by: Callable[[], GAN], resumed_by: Callable[[], GAN], earlier: bool, tmp_path: Path
) -> None:
    path = tmp_path / "half.ckpt"
    _fit(saved_by(), 1).save_checkpoint(path)
    content = torch.load(path, weights_only=True)
    assert sorted(content["state_dict"]) == ["discriminator.c", "discriminator.w", "generator.a", "generator.b"]
    assert sorted(content["lit_gan"]["generator_average"]) == ["a", "b"]
    if earlier:
        _as_before(path)
    resumed, whole = resumed_by(), _plain()
    _fit(resumed, 2, ckpt_path=path, weights_only=True)
    _fit(whole, 2)
    assert resumed.state_dict().keys() == whole.state_dict().keys()
    for name, value in whole.state_dict().items():
        assert torch.equal(resumed.state_dict()[name], value), name
    for name, average in whole.generator_average.items():
        assert torch.equal(resumed.generator_average[name], average)
    assert torch.equal(resumed.sample_data(3, rng=0), whole.sample_data(3, rng=0))


def test_a_part_that_is_wrapped_at_any_depth_has_the_plain_names_too() -> None:
    plain, wrapped = linear_gan(), linear_gan()
    plain.generator, wrapped.generator = Inside(), Inside(_compiled)
    assert list(wrapped.state_dict()) == list(plain.state_dict())
    assert wrapped.state_dict()._metadata.keys() >= plain.state_dict()._metadata.keys()
    for source, target in ((plain, wrapped), (wrapped, plain), (wrapped, wrapped)):
        nn.init.normal_(source.generator.a)
        target.load_state_dict(source.state_dict())
        assert torch.equal(target.generator.a, source.generator.a)
    with pytest.raises(RuntimeError, match=r"Unexpected key\(s\) in state_dict: \"generator\.more\""):
        wrapped.load_state_dict({**plain.state_dict(), "generator.more": torch.zeros(1)})


def test_within_another_module_only_its_own_names_change() -> None:
    outer = nn.ModuleDict({"gan": _wrapped(), "other": _compiled(nn.Linear(1, 1))})
    assert "gan.generator.a" in outer.state_dict()
    assert "other._orig_mod.weight" in outer.state_dict()
    outer.load_state_dict(outer.state_dict())


def test_a_constraint_is_met_once_for_a_wrapped_network() -> None:
    discriminator = MaxoutDiscriminator((1, 8, 8), hidden=(4,), max_norm=0.5)
    counts = [
        len(GAN(MLPGenerator((1, 8, 8), latent_size=4, hidden=(4,)), each).players["discriminator"]._constrained)
        for each in (discriminator, _compiled(discriminator))
    ]
    assert counts[0] == counts[1] > 0


def test_a_first_stage_that_was_wrapped_is_a_first_stage(tmp_path: Path) -> None:
    first = MLPGenerator((1, 8, 8), latent_size=4, hidden=(4,))
    torch.save(
        {"state_dict": {f"generator._orig_mod.{n}": p for n, p in first.state_dict().items()}}, tmp_path / "a.ckpt"
    )
    pretrained = MLPGenerator((1, 8, 8), latent_size=4, hidden=(4,))
    stacked = StackedGenerator(hidden=(3,), pretrained=pretrained, pretrained_checkpoint=str(tmp_path / "a.ckpt"))
    stacked.begin_training(lambda: torch.zeros(1, 8, 8))
    assert all(torch.equal(one, other) for one, other in zip(first.parameters(), pretrained.parameters(), strict=True))
