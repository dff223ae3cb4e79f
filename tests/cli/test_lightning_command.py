"""The `lightning` command: our verbs, and the SDK's."""

from pathlib import Path

import pytest

from lit_gan.cli import lightning_command

_SDK = "import sys\ndef main_cli():\n    print('sdk', *sys.argv[1:])\n    return 7\n"


@pytest.fixture
def _no_sdk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lightning_command, "find_spec", lambda name: None)


@pytest.fixture
def _sdk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    package = tmp_path / "lightning_sdk" / "cli"
    package.mkdir(parents=True)
    (package.parent / "__init__.py").touch()
    (package / "__init__.py").touch()
    (package / "entrypoint.py").write_text(_SDK)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("sys.argv", ["lightning", "login", "--now"])


@pytest.mark.parametrize("verb", ["fit", "validate", "test", "predict"])
def test_our_verbs_are_ours(verb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lightning_command, "lit_gan_main", lambda arguments: [0, arguments])
    assert lightning_command.main([verb, "--config", "x"]) == [0, [verb, "--config", "x"]]


@pytest.mark.usefixtures("_sdk")
def test_everything_else_is_the_sdks(capsys: pytest.CaptureFixture[str]) -> None:
    assert lightning_command.main() == 7
    assert capsys.readouterr().out == "sdk login --now\n"


@pytest.mark.usefixtures("_no_sdk")
@pytest.mark.parametrize(("arguments", "code"), [([], 0), (["--help"], 0), (["login"], 2)])
def test_without_the_sdk_the_usage_is_shown(
    arguments: list[str], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert lightning_command.main(arguments) == code
    assert "usage: lightning {fit,validate,test,predict}" in capsys.readouterr().out
