"""The paper's protocol in validation and test: which images, which samples, what is logged."""

import warnings
from typing import Any

import pytest
import real_formats
import torch
from lightning.pytorch import LightningDataModule
from lightning.pytorch.demos.boring_classes import BoringModel
from tiny_gan import examples, linear_gan, loader, trainer
from torch import Tensor, nn
from torchmetrics.image.kid import KernelInceptionDistance

from lit_gan.callbacks.parzen_evaluation import ParzenEvaluation
from lit_gan.callbacks.run_checkpoint import RunCheckpoint
from lit_gan.data import DigitsDataModule, TFDDataModule, ToyDataModule
from lit_gan.errors import UserError
from lit_gan.functional.neighbours import near_duplicates
from lit_gan.functional.parzen import parzen_log_likelihood, select_sigma, standard_error
from lit_gan.gan import GAN
from lit_gan.metrics.parzen_warnings import ParzenWarning
from lit_gan.networks import MaxoutDiscriminator, MLPGenerator
from lit_gan.randomness import stream


def gan(image_shape: tuple[int, int, int] = (1, 8, 8), **kwargs: Any) -> GAN:
    torch.manual_seed(3)
    generator = MLPGenerator(image_shape, latent_size=4, hidden=(8,), weight_init=0.5, **kwargs)
    return GAN(generator, MaxoutDiscriminator(image_shape, hidden=(4,), pieces=2))


def logged(run: Any) -> dict[str, float]:
    return {name: float(value) for name, value in run.callback_metrics.items() if "parzen" in name}


def reference(model: GAN, for_sigma: Tensor, reported: Tensor, num: int) -> tuple[float, float, float]:
    """The protocol, step by step, on the functional core."""
    pieces = [model.sample_data(min(1000, num - i), rng=stream(0, "parzen", i // 1000)) for i in range(0, num, 1000)]
    samples = torch.cat(pieces)
    sigma = select_sigma(for_sigma, samples)
    scores = parzen_log_likelihood(reported, samples, sigma)
    return -float(scores.mean()), standard_error(scores), sigma


def test_validation_chooses_on_the_first_half_and_reports_on_the_second() -> None:
    model, data = gan(), DigitsDataModule()
    run = trainer(precision="32-true", callbacks=[ParzenEvaluation(num_samples=1500)])
    run.validate(model, data, verbose=False)
    images = data.images("val")
    nll, error, sigma = reference(model, images[:150], images[150:], 1500)
    got = logged(run)
    assert got["val/parzen_nll"] == pytest.approx(nll, rel=1e-6)
    assert got["val/parzen_se"] == pytest.approx(error, rel=1e-6)
    assert got["val/parzen_sigma"] == pytest.approx(sigma)


@pytest.mark.parametrize("num", [1500, 40])
def test_near_duplicates_are_looked_for_all_over_the_samples_and_the_held_out_images(num: int) -> None:
    model, data = gan(), DigitsDataModule()
    run = trainer(precision="32-true", callbacks=[ParzenEvaluation(num_samples=num)])
    run.validate(model, data, verbose=False)
    pieces = [model.sample_data(min(1000, num - i), rng=stream(0, "parzen", i // 1000)) for i in range(0, num, 1000)]
    found = near_duplicates(torch.cat(pieces).flatten(1), data.images("val").flatten(1))
    assert found.num == min(num, 300)
    assert float(run.callback_metrics["val/near_duplicates"]) == pytest.approx(found.share)
    assert float(run.callback_metrics["val/near_duplicates_real"]) == pytest.approx(found.real)
    assert found.share > found.real  # this generator has not learnt anything


def test_from_2000_validation_images_on_the_first_1000_choose() -> None:
    class Data(LightningDataModule):
        in_pixel_range = True
        value_range = (0.0, 1.0)
        pictures = torch.rand(2100, 1, 8, 8, generator=torch.Generator().manual_seed(0))

        def val_dataloader(self) -> Any:
            return loader(self.pictures, batch_size=700)

    model = gan()
    run = trainer(precision="32-true", callbacks=[ParzenEvaluation(num_samples=50)])
    run.validate(model, Data(), verbose=False)
    nll, _, _ = reference(model, Data.pictures[:1000], Data.pictures[1000:], 50)
    assert logged(run)["val/parzen_nll"] == pytest.approx(nll, rel=1e-6)


def test_a_test_chooses_on_validation_and_reports_on_the_test_images() -> None:
    model, data = gan(), DigitsDataModule()
    evaluation = ParzenEvaluation(num_samples=100)
    run = trainer(precision="32-true", callbacks=[evaluation])
    run.test(model, data, verbose=False)
    nll, error, _ = reference(model, data.images("val")[:150], data.images("test"), 100)
    got = logged(run)
    assert got["test/parzen_nll"] == pytest.approx(nll, rel=1e-6)
    assert got["test/parzen_se"] == pytest.approx(error, rel=1e-6)
    assert evaluation.score is not None
    assert evaluation.score.log_likelihood == pytest.approx(-nll, rel=1e-9)
    assert evaluation.score.rows[0].shape == (297,)


def test_folds_are_chosen_and_reported_on_one_by_one(tmp_path: Any) -> None:
    real_formats.write_tfd(tmp_path)
    model, data = gan((1, 48, 48)), TFDDataModule(tmp_path)
    run = trainer(precision="32-true", callbacks=[ParzenEvaluation(num_samples=30)])
    run.test(model, data, verbose=False)
    got, expected = logged(run), []
    for fold in range(5):
        one = TFDDataModule(tmp_path, fold=fold)
        expected.append(reference(model, one.images("val"), one.images("test"), 30)[0])
    nll = torch.tensor(expected, dtype=torch.float64)
    assert [got[f"test/parzen_nll_fold{fold}"] for fold in range(5)] == pytest.approx(expected, rel=1e-6)
    assert got["test/parzen_nll"] == pytest.approx(float(nll.mean()), rel=1e-6)
    assert got["test/parzen_se"] == pytest.approx(float(nll.std(correction=0) / 5**0.5), rel=1e-4)


def test_data_in_another_pixel_range_score_as_on_zero_to_one() -> None:
    class Shifted(nn.Module):
        """The same pictures, on [-1, 1]."""

        latent_size, output_range = 4, (-1.0, 1.0)

        def __init__(self, generator: nn.Module) -> None:
            super().__init__()
            self.generator = generator

        def forward(self, z: Tensor) -> Tensor:
            return 2 * self.generator(z) - 1

    model = gan()
    shifted = GAN(Shifted(model.generator), model.discriminator)
    results = []
    for one, value_range in ((model, (0.0, 1.0)), (shifted, (-1.0, 1.0))):
        run = trainer(precision="32-true", callbacks=[ParzenEvaluation(num_samples=40)])
        run.test(one, DigitsDataModule(value_range=value_range), verbose=False)
        results.append(logged(run)["test/parzen_nll"])
    assert results[0] == pytest.approx(results[1], rel=1e-5)


def test_a_generator_beyond_the_range_of_the_pixels_is_scored() -> None:
    model = gan(output_activation="linear")
    run = trainer(precision="32-true", callbacks=[ParzenEvaluation(num_samples=100)])
    run.validate(model, DigitsDataModule(), verbose=False)
    assert float(model.sample_data(100, rng=0).min()) < 0
    images = DigitsDataModule().images("val")
    assert logged(run)["val/parzen_nll"] == pytest.approx(
        reference(model, images[:150], images[150:], 100)[0], rel=1e-6
    )


def test_methods_of_a_readers_own_data_may_be_called_as_ours_are() -> None:
    class Data(LightningDataModule):
        value_range = (0.0, 1.0)
        pictures = torch.rand(60, 1, 8, 8, generator=torch.Generator().manual_seed(0))

        def images(self, num: int) -> Any:
            return self.pictures[:num]

        def evaluation_folds(self, number: int) -> Any:
            raise AssertionError

        def val_dataloader(self) -> Any:
            return loader(self.pictures, batch_size=30)

        test_dataloader = val_dataloader

    run = trainer(precision="32-true", callbacks=[ParzenEvaluation(num_samples=50)])
    model = gan()
    run.validate(model, Data(), verbose=False)
    nll, _, _ = reference(model, Data.pictures[:30], Data.pictures[30:], 50)
    assert logged(run)["val/parzen_nll"] == pytest.approx(nll, rel=1e-6)
    run.test(model, Data(), verbose=False)
    assert "test/parzen_nll" in logged(run)


class StagedData(LightningDataModule):
    """As Lightning's documentation has it: each stage sets up what it needs, and there are several loaders."""

    value_range = (0.0, 1.0)

    def setup(self, stage: str) -> None:
        if stage in ("fit", "validate"):
            self.val = torch.rand(60, 1, 8, 8, generator=torch.Generator().manual_seed(0))
        if stage == "test":
            self.test = torch.rand(30, 1, 8, 8, generator=torch.Generator().manual_seed(1))

    def val_dataloader(self) -> Any:
        return [torch.utils.data.DataLoader(part, batch_size=30) for part in self.val.split(30)]

    def test_dataloader(self) -> Any:
        return torch.utils.data.DataLoader(self.test, batch_size=30)


@pytest.mark.filterwarnings("error:these data are no pixel levels")
def test_any_data_module_of_the_users_is_evaluated_on_in_the_paper_s_protocol() -> None:
    model, data = gan(), StagedData()
    run = trainer(precision="32-true", callbacks=[ParzenEvaluation(num_samples=50)])
    run.test(model, data, verbose=False)
    data.setup("validate")
    nll, _, sigma = reference(model, data.val[:30], data.test, 50)
    assert logged(run)["test/parzen_nll"] == pytest.approx(nll, rel=1e-6)
    run.validate(model, data, verbose=False)
    nll, _, sigma = reference(model, data.val[:30], data.val[30:], 50)
    assert logged(run)["val/parzen_nll"] == pytest.approx(nll, rel=1e-6)
    assert logged(run)["val/parzen_sigma"] == pytest.approx(sigma)


@pytest.mark.filterwarnings("error::lit_gan.metrics.parzen_warnings.ParzenWarning")
def test_data_that_are_no_pixels_get_sigma_by_em_and_a_warning() -> None:
    class Points(nn.Linear):
        latent_size = 2

        def forward(self, z: Tensor) -> Tensor:
            return super().forward(z)[:, None, None, :]

    torch.manual_seed(0)
    model = GAN(Points(2, 2), MaxoutDiscriminator((1, 1, 2), hidden=(4,)))
    run = trainer(precision="32-true", callbacks=[ParzenEvaluation(num_samples=200)])
    with pytest.warns(ParzenWarning, match="no pixel levels.*not comparable"):
        run.validate(model, ToyDataModule(num_validation=100, num_train=200, num_test=50), verbose=False)
    grid = torch.logspace(-1, 0, 10)
    assert (grid - logged(run)["val/parzen_sigma"]).abs().min() > 1e-4


@pytest.mark.parametrize("sigma", [0.3, [0.2, 0.3]])
def test_a_given_width_is_honoured(sigma: Any) -> None:
    run = trainer(precision="32-true", callbacks=[ParzenEvaluation(sigma=sigma, num_samples=20)])
    run.validate(gan(), DigitsDataModule(), verbose=False)
    assert logged(run)["val/parzen_sigma"] == pytest.approx(0.3)


def test_evaluation_changes_nothing_in_training_and_is_the_same_in_each_epoch_of_a_frozen_gan() -> None:
    def run(callbacks: list[Any]) -> list[float]:
        model = gan()
        fit = trainer(precision="32-true", max_epochs=2, callbacks=callbacks)
        fit.fit(model, DigitsDataModule(batch_size=600))
        return [float(parameter.detach().sum()) for parameter in model.parameters()]

    assert run([]) == run([ParzenEvaluation(num_samples=10)])


class Features(nn.Module):
    """A feature network of the test's own, for KID; one channel, bytes or floats."""

    num_features = 4

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Tensor] = []

    def forward(self, images: Tensor) -> Tensor:
        self.seen.append(images)
        return images.flatten(1)[:, :4].double()


@pytest.mark.filterwarnings("ignore:Metric `Kernel Inception Distance` will save all")
@pytest.mark.parametrize(("normalize", "dtype"), [(True, torch.float32), (False, torch.uint8)])
def test_further_metrics_see_the_same_samples_in_the_range_that_they_want(normalize: bool, dtype: torch.dtype) -> None:
    features = Features()
    features.eval()
    metric = KernelInceptionDistance(feature=features, subset_size=5, normalize=normalize)
    features.seen.clear()
    model, data = gan(), DigitsDataModule()
    run = trainer(precision="32-true", callbacks=[ParzenEvaluation(num_samples=30, metrics=[metric])])
    run.validate(model, data, verbose=False)
    real, generated = features.seen
    assert real.dtype == generated.dtype == dtype
    expected = data.images("val")[150:]
    torch.testing.assert_close(real.float(), expected if normalize else (expected * 255).round())
    assert len(generated) == 30
    assert "val/kernel_inception_distance_mean" in run.callback_metrics
    assert "val/kernel_inception_distance_std" in run.callback_metrics


def test_a_collapsed_generator_is_told_once_and_not_at_every_validation() -> None:
    class Constant(nn.Module):
        latent_size = 1

        def __init__(self) -> None:
            super().__init__()
            self.level = nn.Parameter(torch.tensor(0.5))

        def forward(self, z: Tensor) -> Tensor:
            return self.level.expand(len(z), 1, 8, 8)

    model = GAN(Constant(), MaxoutDiscriminator((1, 8, 8), hidden=(4,)))
    run = trainer(precision="32-true", callbacks=[ParzenEvaluation(num_samples=20)])
    with pytest.warns(ParzenWarning, match="exact copies of others"):
        run.validate(model, DigitsDataModule(), verbose=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ParzenWarning)
        run.validate(model, DigitsDataModule(), verbose=False)


def test_zero_samples_switch_it_off_and_other_modules_are_left_alone() -> None:
    run = trainer(precision="32-true", callbacks=[ParzenEvaluation(num_samples=0)])
    run.validate(gan(), DigitsDataModule(), verbose=False)
    assert logged(run) == {}
    run = trainer(precision="32-true", callbacks=[ParzenEvaluation()])
    run.validate(BoringModel(), verbose=False)
    assert logged(run) == {}


def test_without_validation_images_sigma_must_be_given() -> None:
    with pytest.raises(UserError, match="chooses sigma on validation images, of which there are none"):
        trainer(callbacks=[ParzenEvaluation(num_samples=5)]).test(linear_gan(), loader(examples(8), 4), verbose=False)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"metrics_num_samples": 0}, r"parzen\.metrics_num_samples = 0: expected at least 1, or null"),
        ({"num_samples": -1}, r"parzen\.num_samples = -1: expected 0 \(off\) or more"),
        ({"sigma": -0.1}, "sigma = -0.1: expected a positive, finite width"),
    ],
)
def test_arguments_out_of_range_are_told(kwargs: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        ParzenEvaluation(**kwargs)


def test_other_data_are_evaluated_on_as_themselves() -> None:
    model, evaluation = gan(), ParzenEvaluation(num_samples=50)
    run = trainer(precision="32-true", callbacks=[evaluation])
    run.test(model, DigitsDataModule(), verbose=False)
    run.test(model, StagedData(), verbose=False)
    again = logged(run)
    run = trainer(precision="32-true", callbacks=[ParzenEvaluation(num_samples=50)])
    run.test(model, StagedData(), verbose=False)
    assert again == logged(run)


class Wide(nn.Module):
    """A generator of 64x64 colour pictures that counts how many it makes at a time."""

    latent_size, output_range = 2, (-1.0, 1.0)

    def __init__(self) -> None:
        super().__init__()
        self.line = nn.Linear(2, 3)
        self.calls: list[int] = []

    def forward(self, z: Tensor) -> Tensor:
        self.calls.append(len(z))
        return self.line(z).tanh()[:, :, None, None].expand(-1, -1, 64, 64)


class Pictures(LightningDataModule):
    """Few colour pictures in [-1, 1]."""

    value_range = (-1.0, 1.0)

    def _rows(self, num: int, seed: int) -> Any:
        return loader(torch.rand(num, 3, 64, 64, generator=torch.Generator().manual_seed(seed)).mul(2).sub(1), 8)

    def train_dataloader(self) -> Any:
        return self._rows(24, 0)

    def val_dataloader(self) -> Any:
        return self._rows(6, 1)


def pictures_gan() -> GAN:
    torch.manual_seed(0)
    return GAN(Wide(), MaxoutDiscriminator((3, 64, 64), hidden=(2,), pieces=2))


def test_the_number_is_chosen_by_the_data_said_once_and_kept(capsys: Any, tmp_path: Any) -> None:
    def fit(epochs: int, **kwargs: Any) -> ParzenEvaluation:
        evaluation = ParzenEvaluation()
        settings = {"precision": "32-true", "enable_checkpointing": True, "default_root_dir": tmp_path}
        checkpoint = RunCheckpoint(tmp_path, save_last=True, save_top_k=0)
        run = trainer(**settings, max_epochs=epochs, callbacks=[evaluation, checkpoint], check_val_every_n_epoch=2)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            run.fit(pictures_gan(), Pictures(), **kwargs)
        return evaluation

    said = (
        "lit-gan: the Parzen score draws 30 samples (5 for each of 6 held-out images; --parzen.num_samples N for "
        "another number, 0 for none).\n"
    )
    score = fit(4).score
    assert score is not None
    assert score.num_centres == 30  # two epochs of 24 pictures before the first validation
    assert [line for line in capsys.readouterr().out.splitlines(keepends=True) if "lit-gan" in line] == [said]
    score = fit(7, ckpt_path=tmp_path / "last.ckpt", weights_only=True).score  # it goes on with other epochs
    assert score is not None
    assert score.num_centres == 30


def test_large_samples_come_in_batches_and_wait_on_disk_where_they_are_many(tmp_path: Any, monkeypatch: Any) -> None:
    def score(**patched: int) -> tuple[float, list[int]]:
        for name, value in patched.items():
            monkeypatch.setattr(f"lit_gan.evaluation.parzen.{name}", value)
        model = pictures_gan()
        run = trainer(precision="32-true", callbacks=[ParzenEvaluation(num_samples=300)], default_root_dir=tmp_path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ParzenWarning)
            run.validate(model, Pictures(), verbose=False)
        calls = model.generator.calls
        return logged(run)["val/parzen_nll"], [num for num in calls if num > 6]

    in_memory, calls = score()
    assert calls == [260, 40]  # 64 * 64 * 3 values each: 260 are 13 MB
    on_disk, _ = score(_BYTES_IN_MEMORY=1)
    assert on_disk == pytest.approx(in_memory, rel=1e-12)
    assert list(tmp_path.iterdir()) == []


def test_a_test_draws_the_paper_s_number() -> None:
    evaluation = ParzenEvaluation()
    trainer(precision="32-true", callbacks=[evaluation]).test(gan(), DigitsDataModule(), verbose=False)
    assert evaluation.score is not None
    assert evaluation.score.num_centres == 10_000


@pytest.mark.parametrize(
    ("scale", "message"),
    [
        (
            1.0,
            r"declare no range of pixel levels \(the values all lie in \[0, 1\]\).*value_range = \[0.0, 1.0\] of the",
        ),
        (-1.0, r"\(the values lie in \[-[\d.]+, -[\d.e-]+\]\).*--data.init_args.value_range '\[-1.0, 1.0\]'"),
    ],
)
def test_data_without_a_range_are_told_how_to_declare_it(scale: float, message: str) -> None:
    class Undeclared(LightningDataModule):
        def val_dataloader(self) -> Any:
            return loader(scale * torch.rand(40, 1, 8, 8, generator=torch.Generator().manual_seed(0)), 20)

    run = trainer(precision="32-true", callbacks=[ParzenEvaluation(num_samples=20)])
    with pytest.warns(ParzenWarning, match=message):
        run.validate(gan(output_activation="linear"), Undeclared(), verbose=False)


def test_an_evaluation_that_takes_its_time_says_so_once(capsys: Any) -> None:
    ticks = iter(range(0, 1000, 3))  # three seconds a look
    evaluation = ParzenEvaluation(num_samples=20)
    evaluation._clock = lambda: float(next(ticks))
    run = trainer(precision="32-true", callbacks=[evaluation])
    run.validate(gan(), DigitsDataModule(), verbose=False)
    run.validate(gan(), DigitsDataModule(), verbose=False)
    assert capsys.readouterr().out.count("lit-gan: evaluating on 20 samples (--parzen.num_samples N for fewer") == 1


def test_what_it_took_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[str] = []
    monkeypatch.setattr("lit_gan.callbacks.sample_evaluation.give_memory_back", lambda: given.append("back"))
    run = trainer(precision="32-true", callbacks=[ParzenEvaluation(num_samples=20)])
    run.validate(gan(), DigitsDataModule(), verbose=False)
    assert given == ["back"]
