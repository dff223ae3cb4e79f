"""`lit-gan baselines`: what no model scores on a data set's protocol, and the classifier that samples are read with."""

import math
from collections.abc import Sequence
from typing import Any

from lightning.pytorch import LightningDataModule
from rich.progress import track

import lit_gan.data  # noqa: F401 -- short class names in YAML resolve among what is imported
from lit_gan.callbacks.generative_evaluation import GenerativeEvaluation
from lit_gan.callbacks.parzen_evaluation import ParzenEvaluation
from lit_gan.cli.parsing.as_typed import errors_as_typed
from lit_gan.cli.parsing.interpolation import interpolated
from lit_gan.cli.parsing.parser import Parser, ShippedConfigFile
from lit_gan.cli.parsing.unbuilt import construction_errors
from lit_gan.cli.real_images import show_real_images
from lit_gan.cli.trainer.command import parser_of
from lit_gan.data.base import InMemoryDataModule
from lit_gan.errors import UserError
from lit_gan.evaluation.baselines import baseline_centres, score_of
from lit_gan.evaluation.images import EvaluationImages, folds_of
from lit_gan.evaluation.kept_file import KEPT
from lit_gan.evaluation.reference_classifiers import kept_in, reference_classifier
from lit_gan.evaluation.sample_budget import budget_of_test
from lit_gan.evaluation.score_table import ScoreTable

_FEWEST_CLASSES = 2


def main(verb: str, arguments: list[str]) -> int:
    """Scores the baselines, and real images by every metric; shows and keeps it; trains the reference classifier."""
    parser = _parser(verb)
    with errors_as_typed(verb, arguments), interpolated(parser, arguments) as values:
        options = parser.parse_args(values)
    with construction_errors():
        built = parser.instantiate_classes(options)
    data, parzen = built.data, built.parzen
    if not isinstance(data, InMemoryDataModule):
        raise UserError(f"--data {type(data).__name__}: expected a data module of lit_gan.data.")
    data.prepare_data()
    if parzen.num_samples != 0:
        _score(data, folds_of(data), parzen)
    show_real_images(built.evaluation, data)
    print(f"lit-gan: kept in {KEPT}, for `lit-gan test` and the reports of runs")
    if data.num_classes >= _FEWEST_CLASSES:
        classifier = reference_classifier(data, say=print)
        accuracy = f"{classifier.test_accuracy:.2%} of {classifier.num_test:,} test images"
        print(f"lit-gan: the reference classifier reads {accuracy} rightly, kept in {kept_in(data)}")
    return 0


def _score(data: InMemoryDataModule, folds: Sequence[EvaluationImages], parzen: ParzenEvaluation) -> None:
    """By the Parzen protocol."""
    num = parzen.num_samples or budget_of_test(math.prod(data.image_shape)).num  # as many as a test draws
    sets = baseline_centres(folds[0].in_units(data.images("train")), num)
    scores = {name: score_of(centres, folds, parzen.sigma) for name, centres in track(sets.items(), "scoring")}
    table = ScoreTable.of(folds, parzen.sigma)
    table.keep(scores)
    table.show(list(scores))
    print(f"lit-gan: kept in {table.file}")


def show_beside(evaluation: ParzenEvaluation, name: str) -> None:
    """Shows the score of a test between those of the baselines and of other models on the same images, and keeps it."""
    if evaluation.score is None:
        return
    table = ScoreTable.of(evaluation.images("test"), evaluation.sigma)
    table.keep({name: evaluation.score})
    table.show(against=name)
    if "k-means centres" not in table.scores:
        print("`lit-gan baselines --config CONFIG` adds what k-means centres, the mean image and noise score.")


def _parser(verb: str) -> Parser:
    parser = Parser(prog=f"lit-gan {verb}", description=__doc__, parser_mode="yaml", allow_abbrev=False)
    parser.add_argument("-c", "--config", action=ShippedConfigFile)
    parser.add_lightning_class_args(LightningDataModule, "data", subclass_mode=True)
    parser.add_class_arguments(ParzenEvaluation, "parzen")
    parser.add_class_arguments(GenerativeEvaluation, "evaluation")
    of_a_training = vars(parser_of("fit")[0].get_defaults())
    for key in sorted(of_a_training.keys() - vars(parser.get_defaults()).keys()):
        parser.add_argument(f"--{key}", type=Any, help="Ignored: of a configuration, the data and the protocol count.")
    return parser
