"""The paper's two-stage TFD generator: new layers under a pre-trained generator, and the whole trains on."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from lit_gan.errors import UserError
from lit_gan.networks.activations import activation
from lit_gan.networks.arguments import whole_numbers
from lit_gan.networks.generator import Generator
from lit_gan.networks.initialization import WeightInit
from lit_gan.networks.layers import DenseLayer, DenseStack, initial_values
from lit_gan.networks.parameter_names import plain_name
from lit_gan.torch_files import load_whole

_PREFIX = "generator."
_HOW = (
    "First run `lit-gan fit --config tfd_pretrain`, then pass "
    "`--model.init_args.generator.init_args.pretrained_checkpoint PATH` with the checkpoint that it wrote."
)


class StackedGenerator(Generator):
    """New layers under a pre-trained generator, whose latent they now produce; all of it trains.

    ``G(z) = G_pretrained(a(W h(z) + b))``, h being the hidden layers and a the ``latent_activation``. The defaults are
    the paper's for the second stage of TFD (section 5). Building it, or loading a trained checkpoint of the whole,
    needs no file; a new training run does.

    Args:
        latent_size: Columns of the latents of the whole, at least 1.
        hidden: Units of each new hidden layer.
        activations: Activation function per new hidden layer, or one for all.
        latent_activation: Activation function of the layer that produces the pre-trained generator's latent.
        weight_init: How weights are drawn, per new hidden layer and the latent's (or one for all); a float r means
            U(-r, r).
        bias_init: What biases are filled with, per new hidden layer and the latent's (or one for all).
        dropout_keep: The share of outputs that dropout keeps, in (0, 1], per new hidden layer (or one for all).
        max_norm: The largest L2 norm of a new unit's incoming weights, or None; the pre-trained part has its own.
        condition_size: Columns of the condition that is appended to z (and given to the pre-trained part too if that is
            conditional); 0 for none.
        batch_norm: Whether each new hidden layer is normalised over the batch before its activation; scales begin at 1,
            shifts, which take the biases' place, at ``bias_init``.
        pretrained: A generator built with the arguments of the pre-trained one: any module with ``latent_size`` and
            ``image_shape``.
        pretrained_checkpoint: The GAN checkpoint with its weights (keys ``generator.*``), read when training starts.

    Raises:
        UserError: If an argument is out of its range or ``pretrained`` is no generator.

    Example:
        >>> import torch
        >>> from lit_gan.networks.mlp import MLPGenerator
        >>> first_stage = MLPGenerator((1, 8, 8), latent_size=10, hidden=(20,))
        >>> generator = StackedGenerator(hidden=(30,), pretrained=first_stage)
        >>> generator(torch.zeros(2, 100)).shape
        torch.Size([2, 1, 8, 8])
    """

    def __init__(
        self,
        latent_size: int = 100,
        hidden: Sequence[int] = (8000,),
        activations: str | Sequence[str] = ("relu",),
        latent_activation: str = "sigmoid",
        weight_init: float | WeightInit | Sequence[float | WeightInit] = 0.05,
        bias_init: float | Sequence[float] = (0.0, -2.0),
        dropout_keep: float | Sequence[float] = 1.0,
        max_norm: float | None = None,
        condition_size: int = 0,
        batch_norm: bool = False,
        *,
        pretrained: nn.Module,
        pretrained_checkpoint: str | None = None,
    ) -> None:
        if not (hasattr(pretrained, "latent_size") and hasattr(pretrained, "image_shape")):
            raise UserError(
                f"pretrained = {type(pretrained).__name__}: expected a generator, a module with the attributes "
                "latent_size and image_shape."
            )
        part: Any = pretrained
        super().__init__(part.image_shape, latent_size, condition_size, getattr(part, "output_range", None))
        self.pretrained_checkpoint = pretrained_checkpoint
        self._pretrained_is_conditional = _check_conditions(pretrained, self.condition_size)
        widths = whole_numbers("hidden", hidden)
        which = "the new hidden layers and the latent's"
        weights, biases = initial_values(weight_init, bias_init, len(widths) + 1, which)
        inputs = self.latent_size + self.condition_size
        self.hidden = DenseStack(
            inputs, widths, activations, weights[:-1], biases[:-1], dropout_keep, max_norm, batch_norm
        )
        self.latent = DenseLayer(self.hidden.out_features, int(part.latent_size), weights[-1], biases[-1], max_norm)
        self.latent_activation = activation("latent_activation", latent_activation)
        self.pretrained = pretrained

    def forward(self, z: Tensor, condition: Tensor | None = None) -> Tensor:
        """Map latents ``(N, latent_size)`` to images ``(N, C, H, W)``; see :class:`Generator`."""
        latent = self.latent_activation(self.latent(self.hidden(self.inputs(z, condition))))
        given = (latent, condition) if self._pretrained_is_conditional else (latent,)
        images: Tensor = self.pretrained(*given)
        return images

    def begin_training(self, pixel_means: Callable[[], Tensor]) -> None:
        """Load the pre-trained part's weights from ``pretrained_checkpoint``.

        Args:
            pixel_means: Not called: the output bias is the pre-trained one.

        Raises:
            UserError: If there is no checkpoint, or if it cannot be read or does not fit.
        """
        if self.pretrained_checkpoint is None:
            raise UserError(f"pretrained_checkpoint is not set: the second stage starts from the first. {_HOW}")
        path = Path(self.pretrained_checkpoint)
        weights = _generator_weights(path)
        _check_fit(path, weights, self.pretrained.state_dict())
        self.pretrained.load_state_dict(weights)


def _check_conditions(pretrained: nn.Module, condition_size: int) -> bool:
    inner = int(getattr(pretrained, "condition_size", 0))
    if inner not in (0, condition_size):
        raise UserError(
            f"condition_size = {condition_size}, but pretrained has condition_size = {inner}: make the two equal, or "
            "pretrained unconditional."
        )
    return inner > 0


def _generator_weights(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise UserError(f"pretrained_checkpoint = {str(path)!r} is not a file. {_HOW}")
    try:
        checkpoint: Any = load_whole(path, mmap=True)
    except Exception as error:  # a damaged pickle can raise anything
        raise UserError(
            f"pretrained_checkpoint = {str(path)!r} cannot be read ({type(error).__name__}): it is damaged or no "
            f"checkpoint of a GAN. {_HOW}"
        ) from error
    state = checkpoint.get("state_dict") if isinstance(checkpoint, dict) else None
    if not isinstance(state, dict):
        raise UserError(
            f"pretrained_checkpoint = {str(path)!r} has no state_dict: expected a checkpoint of a GAN. {_HOW}"
        )
    tensors = {plain_name(str(key)): value for key, value in state.items() if isinstance(value, Tensor)}
    weights = {key.removeprefix(_PREFIX): value for key, value in tensors.items() if key.startswith(_PREFIX)}
    if not weights:
        raise UserError(
            f"pretrained_checkpoint = {str(path)!r} has no weights called {_PREFIX}*: expected a checkpoint of a GAN. "
            f"{_HOW}"
        )
    return weights


def _check_fit(path: Path, weights: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    found = {key: tuple(value.shape) for key, value in weights.items()}
    wanted = {key: tuple(value.shape) for key, value in expected.items()}
    for key in [*wanted, *found]:
        if found.get(key) != wanted.get(key):
            raise UserError(
                f"pretrained_checkpoint = {str(path)!r} does not fit pretrained: {_PREFIX}{key} has "
                f"{_described(found.get(key))} in the file and {_described(wanted.get(key))} in the network; give "
                f"pretrained the arguments that it was pre-trained with. {_HOW}"
            )


def _described(shape: tuple[int, ...] | None) -> str:
    return "no counterpart" if shape is None else f"shape {shape}"
