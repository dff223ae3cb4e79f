"""The job's script, from a template that comes with the package or is the site's own."""

import os
import shlex
from collections.abc import Mapping
from pathlib import Path

from jinja2 import Environment, StrictUndefined, TemplateError, TemplateSyntaxError

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
        template: The template.

    Returns:
        The script.

    Raises:
        UserError: If the template is none, asks for what there is not, or makes no script.
    """
    # No autoescape, which is HTML's: values are quoted where the job is made, or by the filters of this environment.
    environment = Environment(  # noqa: S701
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    environment.filters |= {"option": option_value, "comment": comment, "shell": shlex.quote}
    try:
        script = environment.from_string(template.read_text()).render(job=job)
    except TemplateSyntaxError as error:
        raise UserError(f"{template}: line {error.lineno}: {error.message}.") from error
    except (OSError, UnicodeDecodeError, TemplateError, TypeError) as error:
        raise UserError(f"{template}: {error}.") from error
    if not script.startswith("#!"):
        raise UserError(f"{template}: makes no script: expected #!/bin/bash or another interpreter in its first line.")
    return script
