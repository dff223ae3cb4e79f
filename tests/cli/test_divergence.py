"""A run whose weights are lost: told in one line, exit code 1, and never gone on with."""

import json

from command_line import fit, the_run


def test_a_diverged_run_fails_and_is_not_continued() -> None:
    diverging = ("--model.init_args.optimizer_g.init_args.lr=1e30", "--parzen.num_samples=20")
    ending = fit(*diverging)
    assert ending.code == 1
    (line,) = [line for line in ending.err.splitlines() if line.startswith("lit-gan: failed")]
    assert "nan: the loss of the discriminator is not finite after round" in line
    assert "lower learning rates" in line
    first = the_run()
    record = json.loads((first / "run.json").read_text())
    assert record["status"] == "failed"
    assert record["reason"].startswith("nan")
    assert fit(*diverging).code == 1
    assert len(list(first.parent.iterdir())) == 2  # a new run, not the old one's checkpoint
