"""What an evaluation costs beside the training that it watches, by counted work: no clock moves a logged row."""

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from lit_gan.generative import GenerativeModule

#: Of the training's time, what its evaluation takes unless more is asked for.
SHARE = 0.1
_PROBE = 16  # images that are counted on
# An operation of an evaluation takes longer than one of a training, whose batches are small enough for a cache; and
# what is neither a product nor a convolution is not counted.
_SLOWER = 1.5


@torch.no_grad()
def work_of(call: Callable[[], Any]) -> int:
    """Floating-point operations of the products and convolutions in a call: the same on every machine."""
    with warnings.catch_warnings(), torch.compiler.set_stance("force_eager"), FlopCounterMode(display=False) as counter:
        warnings.simplefilter("ignore", UserWarning)  # that a compiled network's hooks may be called twice
        call()
    return int(counter.get_total_flops())


@dataclass(frozen=True)
class Work:
    """What one image costs, in operations; at least one for each of its values, which are moved about anyway."""

    trained: float
    sampled: float


def work_per_image(module: GenerativeModule) -> tuple[Work, Tensor]:
    """What a module's images cost, and the samples that it was counted on.

    A pass backwards costs what two forwards do. So an update of D takes a sample and three times two passes of D, one
    of G three passes of G and three of D.
    """
    found: list[Tensor] = []
    generated = work_of(lambda: found.append(module.sample_data(_PROBE, rng=0)))
    (samples,), condition = found, module.sample_condition(_PROBE)
    judge: Any = getattr(module, "discriminate", None)
    judged = generated if judge is None else work_of(lambda: judge(samples, condition))
    generator, discriminator = (max(work, samples.numel()) / _PROBE for work in (generated, judged))
    updates_of_d = max(int(getattr(module, "minibatches_per_round", 1)), 1)
    of_g = 3 * (generator + discriminator) / updates_of_d
    return Work(generator + 6 * discriminator + of_g, generator), samples


@dataclass
class Cadence:
    """When the next evaluation of a training is due: once its share of the work since the last one pays for it.

    Args:
        next: Images to be trained on before the next one; the first sees the real images, too.
        later: Before each after that.
        image: Operations of an evaluation that one image pays for.
        trained: Images trained on since the last one, over all ranks.
        knows_results: Whether what the metrics compute in the end is counted, too.
        in_all: Images trained on in the whole training, over all ranks.
    """

    next: float
    later: float
    image: float = 1.0
    trained: int = 0
    knows_results: bool = False
    in_all: int = 0

    @classmethod
    def of(cls, work: Work, sample: float, real: float, num: int, num_real: int) -> "Cadence":
        """The cadence at which ``num`` samples cost their share."""
        image = SHARE * work.trained / _SLOWER  # what one that is trained on pays for
        each = num * (work.sampled + sample) / image
        return cls(each + num_real * real / image, each, image)

    def add_trained(self, images: int) -> None:
        """So many more images were trained on."""
        self.trained += images
        self.in_all += images

    @property
    def is_paid_for_by_all(self) -> bool:
        """Whether the share of the whole training pays for one more, whatever was evaluated before."""
        return self.in_all >= self.next

    def begin(self) -> None:
        """An evaluation takes place."""
        self.next, self.trained = self.later, 0

    def add_results(self, work: int) -> None:
        """What the metrics computed from all images, in operations."""
        self.later += work / self.image
        self.next, self.knows_results = self.later, True

    def in_words(self, trained: int) -> str:
        """How often that is.

        Example:
            >>> Cadence(next=2000, later=900).in_words(trained=300)
            'at one validation in 3, first at the 7th'
            >>> Cadence(next=250, later=200).in_words(trained=300)
            'at each validation'
        """
        first, every = (max(math.ceil(need / max(trained, 1)), 1) for need in (self.next, self.later))
        often = "at each validation" if every == 1 else f"at one validation in {every:,}"
        return often if first == every == 1 else f"{often}, first at the {first:,}{_ending(first)}"


def _ending(number: int) -> str:
    teen = number % 100 in (11, 12, 13)
    return "th" if teen else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
