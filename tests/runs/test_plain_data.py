"""Whatever is wrong with a file of plain data is told in one way, and costs neither memory nor time."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from mutations import mutations

from lit_gan.cli.parsing.shipped import find
from lit_gan.errors import UserError
from lit_gan.runs.plain_data import dump_yaml, json_text, load_yaml, parse_yaml, read_configuration, read_json

_BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{place}: &a{place} [{', '.join([f'*a{place - 1}'] * 10)}]\n" for place in range(1, 10)
)
_NO_YAML = [
    ("!!int x", "invalid literal"),
    ("!!int ''", "a value that is none"),
    ("!!bool x", "a value that is none"),
    ("!!timestamp x", "a value that is none"),
    ("2020-02-31", "day is out of range"),
    ("[" * 600, "nested more than 100 deep"),
    ("&a [*a]", "nested more than 100 deep"),
    (_BOMB, "more than 100,000 values"),
    ("{", "flow node"),
    ("0x" + "f" * 5000, "a whole number of 20,000 bits"),
    ("!!python/name:os.system x", "constructor"),
]


@pytest.mark.parametrize(("text", "told"), _NO_YAML, ids=[text[:24] for text, _ in _NO_YAML])
def test_what_is_no_yaml_is_a_yaml_error(text: str, told: str) -> None:
    with pytest.raises(yaml.YAMLError, match=told):
        parse_yaml(text)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[" * 99_999 + "]" * 99_999, "nested more than 100 deep"),
        ("[" * 200 + "]" * 200, "nested more than 100 deep"),
        ("9" * 5000, "Exceeds the limit"),
        ("{", "Expecting"),
    ],
    ids=["deep", "too-deep", "too-long", "open"],
)
def test_what_is_no_json_is_a_value_error(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(ValueError, match=told):
        read_json(tmp_path / "x.json")


def _read(load: Callable[[str], Any], text: str) -> str:
    try:
        return repr(load(text))
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def test_libyaml_reads_what_pyyaml_reads() -> None:
    damaged = mutations(find("quickstart").read_bytes(), 150)
    for text in [text for text, _ in _NO_YAML if len(text) < 100] + [each.decode("latin-1") for each in damaged]:
        assert _read(lambda text: load_yaml(text, yaml.SafeLoader), text) == _read(yaml.safe_load, text)


_WRITTEN = [
    *("", "null", "1e5", "1e-05", "yes", "a: b", "# c", "- d", "'", '"', "a\nb\n", " lead", "\t", "\x00", "<<", "*a"),
    *("?", ":", "~", "\u00e9", "\U0001f600", "\x85", "\u2028", "\ufeff", "\udcff", "word " * 40, "0x1f", "C:\\x"),
    *(1e-5, 1e300, float("inf"), float("-inf"), -0.0, 10**30, None, True, [], {}, [[]], {"a": [1, {"b": {}}]}),
]


@pytest.mark.parametrize("value", _WRITTEN, ids=ascii)
@pytest.mark.parametrize("allow_unicode", [False, True])
def test_libyaml_writes_what_pyyaml_writes(value: Any, allow_unicode: bool) -> None:
    content = {"value": value, "values": [value, {"z": value, "a": value}]}
    assert dump_yaml(content, allow_unicode=allow_unicode) == yaml.safe_dump(
        content, sort_keys=False, allow_unicode=allow_unicode
    )


def test_a_pyyaml_without_libyaml_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yaml, "__with_libyaml__", False)
    monkeypatch.delattr(yaml, "CSafeDumper")

    class Loader(yaml.SafeLoader):
        pass

    assert load_yaml(dump_yaml({"lr": 1e-5}), Loader) == {"lr": 1e-5}


def test_any_damage_to_a_text_is_one_kind_of_error(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    for content in mutations(b'{"lr": 0.1, "sizes": [1, 2, {"a": null}], "on": true, "name": "x"}\n', 150):
        path.write_bytes(content)
        with suppress(ValueError):
            read_json(path)
        with suppress(yaml.YAMLError):
            parse_yaml(content.decode("latin-1"))


def test_json_has_null_for_what_no_reader_takes() -> None:
    assert json_text({"a": [float("inf"), (1.5, float("nan"))]}).split() == [
        *('{', '"a":', "[", "null,", "[", "1.5,", "null", "]", "]", "}")
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "config.yaml cannot be read (No such file"),
        (b"\xff\xfe\xff", "config.yaml is no YAML ("),
        (b"a: [", "config.yaml is no YAML (while parsing"),
        (b"- a", "config.yaml holds no configuration: put it back as it was."),
    ],
)
def test_a_runs_configuration_that_is_none_is_named(tmp_path: Path, content: bytes | None, told: str) -> None:
    path = tmp_path / "config.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError) as raised:
        read_configuration(path)
    assert told in str(raised.value)
