"""Compiled players: the same game and the same checkpoints; penalties and what is evaluated run as ever."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import torch
from command_line import fit, the_run
from lightning.pytorch.demos.boring_classes import BoringModel
from tiny_gan import examples, linear_gan, loader, sgd, trainer

from lit_gan.callbacks import CompiledPlayers, GeneratorEMA
from lit_gan.callbacks.graceful_stop import StopBetweenRounds
from lit_gan.errors import RunStopped, UserError
from lit_gan.gan import GAN
from lit_gan.networks import MaxoutDiscriminator, MLPGenerator
from lit_gan.penalties import R1

pytestmark = [
    pytest.mark.compiled,
    pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor"),  # dynamo looks at it
]


class Compiler:
    """Compiles nothing, and counts what it is asked to, by the rows that a network is given."""

    def __init__(self) -> None:
        self.graphs = 0
        self.calls = 0

    def __call__(self, graph: Any, inputs: Any) -> Any:
        self.graphs += 1

        def call(*arguments: Any) -> Any:
            self.calls += 1
            return graph.forward(*arguments)

        return call


def _gan(**kwargs: Any) -> GAN:
    return linear_gan(optimizer_g=sgd(), optimizer_d=sgd(momentum=0.9), **kwargs)


def _fit(gan: GAN, rounds: int, *callbacks: Any, **kwargs: Any) -> Any:
    run = trainer(max_steps=rounds, callbacks=[GeneratorEMA(0.5), *callbacks])
    run.fit(gan, loader(examples(8), batch_size=4), loader(examples(6), 3), **kwargs)
    return run


def test_it_is_the_same_training_and_is_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    compiler, plain, compiled = Compiler(), _gan(), _gan()
    _fit(plain, 4)
    _fit(compiled, 4, CompiledPlayers(backend=compiler))
    assert all(torch.equal(value, compiled.state_dict()[name]) for name, value in plain.state_dict().items())
    # G with and without gradients, D on twice as many rows and with frozen weights; the validation as ever.
    assert compiler.graphs == 4
    assert compiler.calls == 4 * 4
    lines = [line for line in capsys.readouterr().out.splitlines() if "compiled" in line]
    assert len(lines) == 1
    assert lines[0].startswith("lit-gan: compiled the players within round 1, which took ")
    assert lines[0].endswith("compare perf/rounds_per_second.")  # this is a CPU
    assert not any("forward" in vars(module) for module in compiled.modules())


@pytest.mark.parametrize("first", [True, False])
def test_a_run_goes_on_compiled_or_not(first: bool, tmp_path: Path) -> None:
    def callbacks(compiles: bool) -> list[CompiledPlayers]:
        return [CompiledPlayers(backend=Compiler())] if compiles else []

    whole, resumed = _gan(), _gan()
    _fit(whole, 4)
    _fit(_gan(), 2, *callbacks(first)).save_checkpoint(tmp_path / "half.ckpt")
    _fit(resumed, 4, *callbacks(not first), ckpt_path=tmp_path / "half.ckpt", weights_only=True)
    assert all(torch.equal(value, resumed.state_dict()[name]) for name, value in whole.state_dict().items())


def test_rounds_with_a_penalty_and_exports_run_as_ever() -> None:
    compiler = Compiler()
    gan = _gan(penalties=[R1(0.1, every=2)])
    exported = []
    gan.on_train_end = lambda: exported.append(gan.for_export())  # type: ignore[method-assign,assign]
    _fit(gan, 4, CompiledPlayers(backend=compiler))
    assert compiler.calls == 4 * 4 - 2  # of rounds 0 and 2, D's turn
    assert not any("forward" in vars(module) for module in exported[0].modules())


def test_after_a_training_that_was_stopped_the_networks_are_plain_again() -> None:
    gan = _gan()
    with pytest.raises(RunStopped, match="max_time"):
        _fit(gan, 4, CompiledPlayers(backend=Compiler()), StopBetweenRounds(max_time=timedelta(0)))
    assert not any("forward" in vars(module) for module in gan.modules())


def test_with_a_compiled_backward_pass_it_trains_to_the_same_place() -> None:
    def gan() -> GAN:
        torch.manual_seed(0)
        networks = (
            MLPGenerator((1, 1, 1), 2, (3,), output_activation="linear", batch_norm=True),
            MaxoutDiscriminator((1, 1, 1), (3,), input_keep=1.0, hidden_keep=1.0),
        )
        return GAN(*networks, optimizer_g=sgd(0.1), optimizer_d=sgd(0.1))

    plain, compiled = gan(), gan()
    _fit(plain, 3)
    _fit(compiled, 3, CompiledPlayers(backend="aot_eager"))
    for name, value in plain.state_dict().items():
        torch.testing.assert_close(compiled.state_dict()[name], value)


def test_a_module_without_players_is_told_so() -> None:
    with pytest.raises(UserError, match=r"^CompiledPlayers \(--compile\) compiles the players .*: got a BoringModel"):
        trainer(max_steps=1, callbacks=[CompiledPlayers()]).fit(BoringModel())


def test_the_commands_option_is_the_callback(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked = []

    def compile_nothing(forward: Any, **kwargs: Any) -> Any:
        asked.append(kwargs)
        return forward

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(torch, "compile", compile_nothing)
    ending = fit("--compile", "reduce-overhead", epochs=1)
    assert ending.code == 0, ending.err
    assert "lit-gan: compiled the players within round 1, which took" in ending.out
    assert asked == [{"backend": "inductor", "dynamic": False, "mode": "reduce-overhead"}] * 2
    again = fit("--compile", "true", "--run_dir", the_run(), epochs=1)  # no other run
    assert again.code == 0, again.err
