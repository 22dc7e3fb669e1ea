"""Lists in pages, while the list changes between two of them."""

from __future__ import annotations

from typing import Any

import pytest

from fleet.pages import page


def states(*names: str) -> list[dict[str, Any]]:
    return [{"name": name, "machineID": machine} for name in sorted(names) for machine in ("m1", "m2")]


def test_a_row_is_on_one_page_though_others_come_before_it() -> None:
    first, token = page("state", states("b", "d"), "", 3)
    second, last = page("state", states("a", "b", "c", "d"), token, 3)
    assert [f"{row['name']} {row['machineID']}" for row in [*first, *second]] == [
        "b m1",
        "b m2",
        "d m1",
        "d m2",
    ]
    assert last == ""


def test_no_row_is_passed_over_though_others_before_it_go() -> None:
    first, token = page("units", [{"name": name} for name in "abcd"], "", 2)
    second, last = page("units", [{"name": name} for name in "cd"], token, 100)
    assert [row["name"] for row in [*first, *second]] == list("abcd")
    assert last == ""


@pytest.mark.parametrize(
    ("collection", "token"),
    [
        ("machines", "EwBMLg=="),
        ("machines", "!"),
        ("state", "MXw="),  # one word of a key that has two
        ("units", "MHxh"),  # 0 a page
        ("units", "MTAwMXxh"),  # 1001 a page
        ("units", "MnxhfG0x"),
    ],
)
def test_a_token_that_is_none_of_ours_is_refused(collection: str, token: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - of several kinds; the API words it
        page(collection, [], token, 2)
