"""A film of a training: what G makes of the same latents, as it learns."""

import warnings
from pathlib import Path

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities import rank_zero_only

from lit_gan.callbacks.pictures import CHANNELS, folder_for, grid_image, save_picture
from lit_gan.data.mixtures import GaussianMixture
from lit_gan.errors import UserError
from lit_gan.figures.film import FilmFormat, Frames, check_film_format, stride_at
from lit_gan.figures.game_frames import SUFFIX, write_game_frame
from lit_gan.figures.put_together import film_of
from lit_gan.figures.row_labels import class_labels
from lit_gan.figures.writing import write_file
from lit_gan.gan import GAN
from lit_gan.generative import GenerativeModule
from lit_gan.loggers.lightnings import folder_of_training
from lit_gan.randomness import stream


class TrainingFilm(Callback):
    """Films a training: the samples of the same latents over time, in ``film/training.gif``, or as WebP.

    The latents are those of the grids of samples, a function of the run's seed alone. Pictures are files in the film's
    folder, the first one before the first round; when there would be more than ``max_frames``, every second one is
    removed and from then on every second one taken. So they lie evenly in the training however long it is, there are
    never more, and which there are is a function of the rounds: a run that was stopped or killed goes on with the film
    that it would have had. The film is put together when training ends; before that, and for a run that was
    stopped, by ``lit-gan figures RUN``. The round stands below each picture.

    Of a GAN on one-dimensional data whose density is known (``lit-gan fit --config toy``) it films the game instead:
    both densities, D, and the mapping of the latent line, as in the paper's figure 1.

    It is drawn on rank 0 alone. A module that cannot ``sample``, and images that are neither grey nor in colour, are
    left alone.

    Args:
        every_n_rounds: Rounds between pictures at first.
        num_samples: Images in a picture.
        columns: Images in a row.
        max_frames: Pictures at most, besides the one of the end.
        seconds: How long the film takes.
        format: ``gif`` or ``webp``; WebP is smaller, and loses nothing of colours.
        folder: Where pictures and film are. If ``None``: ``film/`` in the run folder; with a Trainer of one's own in
            the folder of its first logger (without one in ``default_root_dir``), or ``film-2/``, ... where an earlier
            training has left its film there.

    Raises:
        UserError: If a number is out of its range, or there is no such format.

    Example:
        ``--trainer.callbacks+=lit_gan.callbacks.TrainingFilm`` on the command line; in Python, with any Trainer,

        >>> film = TrainingFilm(every_n_rounds=50, max_frames=60)
    """

    def __init__(
        self,
        every_n_rounds: int = 10,
        num_samples: int = 36,
        columns: int = 6,
        max_frames: int = 100,
        seconds: float = 8.0,
        format: FilmFormat = "gif",  # noqa: A002 -- the option's name
        folder: str | None = None,
    ) -> None:
        limits = {"every_n_rounds": (every_n_rounds, 1), "num_samples": (num_samples, 1), "columns": (columns, 1),
                  "max_frames": (max_frames, 2)}  # fmt: skip
        for name, (value, least) in limits.items():
            if value < least:
                raise UserError(f"TrainingFilm: {name} = {value}: expected at least {least}.")
        if not 0 < seconds < float("inf"):
            raise UserError(f"TrainingFilm: seconds = {seconds}: expected a number above 0.")
        check_film_format("TrainingFilm: format", format)
        self.every_n_rounds = every_n_rounds
        self.num_samples = num_samples
        self.columns = columns
        self.max_frames = max_frames
        self.seconds = seconds
        self.format: FilmFormat = format
        self.folder = folder
        self._frames: Frames | None = None  # of the present training

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Chooses the folder, on all ranks, and takes the first picture of a training that begins."""
        log_dir = folder_of_training(trainer) if self.folder is None else None
        folder = folder_for(self.folder, trainer, log_dir, "film", "frame-*")
        game = isinstance(pl_module, GAN) and _mixture(trainer) is not None
        self._frames = Frames(folder, SUFFIX if game else ".png")
        if trainer.is_global_zero:
            self._frames.forget_after(trainer.global_step or -1)
            self._frames.thin(self._stride(trainer.global_step))  # the end of a shorter training
        if trainer.global_step == 0:
            self._take(trainer, pl_module)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: object, batch: object, batch_idx: int
    ) -> None:
        """A picture where one is due; fewer of them where there would be too many."""
        rounds = trainer.global_step
        stride = self._stride(rounds)
        if self._frames is not None and trainer.is_global_zero and stride != self._stride(rounds - 1):
            self._frames.thin(stride)
        if rounds % stride == 0:
            self._take(trainer, pl_module)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """The last picture, and the film."""
        if self._frames is None or not trainer.is_global_zero:
            return
        if trainer.global_step not in self._frames.rounds():
            self._take(trainer, pl_module)
        folder = self._frames.folder
        try:
            film_of(folder, folder / f"training.{self.format}", self.seconds)
        except Exception as error:  # a training that is done is worth more than a film of it
            told = f"{type(error).__name__}: {' '.join(str(error).split())}"
            warnings.warn(f"The film was not put together ({told}); `lit-gan figures RUN` does it, too.", stacklevel=2)

    @rank_zero_only
    def _take(self, trainer: Trainer, module: LightningModule) -> None:
        frames, rounds = self._frames, trainer.global_step
        if frames is None or not isinstance(module, GenerativeModule):
            return
        frames.folder.mkdir(parents=True, exist_ok=True)
        mixture = _mixture(trainer)
        if isinstance(module, GAN) and mixture is not None:
            write_game_frame(module, mixture, frames.path(rounds))
        else:
            self._draw(module, frames.path(rounds))

    def _stride(self, rounds: int) -> int:
        return stride_at(rounds, self.every_n_rounds, self.max_frames)

    def _draw(self, module: GenerativeModule, target: Path) -> None:
        condition = module.sample_condition(self.num_samples)
        samples = module.sample(self.num_samples, rng=stream(module.seed, "sample grid"), condition=condition).cpu()
        if samples.shape[1] in CHANNELS:  # else the grid of samples has said that they cannot be shown
            grid = grid_image(samples, self.columns, class_labels(module, condition))
            write_file(target, lambda file: save_picture(grid, file, target.suffix))


def _mixture(trainer: Trainer) -> GaussianMixture | None:
    """The density of the data, where it is known and of one dimension."""
    mixture = getattr(getattr(trainer, "datamodule", None), "mixture", None)
    return mixture if isinstance(mixture, GaussianMixture) and mixture.num_dims == 1 else None
