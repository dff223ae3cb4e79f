"""A mixture for p_z whose centres learn: they are weights of G, and move, average, resume and travel as these do."""

from typing import Any

import torch
from torch import Tensor, nn

from lit_gan.errors import UserError
from lit_gan.networks.arguments import whole_number
from lit_gan.networks.mlp import MLPGenerator


class MixtureMLPGenerator(MLPGenerator):
    r"""A multilayer perceptron on a mixture of normal distributions, whose centres learn with its weights.

    .. math:: G(\mu_k + \sigma \epsilon), \qquad k \sim U\{1, \dots, K\}, \quad \epsilon \sim N(0, I)

    Its latents are standard normal, as of :class:`lit_gan.latents.Normal`; which component a latent is of, its first
    number says: with :math:`u = \Phi(z_1)`, component :math:`k = \lceil K u \rceil` and
    :math:`\epsilon_1 = \Phi^{-1}(K u - k + 1)`, which are independent and distributed as above, while all other numbers
    are :math:`\epsilon`'s own. So one latent is always one image, the same on all devices. Centres begin uniform on
    [-1, 1]. A G without them has :class:`lit_gan.latents.Mixture`, whose centres stay where they are.

    Args:
        image_shape: ``(C, H, W)`` of the images.
        latent_size: Columns of the latents, at least 1.
        num_components: :math:`K`, at least 1.
        component_std: :math:`\sigma`, above 0. It does not learn: it would shrink to nothing unless that costs G.
        **kwargs: As for :class:`MLPGenerator`.

    Raises:
        UserError: If an argument is out of its range.

    Example:
        >>> generator = MixtureMLPGenerator((1, 8, 8), latent_size=4, num_components=3, hidden=(16,))
        >>> generator(torch.randn(2, 4)).shape, generator.centres.shape
        (torch.Size([2, 1, 8, 8]), torch.Size([3, 4]))

    Reference:
        Gurumurthy, Kiran Sarvadevabhatla and Venkatesh Babu 2017, *DeLiGAN: Generative Adversarial Networks for Diverse
        and Limited Data*, section 4: the start of the centres and their scale are theirs.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        latent_size: int = 100,
        num_components: int = 10,
        component_std: float = 0.2,
        **kwargs: Any,
    ) -> None:
        super().__init__(image_shape, latent_size, **kwargs)
        if not 0 < component_std < float("inf"):
            raise UserError(f"component_std = {component_std}: expected a positive number.")
        self.component_std = component_std
        self.centres = nn.Parameter(
            torch.rand(whole_number("num_components", num_components), self.latent_size) * 2 - 1
        )

    def components(self, z: Tensor) -> tuple[Tensor, Tensor]:
        r"""What a latent says: its component, and where it lies around that.

        Args:
            z: ``(N, latent_size)``.

        Returns:
            :math:`k - 1`, ``(N,)``, and :math:`\epsilon`, ``(N, latent_size)``.
        """
        num = len(self.centres)
        place = num * torch.special.ndtr(z[:, :1].to(torch.promote_types(z.dtype, torch.float32)))
        component = place.floor().clamp(0, num - 1)
        end = torch.finfo(place.dtype).eps  # there the quantile is infinite
        first = torch.special.ndtri((place - component).clamp(end, 1 - end))
        return component[:, 0].long(), torch.cat([first.to(z.dtype), z[:, 1:]], dim=1)

    def inputs(self, z: Tensor, condition: Tensor | None) -> Tensor:
        """The mixture's latents with the condition's columns after their own; see :class:`Generator`."""
        columns = super().inputs(z, condition)
        component, noise = self.components(z)
        mixed = self.centres[component] + self.component_std * noise
        return torch.cat([mixed.to(columns.dtype), columns[:, self.latent_size :]], dim=1)
