"""What D says of a minibatch: its loss, its logits, and the quantities that are read off them."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from lit_gan.functional.theory import jsd_lower_bound, value_function


class Verdict(NamedTuple):
    """D's logits on examples and on samples, and what they cost it.

    Args:
        loss: D's loss, a scalar.
        real_logits: On the examples, ``(N, 1)``.
        fake_logits: On the samples, ``(M, 1)``.
    """

    loss: Tensor
    real_logits: Tensor
    fake_logits: Tensor

    def quantities(self) -> dict[str, Tensor]:
        """V(D, G), the bound on the divergence, and D's mean probability on examples and on samples, by logged name.

        They have a meaning where the objective says that D's logits are log-odds.
        """
        value = value_function(self.real_logits, self.fake_logits)
        return {
            "value": value,
            "jsd_bound": jsd_lower_bound(value),
            "d_real": self.real_logits.sigmoid().mean(),
            "d_fake": self.fake_logits.sigmoid().mean(),
        }


def joined(verdicts: Sequence[tuple[float, Verdict]]) -> Verdict:
    """The verdicts on the pieces of a minibatch as one, cut off from the graph.

    Args:
        verdicts: Each piece's share of the rows, and the verdict on it.
    """
    return Verdict(
        loss=torch.stack([share * verdict.loss.detach() for share, verdict in verdicts]).sum(),
        real_logits=torch.cat([verdict.real_logits.detach() for _, verdict in verdicts]),
        fake_logits=torch.cat([verdict.fake_logits.detach() for _, verdict in verdicts]),
    )


def at_least_float32(logits: Tensor) -> Tensor:
    """Logits in float32 or better: losses are formed so, whatever the precision of the networks.

    Args:
        logits: Of any floating-point type.
    """
    return logits.float() if logits.dtype in (torch.float16, torch.bfloat16) else logits
