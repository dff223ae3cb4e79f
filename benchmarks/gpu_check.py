"""What must hold on a GPU, in one go of at most eight minutes, for whoever has one for so long and no longer.

``python -m benchmarks.gpu_check --out FOLDER [--sections bits penalties ...] [--minutes 8]`` checks the device that
Lightning chooses (a GPU if there is one, else the CPU), writes ``gpu_check.md``, ``gpu_check.json`` and
``gpu_check.png`` after each section, and ends with 1 if something does not hold:

- ``bits``: with ``deterministic`` a training twice, and in two pieces, gives the same weights to the last bit;
- ``penalties``: R1, R2, the gradient penalty and the pairing objective, with gradients, against float64 on the CPU;
- ``parzen``: log-likelihoods against float64 on the CPU;
- ``ranks``: ``ddp_gan`` with one rank (NCCL on a GPU) gives the weights of a plain training;
- ``syncs``: no round that is not logged waits for the GPU;
- ``throughput``: rounds a second beside the loop by hand, the products alone, and the card's own best product;
- ``memory``: what a training holds, and that it does not grow;
- ``compile``: players compiled, without and with CUDA graphs: the time of a round, of compiling, and the weights.

On a CPU the sections are smaller, and ``syncs`` and ``compile`` are left out but where they are asked for.
"""

import copy
import os
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import Tensor, nn

from benchmarks.commands import memory_mib
from benchmarks.games import DEVICE, Game, shipped
from benchmarks.measuring import Seconds, arguments, interleaved, markdown, timed, write
from benchmarks.parzen_competitors import reference
from benchmarks.parzen_problems import digits
from benchmarks.products import Products
from benchmarks.throughput import PRECISIONS, Rounds
from lit_gan import GAN
from lit_gan.engine.turn import Turn
from lit_gan.functional import parzen_log_likelihood
from lit_gan.networks import ConvGenerator, MaxoutConvDiscriminator, MaxoutDiscriminator
from lit_gan.objectives import RelativisticPairing
from lit_gan.penalties import R1, R2, GradientPenalty, Penalty

ON_GPU = DEVICE.type == "cuda"
_ROUNDS = 20
Weights = dict[str, Tensor]


@dataclass(frozen=True)
class Finding:
    """A number, and whether it is as it should be.

    Attributes:
        section: Where it was found.
        what: What it is of.
        value: As it is shown.
        wanted: Likewise; empty where nothing is asked of it.
        holds: Whether it does; ``None`` where nothing is asked.
    """

    section: str
    what: str
    value: str
    wanted: str = ""
    holds: bool | None = None


def at_most(section: str, what: str, value: float, bound: float) -> Finding:
    """A number that must not be larger."""
    return Finding(section, what, f"{value:.2e}", f"at most {bound:.0e}", value <= bound)


# -- Trainings ------------------------------------------------------------------------------------------------------


def games() -> dict[str, Game]:
    """A fully connected one and one with convolutions, on real digits."""
    dense = shipped("quickstart")
    gan = GAN(
        ConvGenerator((1, 8, 8), latent_size=8, hidden=(50, 36), base_shape=(4, 3, 3), kernel_size=4, stride=2),
        MaxoutConvDiscriminator((1, 8, 8), channels=(4, 4, 8), dense=(10,)),
    )
    start = {name: value.clone() for name, value in gan.state_dict().items()}
    return {"dense": dense, "convolutions": Game(gan, dense.data, {}, start)}


def train(game: Game, rounds: int, *callbacks: Callback, go_on: str | None = None, **further: Any) -> Trainer:
    """Trains from the game's first weights; or goes on from a checkpoint."""
    given: dict[str, Any] = {"max_steps": rounds, "max_epochs": -1, "devices": 1, "callbacks": [*callbacks]}
    given |= dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False)
    trainer = Trainer(**{**given, **further}, limit_val_batches=0, log_every_n_steps=10**9)
    trainer.fit(game.begin_anew(), game.data, ckpt_path=go_on)
    return trainer


def weights_of(gan: GAN) -> Weights:
    """On the CPU."""
    return {name: value.detach().cpu().clone() for name, value in gan.state_dict().items()}


def distance(first: Weights, second: Weights) -> float:
    """The largest difference of two numbers in the same place."""
    return max(float((first[name].double() - second[name].double()).abs().max()) for name in first)


# -- Sections -------------------------------------------------------------------------------------------------------


def bits(section: str) -> Iterator[Finding]:
    """Twice, and in two pieces."""
    for name, game in games().items():
        found = [weights_of(_trained(game, deterministic=True)) for _ in range(2)]
        yield at_most(section, f"{name}: twice the same", distance(*found), 0.0)
        with tempfile.TemporaryDirectory() as folder:
            half = ModelCheckpoint(folder, "half", every_n_train_steps=_ROUNDS // 2, save_top_k=-1)
            train(game, _ROUNDS - 3, half, enable_checkpointing=True, deterministic=True)
            train(game, _ROUNDS, go_on=str(Path(folder) / "half.ckpt"), deterministic=True)
        yield at_most(section, f"{name}: in two pieces", distance(found[0], weights_of(game.gan)), 0.0)


def _trained(game: Game, **further: Any) -> GAN:
    train(game, _ROUNDS, **further)
    return game.gan


@dataclass(frozen=True)
class _SameShares(Turn):
    """A turn whose draws are the same on every device."""

    def uniform(self) -> Tensor:
        """Evenly spread."""
        return torch.linspace(0.1, 0.9, len(self.x)).to(self.x).reshape(-1, 1, 1, 1)


def penalties(section: str) -> Iterator[Finding]:
    """Each with its gradient, in float32 on the device and in float64 on the CPU."""
    shape = (1, 8, 8)
    judges = {
        "dense": MaxoutDiscriminator(shape, (32, 32), weight_init=0.2, input_keep=1.0, hidden_keep=1.0),
        "convolutions": MaxoutConvDiscriminator(
            shape, (4, 4, 8), dense=(10,), weight_init=0.2, input_keep=1.0, hidden_keep=1.0
        ),
    }
    x, generated = torch.rand(2, 64, *shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    terms: dict[str, Callable[[Turn], Tensor]] = {each.name: each for each in (R1(), R2(), GradientPenalty())}
    terms |= {"pairing, loss of D": _pairing_of_d, "pairing, loss of G": _pairing_of_g}
    torch.backends.cudnn.allow_tf32 = False
    for judge_name, judge in judges.items():
        for name, term in terms.items():
            exact = _with_gradient(term, copy.deepcopy(judge).double(), x, generated)
            found = _with_gradient(term, copy.deepcopy(judge).to(DEVICE), x, generated)
            error = float((found.cpu().double() - exact).norm() / exact.norm())
            yield at_most(section, f"{judge_name}: {name}, relative error", error, 1e-4)
    torch.backends.cudnn.allow_tf32 = True


def _pairing_of_d(turn: Turn) -> Tensor:
    return RelativisticPairing().loss_d(turn.real_logits, turn.fake_logits)


def _pairing_of_g(turn: Turn) -> Tensor:
    return RelativisticPairing().loss_g(turn.fake_logits, turn.real_logits)


def _with_gradient(term: Callable[[Turn], Tensor] | Penalty, judge: nn.Module, x: Tensor, generated: Tensor) -> Tensor:
    """The value, and its gradient at D's weights, as one vector."""
    some = next(judge.parameters())
    x, generated = (each.detach().to(some).requires_grad_() for each in (x, generated))
    logits = judge(torch.cat([x, generated]))
    halves = logits[: len(x)], logits[len(x) :]
    turn = _SameShares("discriminator", x, generated, *halves, discriminate=lambda images, _=None: judge(images))
    value = term(turn)
    gradients = torch.autograd.grad(value, list(judge.parameters()), allow_unused=True)
    return torch.cat([value.detach().reshape(1), *(each.flatten() for each in gradients if each is not None)])


def parzen(section: str) -> Iterator[Finding]:
    """The largest error of some rows, in nats."""
    rows, size = (100, 10_000) if ON_GPU else (20, 500)
    for depth in (784, 3072):
        problem = digits(depth, 1, rows, size)
        found = parzen_log_likelihood(problem.test.to(DEVICE), problem.centres.to(DEVICE), 0.2).cpu()
        error = (found - reference(problem.test, problem.centres, 0.2)).abs().max()
        yield at_most(section, f"D = {depth}, {size:,} centres, nats", float(error), 1e-6)


class _Backend(Callback):
    """Looks which backend the ranks talk by."""

    name = ""

    def on_train_start(self, trainer: Trainer, *_: Any) -> None:
        """While there is a process group."""
        self.name = torch.distributed.get_backend()


def ranks(section: str) -> Iterator[Finding]:
    """One rank of several that could be."""
    for name, game in games().items():
        plain = weights_of(_trained(game, deterministic=True))
        backend = _Backend()
        train(game, _ROUNDS, backend, strategy="ddp_gan", deterministic=True)
        wanted = "nccl" if ON_GPU else "gloo"
        yield Finding(section, f"{name}: backend", backend.name, wanted, backend.name == wanted)
        yield at_most(section, f"{name}: from a plain training", distance(plain, weights_of(game.gan)), 0.0)


class _WarnsOfSyncs(Callback):
    """Has torch warn of whatever waits for the GPU within a round, but for the first rounds."""

    def on_train_batch_start(self, trainer: Trainer, *_: Any) -> None:
        """A round begins."""
        if trainer.global_step >= _ROUNDS // 2:
            torch.cuda.set_sync_debug_mode("warn")

    def on_train_batch_end(self, *_: Any) -> None:
        """It has ended."""
        torch.cuda.set_sync_debug_mode("default")


def syncs(section: str) -> Iterator[Finding]:
    """Where a round that is not logged waits; on a CPU none does."""
    for name, game in games().items():
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            train(game, _ROUNDS, *([_WarnsOfSyncs()] if ON_GPU else []))
        waits = {f"{Path(each.filename).name}:{each.lineno}" for each in warned if "synchroniz" in str(each.message)}
        found = ", ".join(sorted(waits)) or "nowhere"
        yield Finding(section, f"{name}: waits for the GPU", found, "nowhere", not waits)


def throughput(section: str) -> Iterator[Finding]:
    """Of the card's own best product: a large square one."""
    peaks = {precision: best_product(precision) for precision in PRECISIONS}
    for precision, peak in peaks.items():
        yield Finding(section, f"best product, {precision}", f"{peak / 1e9:,.0f} Gflop/s")
    for config in ("mnist", "cifar10_fc", "cifar10_conv") if ON_GPU else ("quickstart",):
        game = shipped(config)
        for precision in PRECISIONS:
            number = 200 if ON_GPU else 5
            alone = Products(Rounds(game, precision, 1).loop().round)
            rounds = Rounds(game, precision, number)
            ways: dict[str, Callable[[], Seconds]] = {"fit": rounds.fit, "by hand": rounds.by_hand}
            ways["products"] = partial(alone.timed, number)
            found = {name: each.wall for name, each in interleaved(ways, 3).items()}
            what, rate = f"{config}, {precision}", alone.flops / found["fit"]
            yield Finding(section, f"{what}: images/s", f"{game.data.batch_size / found['fit']:,.0f}")
            yield Finding(section, f"{what}: x by hand", f"{found['by hand'] / found['fit']:.2f}")
            yield Finding(section, f"{what}: x products", f"{found['products'] / found['fit']:.2f}")
            yield Finding(section, f"{what}: of the best product", f"{rate / peaks[precision]:.3f}")


def best_product(precision: str) -> float:
    """Multiplications and additions a second in a large square product."""
    size = 8192 if ON_GPU else 512
    dtype = torch.bfloat16 if precision == "bf16-mixed" else torch.float32
    left, right = torch.randn(2, size, size, device=DEVICE).to(dtype)
    timed(lambda: left @ right)
    return 2 * size**3 / timed(lambda: left @ right, 20 if ON_GPU else 3).wall


class _Held(Callback):
    """What is held after some of the rounds, MiB."""

    def __init__(self, rounds: Sequence[int]) -> None:
        self._rounds, self.mib = rounds, list[float]()

    def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
        """Looks, where it is time to."""
        if trainer.global_step in self._rounds:
            self.mib.append(torch.cuda.memory_allocated() / 2**20 if ON_GPU else memory_mib())


def memory(section: str) -> Iterator[Finding]:
    """Of the paper's MNIST networks on a GPU, of the quickstart's on a CPU."""
    game, rounds = shipped("mnist" if ON_GPU else "quickstart"), 10 * _ROUNDS
    if ON_GPU:
        torch.cuda.reset_peak_memory_stats()
    held = _Held((rounds // 2, rounds))
    train(game, rounds, held)
    if ON_GPU:
        yield Finding(section, "peak on the GPU, MiB", f"{torch.cuda.max_memory_allocated() / 2**20:,.0f}")
    first, last = held.mib
    bound = 1.0 if ON_GPU else 16.0  # of a process, which has more than tensors
    grown = last - first
    yield Finding(
        section, f"growth over {rounds // 2} rounds, MiB", f"{grown:.1f}", f"at most {bound:g}", grown <= bound
    )


def compiled(section: str) -> Iterator[Finding]:
    """Players compiled by torch, as `module.compile` does it; the keys of the state must not change."""
    game, number = shipped("mnist" if ON_GPU else "quickstart"), 200 if ON_GPU else 20
    plain = Rounds(game, "32-true", number).fit().wall
    yield Finding(section, "ms a round, as it is", f"{1000 * plain:.3f}")
    keys = [*game.start]
    expected = weights_of(_trained(game))
    for name, mode in {"compiled": "default", "with CUDA graphs": "reduce-overhead"}.items():
        torch.compiler.reset()
        for player in game.gan.players.values():
            player.network.compile(mode=mode)
        begun = time.perf_counter()
        off = distance(expected, weights_of(_trained(game)))
        yield Finding(section, f"{name}: seconds of the first {_ROUNDS} rounds", f"{time.perf_counter() - begun:.1f}")
        yield at_most(section, f"{name}: weights off by", off, 1e-2)
        yield Finding(section, f"{name}: keys", "the same", "the same", [*game.gan.state_dict()] == keys)
        took = Rounds(game, "32-true", number).fit().wall
        yield Finding(section, f"{name}: ms a round", f"{1000 * took:.3f}")


SECTIONS: dict[str, Callable[[str], Iterator[Finding]]] = {
    "bits": bits,
    "penalties": penalties,
    "parzen": parzen,
    "ranks": ranks,
    "syncs": syncs,
    "throughput": throughput,
    "memory": memory,
    "compile": compiled,
}
_OF_A_GPU = ("syncs", "compile")


def check(name: str) -> Iterator[Finding]:
    """A section; what it raises is a finding, and the others go on."""
    begun = time.monotonic()
    torch.use_deterministic_algorithms(False)  # as a section before may have left it
    try:
        yield from SECTIONS[name](name)
    except Exception as error:  # whatever it is, on a machine that is there for minutes
        traceback.print_exc()
        yield Finding(name, "did not end", f"{type(error).__name__}: {error}".splitlines()[0], "to end", False)
    yield Finding(name, "seconds", f"{time.monotonic() - begun:.0f}")


def table(findings: Sequence[Finding]) -> str:
    """A row for each."""
    said = {True: "yes", False: "NO", None: ""}
    rows = [[each.section, each.what, each.value, each.wanted, said[each.holds]] for each in findings]
    return f"On the {'GPU' if ON_GPU else 'CPU: no GPU was there'}.\n\n" + markdown(
        ["", "", "found", "wanted", "holds"], rows
    )


def draw(figure: Any, findings: Sequence[Finding]) -> None:
    """The seconds of each section, and whether all of it holds."""
    figure.set_size_inches(7, 3)
    axis = figure.subplots()
    seconds = {each.section: float(each.value) for each in findings if each.what == "seconds"}
    failed = {each.section for each in findings if each.holds is False}
    axis.barh([*seconds], [*seconds.values()], color=["tab:red" if name in failed else "tab:green" for name in seconds])
    axis.set(xlabel="seconds; red: something does not hold")
    axis.invert_yaxis()


def main(given: Sequence[str] | None = None) -> int:
    """Checks section after section, for as long as there is time; 1 if something does not hold."""
    parser = arguments("gpu_check", __doc__)
    parser.add_argument("--sections", nargs="+", choices=[*SECTIONS], help="(default: all that the device has)")
    parser.add_argument("--minutes", type=float, default=8.0, help="after these no section is begun (default: 8)")
    options = parser.parse_args(given)
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # before the first product: the same bits each time
    torch.set_num_threads(options.threads)
    quick = ("bits", "penalties", "parzen", "ranks")
    usual = quick if options.quick else [name for name in SECTIONS if ON_GPU or name not in _OF_A_GPU]
    begun = time.monotonic()
    findings: list[Finding] = []
    text = ""
    for name in options.sections or usual:
        in_time = time.monotonic() - begun <= 60 * options.minutes
        findings += check(name) if in_time else [Finding(name, "left out", f"{options.minutes:g} minutes are over")]
        results = [asdict(each) for each in findings]
        text = write(options.out, "gpu_check", results, table(findings), partial(draw, findings=findings))
    print(text)
    return int(any(each.holds is False for each in findings))


if __name__ == "__main__":
    raise SystemExit(main())
