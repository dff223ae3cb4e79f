"""Advice to install an extra fits how the package itself was installed."""

import importlib.metadata
from typing import Any

import pytest

from lit_gan import installation
from lit_gan.installation import install_command

_HERE = "pip install -e '.[sweep]'"
_BY_NAME = "pip install 'lit-gan[sweep]'"


class _Distribution:
    def __init__(self, origin: str | None) -> None:
        self._origin = origin

    def read_text(self, name: str) -> str | None:
        assert name == "direct_url.json"
        return self._origin


@pytest.mark.parametrize(
    ("origin", "command"),
    [
        ('{"url": "file:///x", "dir_info": {"editable": true}}', _HERE),
        ('{"url": "file:///x", "dir_info": {"editable": false}}', _BY_NAME),
        ('{"url": "file:///x", "dir_info": {}}', _BY_NAME),
        ('{"url": "file:///x.whl", "archive_info": {}}', _BY_NAME),
        (None, _BY_NAME),
    ],
)
def test_the_command_fits(origin: str | None, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installation, "distribution", lambda name: _Distribution(origin))
    assert install_command("sweep") == command


def test_where_nothing_is_installed_it_is_run_from_its_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(name: str) -> Any:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(installation, "distribution", none)
    assert install_command("sweep") == _HERE
