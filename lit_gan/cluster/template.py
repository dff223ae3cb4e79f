"""The job's script, from a template that comes with the package or is the site's own."""

import os
import shlex
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from traceback import extract_tb

from jinja2 import (
    Environment,
    FileSystemLoader,
    StrictUndefined,
    TemplateNotFound,
    TemplateSyntaxError,
    UndefinedError,
)

from lit_gan.cluster.job import Job
from lit_gan.cluster.quoting import comment, option_value
from lit_gan.errors import UserError

#: The template that comes with the package.
SHIPPED = Path(__file__).with_name("templates") / "job.sbatch.j2"
#: Names the template of a whole site.
SITE_VARIABLE = "LIT_GAN_SBATCH_TEMPLATE"


def chosen_template(given: str | None, environ: Mapping[str, str] | None = None) -> Path:
    """The template to use: the one that was given, that of the site, or the shipped one.

    Args:
        given: What follows ``--template``; None if it was not given.
        environ: The environment of the process; None means ``os.environ``.

    Raises:
        UserError: If there is no such file.

    Example:
        >>> chosen_template(None, {}) == SHIPPED
        True
    """
    environ = os.environ if environ is None else environ
    source, path = ("--template", given) if given is not None else (SITE_VARIABLE, environ.get(SITE_VARIABLE))
    if not path:
        return SHIPPED
    if not Path(path).is_file():
        raise UserError(f"{source} {path}: no such file; expected a Jinja2 template of a script for sbatch.")
    return Path(path)


def rendered(job: Job, template: Path) -> str:
    """The script of a job.

    Args:
        job: The job.
        template: The template; what it extends and includes is looked for beside it, and then beside the shipped one.

    Returns:
        The script.

    Raises:
        UserError: If the template is none, ends in an error, or makes no script.

    Example:
        >>> what = {"command": "lit-gan fit --config mnist", "submitted_by": "lit-gan submit -- fit --config mnist"}
        >>> where = {"nodes": 2, "devices": 4, "gpus": 4, "asks_for_gpus": True, "environment": "/opt/gan/bin"}
        >>> script = rendered(Job("mnist", log="mnist-%j.log", **where, **what), SHIPPED)
        >>> [line for line in script.splitlines() if "--nodes" in line and line.startswith("#SBATCH")]
        ['#SBATCH --nodes=2']
    """
    environment = _environment(template)
    try:
        script = environment.get_template(template.name).render(job=job)
    except TemplateSyntaxError as error:
        raise UserError(f"{_place(error.filename, error.lineno)}: {_sentence(error.message)}") from error
    except Exception as error:  # a template is a program of the site's: it may end in whatever way programs do
        frames = extract_tb(error.__traceback__)  # those of Jinja's templates among them
        lines = [frame for frame in frames if Path(frame.filename).is_file() and not frame.filename.endswith(".py")]
        where = _place(lines[-1].filename, lines[-1].lineno) if lines else str(template)
        raise UserError(f"{where}: {_sentence(_words_of(error))}") from error
    if not script.startswith("#!"):
        raise UserError(f"{template}: makes no script: expected #!/bin/bash or another interpreter in its first line.")
    return script


def _environment(template: Path) -> Environment:
    # No autoescape, which is HTML's: values are quoted where the job is made, or by the filters of this environment.
    environment = Environment(  # noqa: S701
        loader=FileSystemLoader([template.parent, SHIPPED.parent]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"option": option_value, "comment": comment, "shell": _shell}
    return environment


def _shell(value: object) -> str:
    return shlex.quote(str(value))


def _words_of(error: Exception) -> str:
    """What went wrong, for the author of the template."""
    if isinstance(error, UndefinedError):
        names = ", ".join(field.name for field in fields(Job))
        return f"{error.message}; there is `job`, with {names}"
    if isinstance(error, TemplateNotFound):
        return str(error.message)
    return f"{type(error).__name__}: {error}"


def _place(file: str | None, line: int | None) -> str:
    return f"{Path(file or '')}: line {line}"


def _sentence(text: str | None) -> str:
    return f"{' '.join((text or '').split()).rstrip('.')}."
