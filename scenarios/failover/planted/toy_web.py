"""The toy stack's service and its sidekick in one: serves after a while, and registers itself in etcd."""

import http.client
import http.server
import os
import sys
import threading
import time
import urllib.parse

ADDRESS, KEY, DEFECT = sys.argv[1], sys.argv[2], sys.argv[3]
PORT, TTL, WARM_UP = 8070, 3, 3.0 if DEFECT == "early" else 0.3


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = f"toy from {os.uname().nodename}\n".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def register() -> None:
    """Write the key now; what fails is tried again by whoever calls."""
    form = {"value": f"{ADDRESS}:{PORT}"} | ({} if DEFECT == "no-ttl" else {"ttl": str(TTL)})
    head = {"Content-Type": "application/x-www-form-urlencoded"}
    try:
        etcd = http.client.HTTPConnection("127.0.0.1", 2379, timeout=1)
        etcd.request("PUT", "/v2/keys" + KEY, urllib.parse.urlencode(form), head)
        etcd.getresponse().read()
    except OSError as problem:
        print(f"{KEY} is not written: {problem}", flush=True)


def keep() -> None:
    while True:
        register()
        if DEFECT == "no-ttl":
            return
        time.sleep(TTL / 4)


def main() -> None:
    keeper = threading.Thread(target=keep, daemon=True)
    if DEFECT == "early":
        keeper.start()
    time.sleep(WARM_UP)
    with http.server.ThreadingHTTPServer((ADDRESS, PORT), Page) as server:
        if DEFECT != "early":
            keeper.start()
        server.serve_forever()


main()
