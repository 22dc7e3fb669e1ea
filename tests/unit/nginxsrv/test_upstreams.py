"""SRV records as an upstream of Nginx."""

from __future__ import annotations

import pytest

from nginxsrv.program import main
from nginxsrv.upstream import EMPTY, Target, render


def test_the_best_priority_serves_and_the_others_are_its_backup() -> None:
    found = [Target(20, "10.0.0.3", 82, 100), Target(10, "10.0.0.1", 80, 75), Target(10, "fd00::2", 81, 25)]
    assert render("web.example.com.", found).splitlines()[1:] == [
        "server 10.0.0.1:80 weight=75;",
        "server [fd00::2]:81 weight=25;",
        "server 10.0.0.3:82 weight=100 backup;",
    ]


def test_records_in_any_order_give_the_same_text_and_a_weight_of_nothing_counts_as_one() -> None:
    found = [Target(10, "10.0.0.2", 80, 0), Target(10, "10.0.0.1", 80, 1)]
    assert render("web", found) == render("web", [*reversed(found), found[0]])
    assert "weight=0" not in render("web", found)


def test_no_record_is_an_upstream_that_is_down_for_nginx_takes_none_that_is_empty() -> None:
    assert render("web", []).splitlines()[1:] == [EMPTY]


@pytest.mark.parametrize(
    "words",
    [
        ["a..b", "/f"],
        ["web", "/f", "--every", "0"],
        ["web", "/f", "--server", "dns"],
        ["web"],
        ["web", "f", "--colour"],
    ],
)
def test_what_cannot_be_used_is_refused_with_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert "nginx-srv: error:" in capsys.readouterr().err
