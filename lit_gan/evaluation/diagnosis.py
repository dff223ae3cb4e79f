"""What a run's logged numbers say is wrong with it: which disease, by which numbers, and the setting to change."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any, Literal

Row = Mapping[str, float]
Disease = Literal["collapse", "lost modes", "discriminator wins", "memorization"]

#: What is read of a row in which a round was logged, and of one in which a validation was.
TRAIN_NAMES = ("train/d_lead", "train/d_real", "train/lr_d")
VAL_NAMES = (
    *("val/d_lead", "val/d_real", "val/parzen_nll", "val/parzen_se", "val/near_duplicates", "val/near_duplicates_real"),
    *("val/classes_covered", "val/modes_covered", "val/memorization", "val/memorization_real"),
)
# A disease has to last: game and samples swing, most of all in the first rounds.
ROUNDS, _VALIDATIONS = 1000, 3
# D's lead: nine decisions of ten are right; three of four, where the samples have collapsed, more than is usual.
AHEAD, _AHEAD_OF_COLLAPSED = 0.8, 0.5
COLLAPSED = 0.5  # of the samples, beyond what real images have
_MENDS, _SWING = 0.1, 0.02  # of the samples: so many fewer than at first, and hardly more than ever
COVERED = 0.95  # of the classes or modes: all of ten or twenty
_KNOWN = 0.15  # how much more D thinks of its own examples than of held-out ones


@dataclass(frozen=True)
class Finding:
    """A disease of a training.

    Args:
        disease: Its name: ``collapse``, ``lost modes``, ``discriminator wins`` or ``memorization``.
        round: After which round it was known.
        evidence: The numbers that say so, in words.
        remedy: The settings to change, as they are typed.
    """

    disease: Disease
    round: int
    evidence: str
    remedy: str

    def __str__(self) -> str:
        return f"{_NAMES[self.disease]} after round {self.round:,}: {self.evidence}. Try {self.remedy}."


_NAMES: dict[Disease, str] = {
    "collapse": "the generator has collapsed",
    "lost modes": "the generator leaves out part of the data",
    "discriminator wins": "the discriminator has won",
    "memorization": "the training data are learnt by heart",
}


@dataclass(frozen=True)
class Game:
    """What of a run's settings decides on the remedy.

    Args:
        k: Updates of D in a round; ``None`` where these adapt.
        saturates: Whether G minimises log(1 - D), whose gradient vanishes where D wins.
        augments: Whether D sees augmented images.

    Example:
        >>> Game(k=5, saturates=True)
        Game(k=5, saturates=True, augments=False)
    """

    k: int | None = 1
    saturates: bool = False
    augments: bool = False


_USUAL = Game()


def diagnose(rows: Sequence[Row], game: Game = _USUAL, rounds: int = ROUNDS) -> list[Finding]:
    """What the rows say of the training up to the last of them.

    A disease is told where it has lasted: over the last three validations, and a thousand rounds or more. A number that
    was not logged says nothing.

    - *discriminator wins*: D is right in nine decisions of ten, on its own and on held-out examples, and meanwhile the
      Parzen score gets no better; or it is right in three of four, and the samples have collapsed.
    - *collapse*: half of the samples, beyond what real images have, are near-duplicates, and these do not become ever
      fewer; and D has not won.
    - *lost modes*: classes or modes of the data that have less than a tenth of their samples.
    - *memorization*: more than half of what samples that are no copies have to spare are copies, by ``Memorization``;
      or D thinks far more of its own examples than of held-out ones, and less of these than of samples.

    Args:
        rows: By logged names, with ``step``, the round less one, as in ``metrics.csv``, in their order; numbers may be
            missing in any of them.
        game: The settings that the remedy depends on.
        rounds: How many rounds a disease has to last.

    Returns:
        At most one finding for each disease.

    Example:
        >>> won = [{"step": 50 * i + 49, "train/d_lead": 1.0, "train/lr_d": 0.1} for i in range(40)]
        >>> bad = {"val/d_lead": 1.0, "val/near_duplicates": 0.9, "val/near_duplicates_real": 0.0}
        >>> rows = [row | (bad if i % 10 == 9 else {}) for i, row in enumerate(won)]
        >>> [finding.disease for finding in diagnose(rows, Game(k=5))]
        ['discriminator wins']
        >>> diagnose(rows, Game(k=5))[0].remedy
        '--model.init_args.coordination.init_args.k 1'
        >>> diagnose(rows[:20])
        []
    """
    history = _History(rows, rounds)
    found: list[Finding] = []
    for rule in _RULES:
        told = rule(history, game)
        if told is not None:
            found.append(told)
    won = any(finding.disease == "discriminator wins" for finding in found)
    # What follows from another disease is not a second one.
    hidden = {"collapse"} if won else set()
    hidden |= {"lost modes", "memorization"} if won or any(each.disease == "collapse" for each in found) else set()
    return [finding for finding in found if finding.disease not in hidden]


class _History:
    """The rows of the rounds and of the validations, and what of them has lasted."""

    def __init__(self, rows: Iterable[Row], wait: int) -> None:
        self.rows, self.wait = list(rows), wait

    @property
    def round(self) -> int:
        return _round_of(self.rows[-1]) if self.rows else 0

    def validations(self, *names: str) -> list[Row]:
        """Those with these numbers of the rounds that it has to last, or the last three, if these are more.

        None where there are fewer, or the training is not as old as that.
        """
        having = [row for row in self.rows if all(_is_number(row.get(name)) for name in names)]
        lasting = [row for row in having if _round_of(row) > self.round - self.wait]
        known = len(having) >= _VALIDATIONS and self.round >= self.wait
        return max(lasting, having[-_VALIDATIONS:], key=len) if known else []

    def training(self, name: str, since: int) -> list[float]:
        """A number of the rounds from one on."""
        return [row[name] for row in self.rows if _round_of(row) >= since and _is_number(row.get(name))]

    def last(self, name: str) -> float | None:
        """A number as it was logged last."""
        return next((row[name] for row in reversed(self.rows) if _is_number(row.get(name))), None)


def _discriminator_wins(history: _History, game: Game) -> Finding | None:
    lasting = history.validations("val/d_lead")
    since = min([_round_of(row) for row in lasting] + [history.round - history.wait])
    training = history.training("train/d_lead", since)
    if not lasting or not training:
        return None
    lead, collapsed = min(fmean(training), *(row["val/d_lead"] for row in lasting)), _collapsed(history)
    suffers = collapsed or (_score_stands(history) if lead >= AHEAD else None)
    if suffers is None or lead < _AHEAD_OF_COLLAPSED:
        return None
    evidence = (
        f"its lead (train/d_lead, at most 1) has been {fmean(training):.2f} for {history.round - since:,} rounds, and "
        f"{suffers}"
    )
    return Finding("discriminator wins", history.round, evidence, _weaker_discriminator(history, game))


def _weaker_discriminator(history: _History, game: Game) -> str:
    ways = ["--model.init_args.objective NonSaturating"] if game.saturates else []
    ways += ["--model.init_args.coordination.init_args.k 1"] if game.k is not None and game.k > 1 else []
    if not ways:
        ways = ["a generator with larger first weights (--model.init_args.generator.init_args.weight_init 0.2)"]
        ways += _other_rate(history, 1 / 4)
    return ", or ".join(ways)


def _collapse(history: _History, game: Game) -> Finding | None:
    evidence = _collapsed(history)
    if evidence is None:
        return None
    ways = [*_other_rate(history, 4), *_more_steps(game)]
    return Finding("collapse", history.round, evidence, ", or ".join(ways))


def _collapsed(history: _History) -> str | None:
    lasting = history.validations("val/near_duplicates", "val/near_duplicates_real")
    beyond = [row["val/near_duplicates"] - row["val/near_duplicates_real"] for row in lasting]
    if not lasting or min(beyond) <= COLLAPSED:
        return None
    if beyond[0] - beyond[-1] > _MENDS and beyond[-1] < min(beyond) + _SWING:
        return None  # a slow start: the paper's MNIST run has 98, 86, 51 % after 5, 10 and 15 epochs, and then 14
    last = lasting[-1]
    return (
        f"{last['val/near_duplicates']:.0%} of the samples are near-duplicates of others "
        f"(val/near_duplicates; real images {last['val/near_duplicates_real']:.0%})"
    )


def _score_stands(history: _History) -> str | None:
    """The Parzen score, where it gets no better."""
    lasting = history.validations("val/parzen_nll")
    scores = [row["val/parzen_nll"] for row in lasting]
    error = max((row.get("val/parzen_se", 0.0) for row in lasting), default=0.0)
    if not lasting or min(scores[1:]) < scores[0] - error:
        return None
    return f"the score gets no better (val/parzen_nll {scores[0]:.1f}, then {min(scores[1:]):.1f} at best)"


def _lost_modes(history: _History, game: Game) -> Finding | None:
    for name, what in (("val/classes_covered", "classes"), ("val/modes_covered", "modes")):
        lasting = history.validations(name)
        if lasting and max(row[name] for row in lasting) < COVERED:
            evidence = f"{lasting[-1][name]:.0%} of the {what} have a tenth of their share of the samples ({name})"
            ways = [*_more_steps(game), "larger minibatches (--data.init_args.batch_size)"]
            return Finding("lost modes", history.round, evidence, ", or ".join(ways))
    return None


def _memorization(history: _History, game: Game) -> Finding | None:
    evidence = _copies(history) or _known_by_heart(history)
    if evidence is None:
        return None
    ways = [] if game.augments else ["--model.init_args.augment DiffAugment"]
    ways += ["more training images", "a shorter training (--trainer.max_epochs)"]
    return Finding("memorization", history.round, evidence, ", or ".join(ways))


def _copies(history: _History) -> str | None:
    lasting = history.validations("val/memorization", "val/memorization_real")
    if not lasting or not all(row["val/memorization"] > (1 + row["val/memorization_real"]) / 2 for row in lasting):
        return None
    last = lasting[-1]
    return (
        f"{last['val/memorization']:.0%} of the samples lie closer to a training image than any other one does "
        f"(val/memorization; held-out images {last['val/memorization_real']:.0%})"
    )


def _known_by_heart(history: _History) -> str | None:
    lasting = history.validations("val/d_lead", "val/d_real")
    training = history.training("train/d_real", _round_of(lasting[0])) if lasting else []
    leads = history.training("train/d_lead", _round_of(lasting[0])) if lasting else []
    if not training or not leads or max(row["val/d_real"] for row in lasting) > fmean(training) - _KNOWN:
        return None
    if max(row["val/d_lead"] for row in lasting) > -0.05 or fmean(leads) < 0.2:
        return None
    last = lasting[-1]
    return (
        f"the discriminator gives its own examples {fmean(training):.2f} (train/d_real) and held-out ones "
        f"{last['val/d_real']:.2f} (val/d_real), less than it gives samples (val/d_lead {last['val/d_lead']:.2f})"
    )


_RULES: tuple[Callable[[_History, Game], Finding | None], ...] = (
    _discriminator_wins,
    _collapse,
    _lost_modes,
    _memorization,
)


def _more_steps(game: Game) -> list[str]:
    return [] if game.k is None else [f"--model.init_args.coordination.init_args.k {game.k + 1}"]


def _other_rate(history: _History, factor: float) -> list[str]:
    """Of D."""
    rate = history.last("train/lr_d")
    return [] if rate is None else [f"--model.init_args.optimizer_d.init_args.lr {rate * factor:.2g}"]


def _round_of(row: Row) -> int:
    return int(row["step"]) + 1


def _is_number(value: Any) -> bool:
    return value is not None and value == value  # noqa: PLR0124 -- not a number
