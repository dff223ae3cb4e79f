import inspect

import pytest
from jsonargparse.typing import lazy_instance

from lit_gan.engine.jsonargparse_seam import default_instance
from lit_gan.latents import Uniform


def test_a_default_is_what_jsonargparse_would_make_of_it() -> None:
    own, theirs = default_instance(Uniform), lazy_instance(Uniform)
    assert isinstance(own, Uniform)
    assert own.lazy_get_init_data() == theirs.lazy_get_init_data()
    assert type(own).__name__ == type(theirs).__name__
    assert type(own).__mro__[1:] == type(theirs).__mro__[1:]


def test_its_class_stands_where_it_says() -> None:
    made = type(default_instance(Uniform))
    assert getattr(inspect.getmodule(made), made.__name__) is made


def test_no_source_is_read_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspect, "stack", lambda *_: pytest.fail("the stack was looked through"))
    assert isinstance(default_instance(Uniform), Uniform)
