"""InfluxDB's query API: the last points of each measurement of a database."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from dashboard.chart import Series
from wire import http as wire

POINTS = 60


class NoPoints(Exception):
    """InfluxDB cannot be asked, or refuses; the text says why."""


@dataclass(frozen=True)
class Influx:
    """A database. Its host is a name, looked up at each question: it may move."""

    host: str
    port: int
    database: str
    user: str = ""
    password: str = ""
    within: float = 2.0

    def __str__(self) -> str:
        return f"{self.host}:{self.port}/{self.database}"

    def series(self) -> list[Series]:
        """The last POINTS of each measurement's field `value`; raises NoPoints."""
        question = f"SELECT value FROM /.*/ ORDER BY time DESC LIMIT {POINTS}"
        parameters = {"db": self.database, "q": question, "u": self.user, "p": self.password}
        query = urlencode({name: value for name, value in parameters.items() if value})
        deadline = time.monotonic() + self.within
        try:
            with socket.create_connection((self.host, self.port), self.within) as sock:
                asked = wire.Request("GET", f"/query?{query}", f"{self.host}:{self.port}")
                answer = wire.exchange(sock, asked, deadline)
            document: Mapping[str, Any] = json.loads(answer.body)
            (result,) = document["results"]
            if "error" in result:
                raise NoPoints(f"{self}: {result['error']}")
            return [_series(each) for each in result.get("series", ())]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise NoPoints(f"{self}: {error or type(error).__name__}") from None


def _series(document: Mapping[str, Any]) -> Series:
    at = document["columns"].index("value")
    values = (row[at] for row in reversed(document["values"]))
    return Series(
        str(document["name"]),
        tuple(float(value) if isinstance(value, (int, float)) else None for value in values),
    )
