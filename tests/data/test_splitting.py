from lit_gan.data.splitting import hashed_order


def test_order_is_a_permutation_that_mixes():
    order = hashed_order([str(row) for row in range(1000)])
    assert sorted(order) == list(range(1000))
    assert abs(sum(order[:500]) / 500 - 499.5) < 50  # 12.9 is one standard error


def test_names_keep_their_order_when_others_come():
    names = [f"picture-{row}" for row in range(50)]
    more = [*names[:20], "new", *names[20:]]
    old = [names[row] for row in hashed_order(names)]
    assert [more[row] for row in hashed_order(more) if more[row] != "new"] == old


def test_names_that_are_no_utf_8_are_told_apart():
    names = [b"\xe9".decode("utf-8", "surrogateescape"), b"\xe8".decode("utf-8", "surrogateescape"), "é"]
    assert sorted(hashed_order(names)) == [0, 1, 2]
