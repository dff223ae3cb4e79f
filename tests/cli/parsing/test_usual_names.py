"""What other programs call an option leads to options that there are."""

import pytest

from lit_gan.cli.parsing.first_look import look
from lit_gan.cli.parsing.usual_names import _CALLED, usually_called

_OPTIONS = sorted({option for options in _CALLED for option in options})


@pytest.mark.parametrize("option", _OPTIONS)
@pytest.mark.parametrize("config", ["mnist", "quickstart", "quickstart_conditional"])
def test_every_option_that_is_named_exists(option: str, config: str) -> None:
    adam = (f"--model.init_args.optimizer_{player}=torch.optim.Adam" for player in "gd")
    value = "quickstart" if option == "config" else "null"
    look("fit", ["--config", config, *adam, "--data=lit_gan.data.ImageFolderDataModule", *f"--{option}".split(), value])


def test_a_name_leads_to_one_meaning() -> None:
    names = " ".join(_CALLED.values()).lower().split()
    assert sorted(names) == sorted(set(names))


@pytest.mark.parametrize("name", ["batch_size", "batch-size", "BATCH_SIZE", "batchSize"])
def test_case_and_dashes_do_not_matter(name: str) -> None:
    assert usually_called(name) == ("data.init_args.batch_size",)


def test_other_names_lead_nowhere() -> None:
    assert usually_called("nothing") == ()
