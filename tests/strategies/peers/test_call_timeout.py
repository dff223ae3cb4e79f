import time

import pytest

from lit_gan.strategies.peers.call_timeout import call_with_timeout


def test_a_call_that_takes_too_long_is_given_up():
    began = time.monotonic()
    with pytest.raises(TimeoutError, match=r"no answer for 0\.5 s"):
        call_with_timeout(0.5, lambda: time.sleep(300))
    assert time.monotonic() - began < 290


def test_what_a_call_raises_is_raised():
    with pytest.raises(TimeoutError, match="its own"):
        call_with_timeout(5, lambda: (_ for _ in ()).throw(TimeoutError("its own")))
