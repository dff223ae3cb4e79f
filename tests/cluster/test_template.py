"""The shipped template, the site's own, and templates that are none."""

from pathlib import Path

import pytest

from lit_gan.cluster.job import Job
from lit_gan.cluster.template import SHIPPED, SITE_VARIABLE, chosen_template, rendered
from lit_gan.errors import UserError

_JOB = Job("gan", 1, 1, 0, False, "gan-%j.out", "true", "/opt/bin", "lit-gan submit")


@pytest.fixture
def site(tmp_path: Path) -> Path:
    return tmp_path / "site.j2"


def test_given_beats_the_site_and_the_site_beats_the_shipped_one(site: Path, tmp_path: Path) -> None:
    given = tmp_path / "given.j2"
    for path in (site, given):
        path.touch()
    environ = {SITE_VARIABLE: str(site)}
    assert chosen_template(str(given), environ) == given
    assert chosen_template(None, environ) == site
    assert chosen_template(None, {SITE_VARIABLE: ""}) == chosen_template(None, {}) == SHIPPED


@pytest.mark.parametrize(("given", "environ", "source"), [("no.j2", {}, "--template"), (None, "no.j2", SITE_VARIABLE)])
def test_a_template_that_is_not_there_is_told(given: str | None, environ: str, source: str) -> None:
    with pytest.raises(UserError, match=rf"^{source} no\.j2: no such file"):
        chosen_template(given, {SITE_VARIABLE: environ} if environ else {})


def test_a_site_writes_what_it_likes(site: Path) -> None:
    site.write_text("#!/bin/sh\n{% if job.gpus %}gpu{% else %}cpu{% endif %} {{ 'a b' | option }} {{ job.command }}\n")
    assert rendered(_JOB, site) == '#!/bin/sh\ncpu "a b" true\n'


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("#!/bin/sh\n{% if %}", "line 2: Expected an expression, got 'end of statement block'."),
        ("#!/bin/sh\n{{ job.gpu }}", "'lit_gan.cluster.job.Job object' has no attribute 'gpu'."),
        ("#!/bin/sh\n{{ jobs }}", "'jobs' is undefined."),
        ("echo", "makes no script: expected #!/bin/bash or another interpreter in its first line."),
    ],
)
def test_a_template_that_is_none_is_told(site: Path, text: str, fault: str) -> None:
    site.write_text(text)
    with pytest.raises(UserError) as told:
        rendered(_JOB, site)
    assert str(told.value) == f"{site}: {fault}"


def test_a_template_that_is_no_text_is_told(site: Path) -> None:
    site.write_bytes(b"#!/bin/sh\n\xff")
    with pytest.raises(UserError, match=r"site\.j2: .*can't decode"):
        rendered(_JOB, site)
