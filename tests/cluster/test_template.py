"""The shipped template, the site's own, and templates that are none."""

from pathlib import Path

import pytest

from lit_gan.cluster.job import Job
from lit_gan.cluster.template import SHIPPED, SITE_VARIABLE, chosen_template, rendered
from lit_gan.errors import UserError

_JOB = Job("gan", 1, 1, 0, False, "gan-%j.out", "true", "/opt/bin", "lit-gan submit")

_FIELDS = (
    "there is `job`, with name, nodes, devices, gpus, asks_for_gpus, log, command, environment, submitted_by, "
    "signal_seconds, options, sweep, container."
)


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
        ("#!/bin/sh\n{{ 1 | no }}", "line 2: No filter named 'no'."),
        ("#!/bin/sh\n{{ job.gpu }}", f"line 2: 'lit_gan.cluster.job.Job object' has no attribute 'gpu'; {_FIELDS}"),
        ("#!/bin/sh\n{{ jobs }}", f"line 2: 'jobs' is undefined; {_FIELDS}"),
        ("#!/bin/sh\n\n{{ job.nodes // 0 }}", "line 3: ZeroDivisionError: integer division or modulo by zero."),
        ("#!/bin/sh\n{{ '%d' | format('a') }}", "line 2: TypeError: %d format: a real number is required, not str."),
        ("echo", "makes no script: expected #!/bin/bash or another interpreter in its first line."),
    ],
)
def test_a_template_that_is_none_is_told(site: Path, text: str, fault: str) -> None:
    site.write_text(text)
    with pytest.raises(UserError) as told:
        rendered(_JOB, site)
    assert str(told.value) == f"{site}: {fault}"


def test_the_shipped_template_is_extended_and_files_beside_the_sites_own_are_included(site: Path) -> None:
    site.write_text(
        '{% extends "job.sbatch.j2" %}\n'
        "{% block options %}\n#SBATCH --exclusive\n{% endblock %}\n"
        '{% block setup %}\n{% include "modules.j2" %}\n{% endblock %}\n'
    )
    (site.parent / "modules.j2").write_text("ulimit -n {{ 65536 | shell }}\n")
    own, shipped = rendered(_JOB, site).splitlines(), rendered(_JOB, SHIPPED).splitlines()
    added = ["#SBATCH --exclusive", "ulimit -n 65536"]
    assert [line for line in own if line not in added] == shipped
    assert own.index(added[0]) < own.index("set -euo pipefail") < own.index(added[1]) < own.index(own[-1])


def test_a_fault_in_an_included_file_is_told_with_its_name(site: Path) -> None:
    site.write_text('#!/bin/sh\n{% include "modules.j2" %}\n')
    modules = site.parent / "modules.j2"
    modules.write_text("\n{{ 1 // 0 }}\n")
    with pytest.raises(UserError) as told:
        rendered(_JOB, site)
    assert str(told.value).startswith(f"{modules}: line 2: ZeroDivisionError")
    modules.write_text("{% if %}")
    with pytest.raises(UserError) as told:
        rendered(_JOB, site)
    assert str(told.value).startswith(f"{modules}: line 1: Expected an expression")


def test_a_template_to_include_that_is_not_there_is_told_with_the_folders_that_were_searched(site: Path) -> None:
    site.write_text("#!/bin/sh\n{% include 'no.j2' %}")
    told = f"{site}: line 2: 'no.j2' not found in search paths: '{site.parent}', '{SHIPPED.parent}'."
    with pytest.raises(UserError) as refusal:
        rendered(_JOB, site)
    assert str(refusal.value) == told


def test_a_template_that_is_no_text_is_told(site: Path) -> None:
    site.write_bytes(b"#!/bin/sh\n\xff")
    with pytest.raises(UserError, match=r"site\.j2: .*can't decode"):
        rendered(_JOB, site)
