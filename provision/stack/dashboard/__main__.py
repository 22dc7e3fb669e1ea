"""Serves the dashboard on port 80; its settings are the variables that Grafana's image of 2014 took."""

from __future__ import annotations

import os
import signal
import socket
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import FrameType

from dashboard.chart import page
from dashboard.influx import Influx, NoPoints

TITLE = "metrics"


class Handler(BaseHTTPRequestHandler):
    """Answers every GET with the page, with 503 and the reason while there are no points to be had."""

    influx: Influx
    timeout = 10

    def do_GET(self) -> None:
        try:
            body = page(TITLE, socket.gethostname(), str(self.influx), self.influx.series())
            status = 200
        except NoPoints as problem:
            status, body = 503, f"no points: {problem}\n"
        content = body.encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8" if status == 200 else "text/plain")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def version_string(self) -> str:
        return "dashboard"


class Server(ThreadingHTTPServer):
    """Takes as many connections at a time as a busy proxy makes: five, as it would be, are no queue."""

    request_queue_size = 128
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that has gone is a line in the log."""
        print(f"dashboard: {client_address}: {sys.exc_info()[1]}", file=sys.stderr)


def main() -> int:
    """Serve until a signal; the exit code."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _end)
    lacking = [name for name in ("INFLUXDB_HOST", "INFLUXDB_NAME") if not os.environ.get(name)]
    port = os.environ.get("INFLUXDB_PORT", "8086")
    if lacking or not port.isdigit():
        what = f"{lacking[0]} is not set" if lacking else f"INFLUXDB_PORT: {port!r} is no port"
        print(f"dashboard: {what}; give it with docker run -e", file=sys.stderr)
        return 2
    Handler.influx = Influx(
        os.environ["INFLUXDB_HOST"],
        int(port),
        os.environ["INFLUXDB_NAME"],
        os.environ.get("INFLUXDB_USER", ""),
        os.environ.get("INFLUXDB_PASS", ""),
    )
    Server(("", int(os.environ.get("LISTEN_PORT", "80"))), Handler).serve_forever()
    return 0


def _end(_number: int, _frame: FrameType | None) -> None:
    sys.exit(0)


if __name__ == "__main__":
    sys.exit(main())
