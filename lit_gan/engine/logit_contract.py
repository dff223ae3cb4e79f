"""What D's logits have to be, and what an objective makes of them."""

from typing import Any

from torch import Tensor, nn

from lit_gan.engine.batches import described
from lit_gan.engine.extents import extent
from lit_gan.engine.look import Look
from lit_gan.engine.network_contract import NetworkContract
from lit_gan.engine.value_ranges import name_of
from lit_gan.errors import UserError


class LogitContract(NetworkContract):
    """Holds what D says to what objectives take."""

    kind = "logits"
    one_tensor = (
        "logits, a row for each example; where the network gives more, let the method discriminate of a subclass of "
        "the GAN bring it down to one, say by `torch.cat([each.flatten(1) for each in ...], dim=1)`"
    )
    given = "images"
    rows = "(N, 1), (N,) or a map (N, 1, h, w); look for a mean over the batch or a reshape that mixes rows"
    cut_off = "no gradient flows through, neither to its weights nor to G's:"

    def __init__(self, discriminator: nn.Module | None, look: Look) -> None:
        super().__init__(f"the discriminator ({name_of(discriminator)})", look)

    def hint(self, error: Exception) -> str:
        """The data's shape is not the network's."""
        if isinstance(error, RuntimeError):
            return (
                "; expected a network for such data: with image_shape among the arguments of its __init__, the command "
                "line tells it the data's"
            )
        return ""

    def check(self, logits: Any, rows: int) -> None:
        """What D must say."""
        self._check_form(logits, rows)
        if self._look.closely:
            self._check_gradient(logits)
            if self._look.split == "training" and extent(logits) is None:
                raise self._not_finite()


def check_loss(loss: Any, whose: str) -> None:
    """What an objective must give."""
    if not isinstance(loss, Tensor) or loss.numel() != 1:
        raise UserError(f"{whose} gives {described(loss)}: expected a scalar, as by .mean().")
