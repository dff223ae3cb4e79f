"""The fourth extension of the paper: few labels, and what the discriminator learns without any, in one classifier."""

from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from lit_gan.data.base import InMemoryDataModule
from lit_gan.engine.batches import described, labels_of
from lit_gan.engine.evaluation_mode import evaluating
from lit_gan.engine.jsonargparse_seam import default_instance
from lit_gan.engine.lightning_seam import log_number, round_is_logged
from lit_gan.engine.turn import Turn, at_least_float32
from lit_gan.errors import UserError
from lit_gan.extensions.few_labels import LabelledExamples, check_num_labels, labelled_examples, labelled_places
from lit_gan.functional.arrays import widest_float
from lit_gan.gan import GAN
from lit_gan.metrics.exact_mean import ExactMean
from lit_gan.networks.parameter_names import plain_name
from lit_gan.objectives import FeatureMatching, Objective

_FEATURE_MATCHING: Objective = default_instance(FeatureMatching)
_IMAGES_PER_FORWARD = 1000


class SemiSupervisedGAN(GAN):
    r"""A GAN whose discriminator is a classifier: a few examples have labels, all others and the samples teach it more.

    D has a logit :math:`\ell_c` for each class; with :math:`Z(x) = \log \sum_c e^{\ell_c(x)}` an image is an example
    with the probability :math:`D(x) = \mathrm{sigmoid}(Z(x))`, and then of class c with that of a softmax. D descends

    .. math:: L_D = \lambda\, E_{(x, y)}[Z(x) - \ell_y(x)]
              - \tfrac12 E_x[\log D(x)] - \tfrac12 E_z[\log(1 - D(G(z)))]

    the first term over the labelled examples, a minibatch as large as the others in each turn. G matches D's features
    (:class:`lit_gan.objectives.FeatureMatching`); any other objective will do.

    Which examples have labels is drawn once, by a seed of its own, each class with its equal share; no other label of
    the training data is ever read. ``val/error`` and ``test/error`` are the share of held-out images that D puts into a
    wrong class, with its average weights where :class:`lit_gan.callbacks.DiscriminatorEMA` keeps them.

    Args:
        generator: G, from latents to data.
        discriminator: D, from data to logits ``(N, num_classes)``, with a method ``features`` where these are matched;
            the published one is :class:`lit_gan.networks.NoisyMLPDiscriminator`.
        num_classes: How many classes the labels name.
        num_labels: How many training examples have a label.
        label_seed: Of the draw of these; the run's own seed has no say in it.
        label_weight: :math:`\lambda`, at least 0.
        labelled: The labelled examples themselves, images in data space and their classes ``(n,)``; ``None`` draws them
            from the training images of the run's data module.
        objective: What each player minimises; by default, and where it is ``None``, ``FeatureMatching``.
        **kwargs: As for :class:`lit_gan.GAN`.

    Raises:
        UserError: If there are no labels, fewer than classes, or not enough of a class; or D has another number of
            logits.

    Example:
        >>> from lit_gan.networks import MLPGenerator, NoisyMLPDiscriminator
        >>> gan = SemiSupervisedGAN(MLPGenerator((1, 8, 8)), NoisyMLPDiscriminator((1, 8, 8)), 10, num_labels=30)
        >>> gan.classify(torch.rand(3, 1, 8, 8)).shape
        torch.Size([3, 10])

    Reference:
        Goodfellow et al. 2014, section 7, extension 4; Salimans et al. 2016, *Improved Techniques for Training GANs*,
        section 5.
    """

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        num_classes: int,
        num_labels: int = 100,
        label_seed: int = 0,
        label_weight: float = 1.0,
        labelled: tuple[Tensor, Tensor] | None = None,
        objective: Objective | None = _FEATURE_MATCHING,
        **kwargs: Any,
    ) -> None:
        chosen = objective if objective and objective is not _FEATURE_MATCHING else FeatureMatching()
        super().__init__(generator, discriminator, objective=chosen, **kwargs)
        if num_classes < 2:
            raise UserError(f"num_classes = {num_classes}: expected data with labels of at least 2 classes.")
        if not 0 <= label_weight < float("inf"):
            raise UserError(f"label_weight = {label_weight}: expected 0 or more.")
        if (has := getattr(discriminator, "num_classes", num_classes)) != num_classes:
            raise UserError(
                f"the discriminator's num_classes = {has} but the data have {num_classes} classes: expected the same "
                f"number, as by --model.init_args.discriminator.init_args.num_classes {num_classes}."
            )
        self.num_classes = num_classes
        self.num_labels = len(labelled[1]) if labelled else num_labels
        check_num_labels(self.num_labels, num_classes)
        self.label_seed = label_seed
        self.label_weight = label_weight
        self._given, self._labelled = labelled, LabelledExamples(*(labelled or (torch.empty(0), torch.empty(0))))
        #: An average of D's weights by parameter name, where a callback keeps one; never trained on.
        self.discriminator_average: dict[str, Tensor] | None = None
        self._errors: dict[tuple[str, int], ExactMean] = {}

    # -- What a subclass of GAN overrides ---------------------------------------------------------------------------

    def discriminate(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """The log-odds that ``x`` are examples of any class, ``(N, 1)``."""
        return self._class_logits(x).logsumexp(1, keepdim=True)

    def auxiliary_loss(self, turn: Turn) -> Tensor | None:
        """The cross-entropy of as many labelled examples as D's turn has others, augmented as they are."""
        if turn.player != "discriminator":
            return None
        x, labels = self._labelled_minibatch(turn)
        if self.augment is not None and turn.rng is not None:
            x = self._changed(x, partial(self._contracts.augmented, self.augment, turn.rng), turn.changed)
        error = F.cross_entropy(self._class_logits(x), labels)
        if round_is_logged(self.trainer, self.global_step):
            log_number(self, "train/label_loss", error, sync_dist=True)
        return self.label_weight * error

    def _class_logits(self, x: Tensor) -> Tensor:
        logits = self.discriminator(x)
        if not isinstance(logits, Tensor) or tuple(logits.shape) != (len(x), self.num_classes):
            raise UserError(
                f"the discriminator ({type(self.discriminator).__name__}) gives {described(logits)} for {len(x)} "
                f"images: expected a logit for each class, (N, num_classes) = ({len(x)}, {self.num_classes})."
            )
        return at_least_float32(logits)

    def _labelled_minibatch(self, turn: Turn) -> LabelledExamples:
        """By the place in an endless list that all turns of all ranks go through together."""
        in_all = turn.rows_in_all or len(turn.x)
        turns = self.global_step * self.coordination.max_discriminator_steps + turn.number
        first = (turns * self.trainer.world_size + self.global_rank) * in_all + (turn.rows.start if turn.rows else 0)
        rows = labelled_places(len(self._labelled.labels), first, len(turn.x), self.seed).to(turn.x.device)
        return LabelledExamples(self._labelled.images[rows], self._labelled.labels[rows])

    # -- The classifier ---------------------------------------------------------------------------------------------

    @torch.no_grad()
    def classify(self, x: Tensor) -> Tensor:
        """The probability of each class, by D in evaluation mode, with its average weights where there are any.

        Args:
            x: ``(N, C, H, W)`` in data space, on any device.

        Returns:
            A tensor ``(N, num_classes)`` whose rows add up to 1.
        """
        with evaluating(self.device, self.discriminator):
            pieces = torch.split(x.to(self.device, self._float_dtype), _IMAGES_PER_FORWARD)
            return torch.cat([self._shown_logits(piece).softmax(1) for piece in pieces])

    def _shown_logits(self, x: Tensor) -> Tensor:
        if self.discriminator_average is None:
            return self._class_logits(x)
        paths = {plain_name(path): path for path, _ in self.discriminator.named_parameters()}
        average = {paths[name]: value.to(x) for name, value in self.discriminator_average.items()}
        logits: Tensor = functional_call(self.discriminator, average, (x,))
        return at_least_float32(logits)

    def _evaluate(self, split: str, batch: Any, batch_idx: int, dataloader_idx: int) -> None:
        super()._evaluate(split, batch, batch_idx, dataloader_idx)
        key = split, dataloader_idx
        if batch_idx == 0 or key not in self._errors:
            self._errors[key] = ExactMean(dtype=widest_float(self.device)).to(self.device)
        own = slice(self._passes[key].taken)
        x, labels = self.split_batch(batch)[0][own], labels_of(batch)[own]
        if len(x):
            wrong = self.classify(x).argmax(1) != labels.to(self.device)
            self._errors[key].update(wrong.to(self._errors[key].sums).mean(), rows=len(x))
        log_number(self, f"{split}/error", self._errors[key], metric_attribute="error", prog_bar=True)

    # -- The run ----------------------------------------------------------------------------------------------------

    def on_fit_start(self) -> None:
        """Draws the labelled examples, the same on all ranks and after a resume."""
        asked = self.num_labels, self.num_classes, self.label_seed
        images, labels = self._given or labelled_examples(getattr(self.trainer, "datamodule", None), *asked)
        self._labelled = LabelledExamples(images.to(self.device, self._float_dtype), labels.to(self.device))
        super().on_fit_start()

    def _training_images(self, num: int) -> Tensor:
        """Without a data module in memory the labelled images have to do."""
        if isinstance(getattr(self.trainer, "datamodule", None), InMemoryDataModule):
            return super()._training_images(num)
        return self._labelled.images[:num]

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Adds the average of D."""
        super().on_save_checkpoint(checkpoint)
        checkpoint["lit_gan"]["discriminator_average"] = self.discriminator_average

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Takes back the average of D."""
        super().on_load_checkpoint(checkpoint)
        self.discriminator_average = checkpoint.get("lit_gan", {}).get("discriminator_average")
