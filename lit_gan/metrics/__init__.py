"""The torchmetrics shells of the functional core."""

from lit_gan.metrics.conditional_parzen import ConditionalParzenNLL as ConditionalParzenNLL
from lit_gan.metrics.frechet_distance import FrechetDistance as FrechetDistance
from lit_gan.metrics.memorization import Memorization as Memorization
from lit_gan.metrics.modes_covered import ModesCovered as ModesCovered
from lit_gan.metrics.parzen import ParzenNLL as ParzenNLL
from lit_gan.metrics.parzen_warnings import ParzenWarning as ParzenWarning
from lit_gan.metrics.precision_recall import PrecisionRecall as PrecisionRecall
from lit_gan.metrics.sample_classes import SampleClasses as SampleClasses
