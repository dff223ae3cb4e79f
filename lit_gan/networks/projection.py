"""What the convolutional discriminators end in: a logit of 32 bits, and what the condition adds to it."""

import torch
from torch import Tensor

from lit_gan.networks.conditioning import condition_columns
from lit_gan.networks.discriminator import Discriminator
from lit_gan.networks.initialization import WeightInit
from lit_gan.networks.layers import DenseLayer


class ProjectionDiscriminator(Discriminator):
    r"""A discriminator whose features are of the image alone; its condition says which direction of them counts.

    .. math:: D(x, c) = w^T \phi(x) + b + (E c)^T \phi(x)

    The last layer is computed in 32 bits in 16-bit mixed precision, too: logits have more than three digits.

    Reference:
        Miyato and Koyama 2018, *cGANs with Projection Discriminator*, section 3.
    """

    embedding: DenseLayer | None

    def end_in(self, num_features: int, weight_init: WeightInit, *, bias: bool) -> None:
        """Builds the last layer, and the embedding of the condition."""
        self.output = DenseLayer(num_features, 1, weight_init, 0.0 if bias else None)
        self.embedding = None
        if self.condition_size:
            self.embedding = DenseLayer(self.condition_size, num_features, weight_init, bias_init=None)

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """Map images ``(N, C, S, S)`` to logits ``(N, 1)``; see :class:`Discriminator`."""
        columns = condition_columns(x.shape[0], condition, self.condition_size)
        features = self.features(x, condition)
        with torch.autocast(x.device.type, enabled=False):
            features = features.to(next(self.output.parameters()).dtype)
            logits: Tensor = self.output(features)
            if self.embedding is not None and columns is not None:
                logits = logits + (self.embedding(columns.to(features.dtype)) * features).sum(1, keepdim=True)
        return logits
