"""The best configuration trains, whatever the sweep's trials did."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from fake_sweep import content

from lit_gan.tuning import results as module
from lit_gan.tuning.sweep_file import load_sweep
from lit_gan.tuning.sweep_layout import SweepLayout

_CONFIG = {"seed_everything": 3, "ckpt_path": "runs/mnist/ID/checkpoints/last.ckpt"}


@pytest.mark.parametrize(
    ("verb", "kept"), [("fit", _CONFIG), ("validate", {"seed_everything": 3}), ("test", {"seed_everything": 3})]
)
def test_a_checkpoint_that_was_evaluated_is_not_trained_on(
    verb: str, kept: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    command = ["${env}", "${program}", verb, "--config", "quickstart", "${args}"]
    Path("s.yaml").write_text(yaml.safe_dump(content(program="lit-gan", command=command)))
    folder = tmp_path / "runs" / "quickstart" / "s-1"
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(yaml.safe_dump(_CONFIG))
    monkeypatch.setattr(module, "TrialRun", lambda run_id: SimpleNamespace(folder=folder))
    study: Any = SimpleNamespace(
        sweep=load_sweep(Path("s.yaml")),
        layout=SweepLayout(Path("runs/s.journal")),
        run_id=lambda number: "s-1",
        trials=lambda: [None] * 4,
    )
    trial: Any = SimpleNamespace(number=1, value=0.5, params={"x": 0.2})

    files = module._write_best(study, trial)

    assert [path.name for path in files] == ["best.yaml", "s.best.yaml"]
    for path in files:
        assert yaml.safe_load(path.read_text()) == kept
        assert path.read_text().startswith("# Trial 1, the best of 4 of the sweep s.\n")
