"""Plain data in files, JSON and YAML: read so that whatever is wrong with a file is told in one way."""

import json
import math
import re
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from lit_gan.errors import UserError, in_short

_DEEPEST = 100  # levels: a configuration has a dozen
_TOO_DEEP = f"it is nested more than {_DEEPEST} deep"
_MOST = 100_000  # values, each counted wherever an alias of YAML repeats it
_MOST_BITS = 14_000  # of a whole number: Python itself writes no more than 4,300 digits
_NUMBER = re.compile(r"[-+]?(\d[\d_]{4200,}|0[xXoObB][\da-fA-F_]{3500,})")  # as large, where every value is a text


def read_json(path: Path) -> Any:
    """What a JSON file says.

    Raises:
        OSError: It cannot be read.
        ValueError: It is no JSON, or nested or filled beyond what any file of ours is.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = Path(folder, "run.json").write_text('{"status": "running"}')
        ...     read_json(Path(folder, "run.json"))
        {'status': 'running'}
    """
    text = path.read_text()
    try:
        content = json.loads(text)
    except RecursionError as error:
        raise ValueError(_TOO_DEEP) from error
    if fault := excess(content):
        raise ValueError(fault)
    return content


def json_text(content: Any) -> str:
    r"""Plain data as JSON that every reader takes: a number that is not finite is null.

    Example:
        >>> json_text({"error": float("nan")})
        '{\n  "error": null\n}\n'
    """
    return json.dumps(_finite(content), indent=2, allow_nan=False) + "\n"


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def load_yaml(text: str, loader: Any) -> Any:
    """What a text says to a loader, in an eighth of its time where PyYAML has LibYAML.

    What LibYAML refuses is read once more by the loader itself: an error has its words.

    Args:
        text: The text.
        loader: ``yaml.SafeLoader``, or one with resolvers of its own.

    Example:
        >>> import yaml
        >>> load_yaml("[1, 2.5, x]", yaml.SafeLoader)
        [1, 2.5, 'x']
    """
    import yaml  # noqa: PLC0415 -- `lit-gan --help` reads none

    with suppress(Exception):
        return yaml.load(text, _of_libyaml(loader))  # noqa: S506 -- as safe as the loader
    return yaml.load(text, loader)  # noqa: S506 -- which is a SafeLoader


@cache
def _of_libyaml(loader: Any) -> Any:
    import yaml  # noqa: PLC0415 -- `lit-gan --help` reads none

    if not yaml.__with_libyaml__:
        return loader
    return type(loader.__name__, (yaml.CSafeLoader,), {"yaml_implicit_resolvers": loader.yaml_implicit_resolvers})


def dump_yaml(content: Any, *, allow_unicode: bool = False) -> str:
    r"""Plain data as YAML, its keys in their order; in a fifth of PyYAML's own time where it has LibYAML.

    Args:
        content: Mappings, lists and values.
        allow_unicode: Whether letters beyond ASCII stand as they are.

    Example:
        >>> dump_yaml({"lr": 0.1, "betas": [0.0, 0.99]})
        'lr: 0.1\nbetas:\n- 0.0\n- 0.99\n'
    """
    import yaml  # noqa: PLC0415 -- `lit-gan --help` reads none

    def written(dumper: Any) -> str:
        text: str = yaml.dump(
            content, Dumper=dumper, default_flow_style=False, sort_keys=False, allow_unicode=allow_unicode
        )
        return text

    if yaml.__with_libyaml__:
        with suppress(UnicodeEncodeError):  # bytes of a path that are no letters
            text = written(yaml.CSafeDumper)
            if "\\" not in text:  # LibYAML takes some letters for unprintable, such as pictures
                return text
    return written(yaml.SafeDumper)


def parse_yaml(text: str) -> Any:
    """What a YAML text says, by the safe tags alone.

    Raises:
        yaml.YAMLError: It is no YAML, has a value that its tag cannot have, or is nested or filled beyond what any file
            of ours is.

    Example:
        >>> parse_yaml("lr: 0.1")
        {'lr': 0.1}
    """
    import yaml  # noqa: PLC0415 -- `lit-gan --help` reads none

    try:
        content = load_yaml(text, yaml.SafeLoader)
    except yaml.YAMLError:
        raise
    except ValueError as error:  # a date that there is not
        raise yaml.YAMLError(in_short(error)) from error
    except RecursionError as error:
        raise yaml.YAMLError(_TOO_DEEP) from error
    except Exception as error:  # `!!bool x`: each of PyYAML's constructors fails in its own way
        raise yaml.YAMLError(f"a value that is none ({in_short(error)})") from error
    if fault := excess(content):
        raise yaml.YAMLError(fault)
    return content


def read_configuration(path: Path) -> dict[str, Any]:
    """The ``config.yaml`` that a run keeps.

    Raises:
        UserError: It is none.
    """
    import yaml  # noqa: PLC0415 -- as above

    try:
        content = parse_yaml(path.read_text())
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}).") from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(f"{path} is no YAML ({in_short(error)}): put it back as it was.") from error
    if not isinstance(content, dict):
        raise UserError(f"{path} holds no configuration: put it back as it was.")
    return content


def excess(content: Any) -> str | None:
    """What nobody can mean, in words: an alias within itself, aliases of aliases, a number that nobody can write."""
    seen, waiting = 0, [(content, 0)]
    while waiting:
        value, depth = waiting.pop()
        seen += 1
        if depth > _DEEPEST:
            return _TOO_DEEP
        if seen > _MOST:
            return f"it holds more than {_MOST:,} values"
        if isinstance(value, str):
            if _NUMBER.fullmatch(value):
                return f"a number of {len(value):,} digits"
        elif isinstance(value, int):
            if value.bit_length() > _MOST_BITS:
                return f"a whole number of {value.bit_length():,} bits"
        elif isinstance(value, Mapping):
            waiting.extend((each, depth + 1) for pair in value.items() for each in pair)
        elif isinstance(value, list | tuple | set | frozenset):
            waiting.extend((each, depth + 1) for each in value)
    return None
