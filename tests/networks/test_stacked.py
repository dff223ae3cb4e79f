from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from lit_gan.errors import UserError
from lit_gan.networks import ConvGenerator, MLPGenerator, StackedGenerator

SHAPE = (1, 4, 4)
HOW = r"First run `lit-gan fit --config tfd_pretrain`, then pass `--model\.init_args\.generator\.init_args\.pretrained_"


def first_stage(**changes: object) -> MLPGenerator:
    return MLPGenerator(**({"image_shape": SHAPE, "latent_size": 6, "hidden": (7,), "weight_init": 1.0} | changes))


def stacked(checkpoint: Path | None = None, **changes: object) -> StackedGenerator:
    path = None if checkpoint is None else str(checkpoint)
    arguments = {"latent_size": 5, "hidden": (8,), "pretrained": first_stage(), "pretrained_checkpoint": path}
    return StackedGenerator(**(arguments | changes))


def save(path: Path, generator: nn.Module) -> Path:
    """A checkpoint as Lightning writes one for a GAN."""
    state = {f"generator.{key}": value for key, value in generator.state_dict().items()}
    torch.save({"state_dict": state | {"discriminator.output.bias": torch.zeros(1)}, "epoch": 3, "loops": {}}, path)
    return path


def no_means() -> Tensor:
    raise AssertionError("the pixel means were computed")


def test_the_new_layers_produce_the_latent_of_the_old_ones() -> None:
    generator = stacked()
    z = torch.randn(3, 5)
    latent = torch.sigmoid(generator.latent(torch.relu(generator.hidden[0](z))))
    torch.testing.assert_close(generator(z), generator.pretrained(latent))
    assert latent.shape == (3, 6)


def test_the_new_layers_can_be_normalised() -> None:
    generator = stacked(batch_norm=True, bias_init=(0.5, -2.0))
    z = torch.randn(9, 5)
    h = generator.hidden[0](z)
    h = (h - h.mean(0)) / (h.var(0, correction=0) + 1e-5).sqrt() + 0.5
    torch.testing.assert_close(generator(z), generator.pretrained(torch.sigmoid(generator.latent(torch.relu(h)))))


def test_has_the_papers_biases_and_the_old_ones_sizes() -> None:
    generator = stacked(pretrained=first_stage(output_activation="tanh"))
    assert generator.hidden[0].bias.unique().tolist() == [0.0]
    assert generator.latent.bias.unique().tolist() == [-2.0]
    assert (generator.latent_size, generator.image_shape, generator.condition_size) == (5, SHAPE, 0)
    assert generator.output_range == (-1.0, 1.0)


def test_all_of_it_trains() -> None:
    generator = stacked()
    generator(torch.randn(9, 5)).square().sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in generator.parameters())


def test_training_begins_with_the_pretrained_weights_and_does_not_ask_for_pixel_means(tmp_path: Path) -> None:
    old = first_stage(pixel_mean_bias=True)
    generator = stacked(save(tmp_path / "last.ckpt", old), pretrained=first_stage(pixel_mean_bias=True))
    new_layers = generator.hidden[0].weight.clone()
    generator.begin_training(no_means)
    torch.testing.assert_close(generator.pretrained.state_dict(), old.state_dict(), rtol=0, atol=0)
    assert torch.equal(generator.hidden[0].weight, new_layers)


def test_the_checkpoint_may_go_once_training_has_begun(tmp_path: Path) -> None:
    path = save(tmp_path / "last.ckpt", first_stage())
    generator = stacked(path)
    generator.begin_training(no_means)
    expected = generator(torch.ones(1, 5)).detach()
    path.write_bytes(b"")
    torch.testing.assert_close(generator(torch.ones(1, 5)).detach(), expected)


def test_a_trained_whole_is_loaded_without_the_file(tmp_path: Path) -> None:
    trained = stacked(tmp_path / "gone.ckpt")
    again = stacked(tmp_path / "gone.ckpt")
    again.load_state_dict(trained.state_dict())
    torch.testing.assert_close(again(torch.ones(1, 5)), trained(torch.ones(1, 5)))


def test_stacks_on_any_generator(tmp_path: Path) -> None:
    def conv() -> ConvGenerator:
        return ConvGenerator((1, 8, 8), 6, (6, 36), base_shape=(4, 3, 3), kernel_size=4, stride=2)

    generator = stacked(save(tmp_path / "last.ckpt", conv()), pretrained=conv())
    generator.begin_training(no_means)
    assert generator(torch.zeros(2, 5)).shape == (2, 1, 8, 8)


def test_a_conditional_pretrained_part_gets_the_condition_too() -> None:
    generator = stacked(condition_size=2, pretrained=first_stage(condition_size=2))
    condition = torch.eye(2)
    latent = torch.sigmoid(generator.latent(generator.hidden(torch.cat((torch.ones(2, 5), condition), dim=1))))
    torch.testing.assert_close(generator(torch.ones(2, 5), condition), generator.pretrained(latent, condition))


def test_says_how_to_get_a_checkpoint_where_there_is_none() -> None:
    with pytest.raises(UserError, match=rf"pretrained_checkpoint is not set: .*{HOW}"):
        stacked().begin_training(no_means)


def test_names_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=rf"pretrained_checkpoint = '.*gone\.ckpt' is not a file\. {HOW}"):
        stacked(tmp_path / "gone.ckpt").begin_training(no_means)


def test_names_a_folder(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is not a file"):
        stacked(tmp_path).begin_training(no_means)


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:500])


def text(path: Path) -> None:
    path.write_text("hello")


def empty(path: Path) -> None:
    path.write_bytes(b"")


def executable(path: Path) -> None:
    torch.save({"state_dict": {"generator.x": Path}, "hook": print}, path)


@pytest.mark.parametrize("damage", [truncated, text, empty, executable])
def test_names_a_file_that_cannot_be_read(tmp_path: Path, damage) -> None:
    path = save(tmp_path / "last.ckpt", first_stage())
    damage(path)
    with pytest.raises(UserError, match=rf"'.*last\.ckpt' cannot be read \(\w+\): it is damaged or no .*{HOW}"):
        stacked(path).begin_training(no_means)


def test_no_flipped_byte_of_the_index_escapes_as_another_error(tmp_path: Path) -> None:
    path = save(tmp_path / "last.ckpt", first_stage())
    whole = path.read_bytes()
    refused = 0
    for place in range(60, 1000, 7):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        try:
            stacked(path).begin_training(no_means)
        except UserError:
            refused += 1
    assert refused > 50


@pytest.mark.parametrize("content", [{"weights": 1}, [1, 2], {"state_dict": 3}])
def test_names_a_file_that_is_no_checkpoint(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "other.pt")
    with pytest.raises(UserError, match=rf"'.*other\.pt' has no state_dict: expected a checkpoint of a GAN\. {HOW}"):
        stacked(tmp_path / "other.pt").begin_training(no_means)


def test_names_a_checkpoint_without_a_generator(tmp_path: Path) -> None:
    torch.save({"state_dict": {"net.weight": torch.zeros(2)}}, tmp_path / "other.ckpt")
    with pytest.raises(UserError, match=rf"'.*other\.ckpt' has no weights called generator\.\*: .*{HOW}"):
        stacked(tmp_path / "other.ckpt").begin_training(no_means)


@pytest.mark.parametrize(
    ("saved", "message"),
    [
        (
            {"hidden": (9,)},
            r"generator\.hidden\.0\.weight has shape \(9, 6\) in the file and shape \(7, 6\) in the network",
        ),
        (
            {"hidden": ()},
            r"generator\.hidden\.0\.weight has no counterpart in the file and shape \(7, 6\) in the network",
        ),
        (
            {"hidden": (7, 7)},
            r"generator\.hidden\.3\.weight has shape \(7, 7\) in the file and no counterpart in the net",
        ),
    ],
)
def test_names_weights_that_do_not_fit(tmp_path: Path, saved: dict[str, object], message: str) -> None:
    generator = stacked(save(tmp_path / "last.ckpt", first_stage(**saved)))
    before = {key: value.clone() for key, value in generator.state_dict().items()}
    with pytest.raises(UserError, match=rf"'.*last\.ckpt' does not fit pretrained: {message}.*{HOW}"):
        generator.begin_training(no_means)
    torch.testing.assert_close(generator.state_dict(), before, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pretrained": nn.Linear(2, 2)}, "pretrained = Linear: expected a generator, a module with the attributes"),
        ({"pretrained": first_stage(condition_size=3)}, "condition_size = 0, but pretrained has condition_size = 3"),
        ({"latent_size": 0}, "latent_size = 0"),
        ({"hidden": (8, 8)}, "bias_init has 2 values, but there are 3 layers .*the new hidden layers and the latent's"),
        ({"weight_init": (0.1,)}, "weight_init has 1 values, but there are 2 layers"),
        ({"activations": ("relu", "relu")}, "activations has 2 values, but there are 1 layers"),
        ({"latent_activation": "step"}, "latent_activation = 'step': expected one of"),
        ({"dropout_keep": 0.0}, r"dropout_keep = 0\.0"),
        ({"max_norm": -2.0}, r"max_norm = -2\.0"),
        ({"condition_size": -1}, "condition_size = -1"),
    ],
)
def test_refuses_what_does_not_fit(change: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        stacked(**change)
