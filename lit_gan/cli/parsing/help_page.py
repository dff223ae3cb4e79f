"""The first page of `lit-gan fit --help` and its like: what a person needs, before all that there is."""

from collections.abc import Sequence
from textwrap import fill

from lit_gan.cli.parsing.shipped import shipped_names

_ON_A_RUN = {
    "RUN": "a run folder, or a checkpoint; its configuration is taken from there",
    "--config NAME|FILE": "another configuration than the run's",
    "--data.init_args.root DIR": "where the data set lies",
    "--parzen.num_samples N": "how many samples are scored; 0: none",
    "--trainer.accelerator cpu": "or gpu, auto",
    "--trainer.devices N": "how many devices, one process each",
}
_PAGES: dict[str, tuple[str, str, dict[str, str]]] = {
    "fit": (
        "--config NAME|FILE [--OPTION VALUE ...]",
        "lit-gan fit --config mnist --data.init_args.root data --trainer.max_epochs 50",
        {
            "--config NAME|FILE": "a shipped configuration, or a YAML file; repeatable, the later one wins",
            "--data.init_args.root DIR": "where the data set lies",
            "--data.init_args.batch_size N": "examples in a minibatch",
            "--model.init_args.optimizer_g.init_args.lr X": "G's learning rate; optimizer_d: D's",
            "--model.init_args.objective NAME": "NonSaturating, Minimax, LeastSquares, Hinge, Wasserstein, ...",
            "--trainer.max_epochs N": "passes over the data; --trainer.max_steps N: rounds",
            "--trainer.devices N": "how many devices, one process each",
            "--trainer.precision 16-mixed": "or bf16-mixed, 32-true",
            "--seed_everything N": "equal seeds give equal runs",
            "--run_dir DIR": "the run folder, instead of runs/CONFIG/ID",
            "--wandb MODE": "online, offline or off",
        },
    ),
    "validate": ("RUN [--OPTION VALUE ...]", "lit-gan validate runs/mnist/ID", _ON_A_RUN),
    "test": ("RUN [--OPTION VALUE ...]", "lit-gan test runs/mnist/ID --data.init_args.root data", _ON_A_RUN),
    "predict": (
        "RUN [--OPTION VALUE ...]",
        "lit-gan predict runs/mnist/ID --num_samples 1000 --out samples.pt",
        {
            "RUN": _ON_A_RUN["RUN"],
            "--num_samples N": "how many samples are written (default: 1000)",
            "--out FILE": "the .pt file (default: samples.pt in the run folder)",
        },
    ),
    "baselines": (
        "--config NAME|FILE [--OPTION VALUE ...]",
        "lit-gan baselines --config mnist --data.init_args.root data",
        {
            "--config NAME|FILE": "a shipped configuration, or a YAML file: its data and its protocol count",
            "--data.init_args.root DIR": "where the data set lies",
            "--parzen.num_samples N": "how many centres, as many as the models draw that are compared",
            "--parzen.sigma X": "the width of the window; null: fitted on the validation data",
        },
    ),
}
_ASKS = ("-h", "--help")


def help_topic(arguments: Sequence[str]) -> str | None:
    """What follows `--help` on a command line: a class, ``all``, or nothing; None where no help is asked for.

    Example:
        >>> help_topic(["--help", "lit_gan.GAN"]), help_topic(["-h"]), help_topic(["--config", "mnist"])
        ('lit_gan.GAN', '', None)
    """
    for index, word in enumerate(arguments):
        option, _, value = word.partition("=")
        if option in _ASKS:
            following = arguments[index + 1 :]
            return value or (following[0] if following and not following[0].startswith("-") else "")
    return None


def help_page(verb: str, what: str) -> str:
    """The first page of a verb's help."""
    usage, example, options = _PAGES[verb]
    width = max(map(len, options))
    lines = "\n".join(f"  {option:<{width}}  {text}" for option, text in options.items())
    return f"""usage: lit-gan {verb} {usage}
       lit-gan {verb} --help CLASS   the arguments of a class, such as lit_gan.GAN or MLPGenerator
       lit-gan {verb} --help all     every option

{what[0].upper()}{what[1:]}.

  {example}

{lines}

{fill(f"configurations: {', '.join(shipped_names('configs'))}", 100, subsequent_indent="  ")}"""
