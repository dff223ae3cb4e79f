"""Every figure that applies to a run, and why another one does not."""

from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass, field
from pathlib import Path

import torch
from lightning.pytorch import LightningDataModule
from torch import Tensor

from lit_gan.augmentation import Augmentation
from lit_gan.data.base import InMemoryDataModule
from lit_gan.data.mixtures import GaussianMixture
from lit_gan.data.no_data import NoData
from lit_gan.errors import UserError
from lit_gan.evaluation.known_game import known_game
from lit_gan.figures.copies import memorization_figure
from lit_gan.figures.film import FilmFormat, numbered
from lit_gan.figures.game import game_figure
from lit_gan.figures.game_frames import read_game_frames
from lit_gan.figures.game_panels import panels_of
from lit_gan.figures.neighbours import nearest_examples, training_batches
from lit_gan.figures.plane import plane_figure
from lit_gan.figures.put_together import film_of
from lit_gan.figures.row_labels import class_labels
from lit_gan.figures.tiles import augmentation_figure, check_channels, nearest_figure, walks_figure
from lit_gan.figures.walks import walks
from lit_gan.figures.writing import drawn_plainly, write_figure
from lit_gan.functional.display import to_display_range
from lit_gan.gan import GAN
from lit_gan.generative import GenerativeModule
from lit_gan.randomness import stream

_POINTS = 2000  # drawn of a plane


@dataclass(frozen=True)
class FigureOptions:
    """How figures are drawn.

    Attributes:
        rows: Rows of figures 2 and 3, and of the pairs of ``memorization``.
        columns: Samples in a row of figure 2; half as many pairs.
        steps: Images in a row of figure 3.
        formats: Of ``lit_gan.figures.writing.FORMATS``.
        film: The film's format.
        seconds: How long the film takes.

    Example:
        >>> FigureOptions(formats=("svg",), film="webp").rows
        6
    """

    rows: int = 6
    columns: int = 8
    steps: int = 10
    formats: Sequence[str] = ("png", "pdf")
    film: FilmFormat = "gif"
    seconds: float = 8.0


@dataclass
class Drawn:
    """What came of it.

    Attributes:
        files: What was written, by the figure's name: ``figure-1``, ``figure-2``, ``figure-3``, ``augmentation``,
            ``film``, ``memorization``, ``plane``.
        left_out: The figures that do not apply, each with why, in words.
    """

    files: dict[str, list[Path]] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)

    @property
    def paths(self) -> list[Path]:
        """All files, in the order of the figures."""
        return [path for files in self.files.values() for path in files]


def draw_figures(
    module: GenerativeModule,
    data: LightningDataModule | str,
    run: Path,
    out: Path,
    options: FigureOptions | None = None,
) -> Drawn:
    """Draws every figure that applies to a run.

    - ``figure-1``: the game on a known density, of one dimension; ``plane``: the points of two;
    - ``figure-2``: samples, with the nearest training example beside the last one of each row;
    - ``figure-3``: walks between latents;
    - ``memorization``: the samples that look the most like copies, each beside its nearest training example;
    - ``augmentation``: what D sees of examples and of samples, where something changes them;
    - ``film``: the training, of its ``TrainingFilm``, else of its grids of samples.

    Samples and walks are functions of the run's seed alone: nothing is picked. Nothing is drawn at random beside them,
    so that the same run has the same files.

    Args:
        module: The trained module; those on whose data the density is known have their weights changed.
        data: Its data, or why there are none, in words.
        run: The run folder: its ``film/`` and its ``samples/`` are read.
        out: Where the files go.
        options: How they are drawn.

    Returns:
        The files, and what does not apply.

    Raises:
        UserError: If the module's samples are neither pictures nor points.

    Example:
        >>> import tempfile
        >>> from lit_gan import GAN
        >>> from lit_gan.data import DigitsDataModule
        >>> from lit_gan.networks import MaxoutDiscriminator, MLPGenerator
        >>> gan = GAN(MLPGenerator((1, 8, 8), latent_size=4, hidden=(16,)), MaxoutDiscriminator((1, 8, 8), hidden=(8,)))
        >>> few = FigureOptions(rows=1, columns=2, steps=3, formats=("png",))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     drawn = draw_figures(gan, "they were not loaded", Path(folder), Path(folder), few)
        ...     [path.name for path in drawn.paths]
        ['figure-3.png']
    """
    options = FigureOptions() if options is None else options
    drawn = Drawn()
    shape = tuple(module.sample(1, rng=0).shape[1:])
    with drawn_plainly():
        if shape[:2] == (1, 1):  # points, as of a ToyDataModule
            _draw_points(drawn, module, data, run, out, options, shape[2])
        else:
            _draw_pictures(drawn, module, data, out, options)
    _draw_film(drawn, run, out, options)
    return drawn


def _draw_pictures(
    drawn: Drawn, module: GenerativeModule, data: LightningDataModule | str, out: Path, options: FigureOptions
) -> None:
    drawn.left_out["figure-1"] = "it is of a game on a known density of one dimension (lit-gan fit --config toy)"
    if isinstance(data, str | NoData):
        drawn.left_out["figure-2"] = data if isinstance(data, str) else "the run has no training examples (NoData)"
    else:
        samples, nearest, condition = samples_and_nearest(module, data, options.rows, options.columns)
        labels = class_labels(module, condition)
        said = f"{len(samples)} draws of seed {module.seed}, none selected; nearest by Euclidean distance of pixels"
        figure = nearest_figure(samples, nearest, options.columns, said, labels)
        drawn.files["figure-2"] = write_figure(figure, out, "figure-2", options.formats)
        if isinstance(module, GAN) and module.augment is not None:
            images, said = as_d_sees_them(module, module.augment, data, options)
            figure = augmentation_figure(images, options.columns, said)
            drawn.files["augmentation"] = write_figure(figure, out, "augmentation", options.formats)
    condition = module.sample_condition(options.rows)
    images = walks(module, options.rows, options.steps, condition).cpu()
    check_channels(images)
    classes = class_labels(module, condition)
    each = None if classes is None else [name for name in classes for _ in range(options.steps)]
    said = f"between random latents of seed {module.seed}, none selected"
    figure = walks_figure(images, options.steps, said, each)
    drawn.files["figure-3"] = write_figure(figure, out, "figure-3", options.formats)
    if not isinstance(data, str | NoData):
        figure = memorization_figure(module, data, options.rows, max(options.columns // 2, 1))
        drawn.files["memorization"] = write_figure(figure, out, "memorization", options.formats)


def as_d_sees_them(
    module: GAN, augment: Augmentation, data: LightningDataModule, options: FigureOptions
) -> tuple[Tensor, str]:
    """Examples, then samples, one to a row: each as it is, then by several draws of the augmentation.

    As strong as it ever gets: a probability that is scheduled, or adapts, is 1.

    Args:
        module: Whose samples.
        augment: Its augmentation.
        data: Whose training examples.
        options: How many rows there are, and images in each.

    Returns:
        The images in [0, 1], ``(rows * columns, C, H, W)``, and how they were drawn, in words.
    """
    num_examples = (options.rows + 1) // 2
    images = next(training_batches(module, data))[:num_examples].cpu()
    if num := options.rows - len(images):
        condition = module.sample_condition(num)
        samples = module.sample_data(num, rng=stream(module.seed, "figure 2"), condition=condition).cpu()
        images = torch.cat([images.to(samples), samples])
    rng = stream(module.seed, "figure of the augmentation")
    strongest = copy(augment)
    strongest.begin_round(0)
    said = f"by {type(augment).__name__}, draws of seed {module.seed}"
    if hasattr(strongest, "probability_now"):
        strongest.probability_now = 1.0
        said += ", each change with probability 1"
    if module.value_range is not None:
        strongest.begin_training(module.value_range)
    seen = [images, *(strongest(images, rng) for _ in range(options.columns - 1))]
    return to_display_range(torch.stack(seen, dim=1).flatten(0, 1), module.value_range), said


def samples_and_nearest(
    module: GenerativeModule, data: LightningDataModule, rows: int, columns: int
) -> tuple[Tensor, Tensor, Tensor | None]:
    """What the paper's figure 2 shows, in [0, 1] and by the same scale.

    Args:
        module: Whose samples.
        data: Whose training examples.
        rows: How many rows.
        columns: Samples in each.

    Returns:
        The samples ``(rows * columns, C, H, W)``, the nearest example of the last one of each row, and the conditions
        that the samples were drawn under, where there are any.

    Example:
        >>> from lit_gan import GAN
        >>> from lit_gan.data import DigitsDataModule
        >>> from lit_gan.networks import MaxoutDiscriminator, MLPGenerator
        >>> gan = GAN(MLPGenerator((1, 8, 8), latent_size=4, hidden=(16,)), MaxoutDiscriminator((1, 8, 8), hidden=(8,)))
        >>> samples, nearest, _ = samples_and_nearest(gan, DigitsDataModule(), rows=2, columns=3)
        >>> samples.shape, nearest.shape
        (torch.Size([6, 1, 8, 8]), torch.Size([2, 1, 8, 8]))
    """
    num = rows * columns
    condition = module.sample_condition(num)
    samples = module.sample_data(num, rng=stream(module.seed, "figure 2"), condition=condition).cpu()
    check_channels(samples)
    last = samples[columns - 1 :: columns]
    nearest = nearest_examples(last, training_batches(module, data))
    shown = to_display_range(torch.cat([samples, nearest.to(samples.dtype)]), module.value_range)
    return shown[:num], shown[num:], condition


def _draw_points(
    drawn: Drawn,
    module: GenerativeModule,
    data: LightningDataModule | str,
    run: Path,
    out: Path,
    options: FigureOptions,
    num_dims: int,
) -> None:
    for name in ("figure-2", "figure-3"):
        drawn.left_out[name] = "the samples are points, not pictures"
    mixture = getattr(data, "mixture", None)
    if isinstance(data, str) or not isinstance(mixture, GaussianMixture):
        drawn.left_out["figure-1"] = data if isinstance(data, str) else "the data have no density that is known"
    elif num_dims == 1:
        _draw_game(drawn, module, mixture, run, out, options)
    else:
        drawn.left_out["figure-1"] = f"it is of one dimension, and the data have {num_dims}"
        if num_dims == 2 and isinstance(data, InMemoryDataModule):
            points = module.sample_data(_POINTS, rng=stream(module.seed, "figure 2")).cpu().flatten(1)
            figure = plane_figure(points, data.images("train", _POINTS).flatten(1), mixture)
            drawn.files["plane"] = write_figure(figure, out, "plane", options.formats)


def _draw_game(
    drawn: Drawn, module: GenerativeModule, mixture: GaussianMixture, run: Path, out: Path, options: FigureOptions
) -> None:
    if not isinstance(module, GAN):
        drawn.left_out["figure-1"] = f"{type(module).__name__} has no D"
        return
    frames = read_game_frames(run / "film")
    try:
        panels = panels_of(frames, module, mixture) if frames else [("at the end", known_game(module, mixture))]
    except UserError as error:  # a D that says no probabilities
        drawn.left_out["figure-1"] = str(error).rstrip(".")
        return
    drawn.files["figure-1"] = write_figure(game_figure(panels), out, "figure-1", options.formats)


def _draw_film(drawn: Drawn, run: Path, out: Path, options: FigureOptions) -> None:
    target = out / f"film.{options.film}"
    for folder, stem in _film_folders(run):
        if film_of(folder, target, options.seconds, stem):
            drawn.files["film"] = [target]
            return
    drawn.left_out["film"] = (
        "there are not two pictures in film/ or samples/: train with "
        "--trainer.callbacks+=lit_gan.callbacks.TrainingFilm, or with --sample_grid.every_n_rounds"
    )


def _film_folders(run: Path) -> Iterator[tuple[Path, str]]:
    """Where there may be pictures of the training; those that were taken as a film come first."""
    yield run / "film", "frame"
    if numbered(run / "samples", "round", ".png"):
        yield run / "samples", "round"
