"""What completions are measured by, and what stands beside them: a mean image, the nearest training image."""

import warnings
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn.functional import mse_loss

from lit_gan.extensions.inpainting import InpaintingGAN
from lit_gan.extensions.masks import named_mask
from lit_gan.features.reference_classifier import ReferenceClassifier
from lit_gan.functional.display import to_display_range
from lit_gan.functional.matmul import exact_matmul
from lit_gan.functional.neighbours import nearest_rows
from lit_gan.metrics.parzen import ParzenNLL
from lit_gan.metrics.parzen_warnings import ParzenWarning
from lit_gan.randomness import stream

#: The masks that a test reports on, by their names.
REPORTED = ("pixels", "stripes", "border", "left-half", "top-half")
_ROWS = 1000  # images completed at once, times the completions of each


def completion_errors(gan: InpaintingGAN, train: Tensor, test: Tensor, mask: str, num: int) -> dict[str, float]:
    """Errors over the hidden part, in pixels of [0, 1], by name.

    Args:
        gan: What completes.
        train: Training images in data space, ``(M, C, H, W)``.
        test: Images to be completed, ``(N, C, H, W)``.
        mask: The name of a mask.
        num: Completions of each image.

    Returns:
        ``error``, the mean squared error of all completions, and ``error_best``, of the nearest of ``num``; ``spread``,
        the standard deviation over z of a hidden pixel, whose mean square is taken over pixels and images;
        ``error_mean_fill`` and ``error_nearest``: those of the mean training image, and of the training image whose
        visible part is the nearest.
    """
    visible = named_mask(mask, *test.shape[-2:]).flatten() > 0
    hidden = (~visible).repeat(test.shape[1])
    known, asked = (to_display_range(each, gan.value_range).flatten(1) for each in (train, test))
    squares, best, variance = [], [], []
    for rows, completed in _completions(gan, test, mask, num):
        wrong = (completed.flatten(2)[..., hidden].double() - asked[rows, None][..., hidden]).square().mean(2)
        squares.append(wrong.mean(1))
        best.append(wrong.amin(1))
        variance.append(completed.flatten(2)[..., hidden].double().var(dim=1, correction=0).mean(1))
    nearest = known[nearest_rows(asked[:, ~hidden], known[:, ~hidden])]
    wanted = asked[:, hidden].double()
    return {
        "error": float(torch.cat(squares).mean()),
        "error_best": float(torch.cat(best).mean()),
        "spread": float(torch.cat(variance).mean().sqrt()),
        "error_mean_fill": float(mse_loss(known.double().mean(0)[hidden].expand_as(wanted), wanted)),
        "error_nearest": float(mse_loss(nearest[:, hidden].double(), wanted)),
    }


def completion_likelihood(gan: InpaintingGAN, train: Tensor, val: Tensor, test: Tensor, mask: str) -> dict[str, float]:
    """Parzen scores, in nats: windows on completed training images, and on those completed by the two baselines.

    Where the hidden part is drawn from its conditional, completed images are distributed as the data are.

    Args:
        gan: What completes.
        train: Training images, of which one completion each is a centre.
        val: Images that choose sigma.
        test: Images that are scored.
        mask: The name of a mask.
    """
    shown, held, asked = (to_display_range(each, gan.value_range) for each in (train, val, test))
    visible = named_mask(mask, *train.shape[-2:]) > 0
    mean = shown.mean(0, keepdim=True)
    half = len(shown) // 2  # the nearest image of the other half: that of the same one is the image itself
    columns = visible.repeat(shown.shape[1], 1, 1).flatten()
    flat = shown.flatten(1)
    nearest = torch.cat(
        [
            there[nearest_rows(here[:, columns], there[:, columns])]
            for here, there in ((flat[:half], flat[half:]), (flat[half:], flat[:half]))
        ]
    ).view_as(shown)
    completed = torch.cat([each[:, 0] for _, each in _completions(gan, train, mask, 1)])
    centres = {
        "parzen_nll": completed,
        "parzen_nll_mean_fill": torch.where(visible, shown, mean),
        "parzen_nll_nearest": torch.where(visible, shown, nearest),
    }
    return {name: _nll(each, held, asked) for name, each in centres.items()}


def completion_classes(
    gan: InpaintingGAN, classifier: ReferenceClassifier, test: Tensor, labels: Tensor, mask: str, num: int
) -> dict[str, float]:
    """How a classifier reads completions.

    Args:
        gan: What completes.
        classifier: What reads.
        test: Images to be completed.
        labels: Their classes.
        mask: The name of a mask.
        num: Completions of each image.

    Returns:
        ``agreement``, how many completions are read as the class of their image; ``entropy``, in nats, of the classes
        that the completions of one image are read as: 0 where no z changes the class.
    """
    right, entropy = [], []
    for rows, completed in _completions(gan, test, mask, num):
        with exact_matmul(completed.device):
            read = classifier.probabilities(completed.flatten(0, 1)).argmax(1).view(len(completed), num)
        right.append((read == labels[rows, None]).double().mean(1))
        shares = torch.nn.functional.one_hot(read, classifier.num_classes).double().mean(1)
        entropy.append(torch.special.entr(shares).sum(1))
    return {"agreement": float(torch.cat(right).mean()), "entropy": float(torch.cat(entropy).mean())}


def _completions(gan: InpaintingGAN, x: Tensor, mask: str, num: int) -> Iterator[tuple[slice, Tensor]]:
    """The completions of some images at a time, ``(N, num, C, H, W)`` on the CPU: a function of the seed."""
    generator = stream(gan.seed, "completions", mask)
    each = max(_ROWS // num, 1)
    for start in range(0, len(x), each):
        rows = slice(start, start + each)
        yield rows, gan.complete(x[rows], named_mask(mask, *x.shape[-2:]), num, rng=generator).cpu()


def _nll(centres: Tensor, val: Tensor, test: Tensor) -> float:
    metric = ParzenNLL()
    metric.update(val.cpu(), real=True, split="val")
    metric.update(test.cpu(), real=True)
    metric.update(centres.cpu(), real=False)
    with warnings.catch_warnings():  # that centres are alike is what the baselines are there to show
        warnings.simplefilter("ignore", ParzenWarning)
        return float(metric.compute()["nll"])
