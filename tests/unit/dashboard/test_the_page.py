"""The dashboard's page, and what it says when InfluxDB does not."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from dashboard.chart import Series, page
from dashboard.influx import Influx, NoPoints


@contextmanager
def answering(body: object) -> Iterator[Influx]:
    """An InfluxDB that gives one answer."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                content = json.dumps(body).encode()
                head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(content)}\r\n\r\n"
                connection.sendall(head.encode() + content)

        thread = threading.Thread(target=serve)
        thread.start()
        yield Influx("127.0.0.1", server.getsockname()[1], "metrics")
        thread.join()


def test_points_are_drawn_in_the_order_of_time() -> None:
    rows = [[3, 0.5], [2, None], [1, 1.5]]  # newest first, as asked for
    answer = {"results": [{"series": [{"name": "load", "columns": ["time", "value"], "values": rows}]}]}
    with answering(answer) as influx:
        (series,) = influx.series()
    assert series == Series("load", (1.5, None, 0.5))
    drawn = page("metrics", "here", "there", [series])
    assert '<span class="last">0.5</span>, <span class="count">2</span> points' in drawn
    assert 'points="10.0,10.0 630.0,230.0"' in drawn


def test_an_empty_database_is_a_page_without_a_chart() -> None:
    with answering({"results": [{}]}) as influx:
        assert "no points yet" in page("metrics", "here", "there", influx.series())


def test_what_influxdb_refuses_is_said() -> None:
    refusal = {"results": [{"error": "database not found: metrics"}]}
    with answering(refusal) as influx, pytest.raises(NoPoints, match="database not found"):
        influx.series()


def test_an_influxdb_that_is_away_and_one_that_is_none_are_told() -> None:
    with pytest.raises(NoPoints, match=r"127\.0\.0\.1:9/metrics"):
        Influx("127.0.0.1", 9, "metrics").series()
    with answering(["not", "influx"]) as influx, pytest.raises(NoPoints):
        influx.series()


def test_names_cannot_break_the_page() -> None:
    assert "<b>" not in page("<b>", "<b>", "<b>", [Series("<b>", (1.0,))])
