"""How many samples an evaluation draws where nobody has said it: what the data can use and the training can pay."""

from dataclasses import dataclass

#: What section 5 of the paper draws.
PAPER_SAMPLES = 10_000
# The error of a score is that of its held-out images, which more windows do not lessen.
_PER_HELD_OUT_IMAGE = 10
#: Samples that an image pays for which is trained on. It costs D and G about twelve passes, a sample one, which takes
#: longer (its batches are too large for a cache) and is scored. So many take a tenth of the time.
PER_TRAINED_IMAGE = 2 / 3
# And it costs each pixel at the least some 20,000 multiplications, a pair of a sample and a held-out image one.
_PAIRS_PER_TRAINED_IMAGE = 2000
_TEST_BYTES = 2 * 2**30  # float32, on disk


@dataclass(frozen=True)
class SampleBudget:
    """A number of samples, and what it comes from.

    Args:
        num: The number.
        reason: In words that complete "N samples (...)".
    """

    num: int
    reason: str


def budget_of_validation(held_out: int, trained: int, each: float = PER_TRAINED_IMAGE) -> SampleBudget:
    """What each validation of a run draws: a function of the data and of the rounds, and of no clock.

    Example:
        >>> budget_of_validation(held_out=60, trained=480)
        SampleBudget(num=300, reason='5 for each of 60 held-out images')
        >>> budget_of_validation(held_out=10_000, trained=50_000).num
        10000
    """
    pairs = _PAIRS_PER_TRAINED_IMAGE * trained // max(held_out, 1)
    affordable = min(int(each * trained), pairs) if trained else PAPER_SAMPLES
    useful = _PER_HELD_OUT_IMAGE * held_out
    if min(affordable, useful) >= PAPER_SAMPLES:
        return SampleBudget(PAPER_SAMPLES, "as in the paper")
    if held_out and affordable >= held_out:
        each = min(affordable, useful) // held_out
        return SampleBudget(each * held_out, f"{each} for each of {held_out:,} held-out images")
    return SampleBudget(
        max(min(affordable, useful), 1), f"by the {trained:,} images that are trained on between validations"
    )


def budget_of_test(num_values: int) -> SampleBudget:
    """What a test draws, which is made once: as many as the paper, as far as they have room.

    Example:
        >>> budget_of_test(28 * 28).num, budget_of_test(3 * 256 * 256).num
        (10000, 2730)
    """
    room = max(_TEST_BYTES // (4 * max(num_values, 1)), 1)
    if room >= PAPER_SAMPLES:
        return SampleBudget(PAPER_SAMPLES, "as in the paper")
    return SampleBudget(room, "2 GiB of them")
