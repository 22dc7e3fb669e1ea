"""The toy stack's proxy: sends each request to whatever address the key holds, and says when that changes."""

import http.client
import http.server
import json
import sys
import threading
import time

ADDRESS, KEY, DEFECT = sys.argv[1], sys.argv[2], sys.argv[3]
PORT = 8071


class Provider:
    """Where requests go; "" while the key is not there."""

    where = ""


def look() -> str:
    etcd = http.client.HTTPConnection("127.0.0.1", 2379, timeout=1)
    etcd.request("GET", f"/v2/keys{KEY}")
    document = json.loads(etcd.getresponse().read())
    return str(document.get("node", {}).get("value", ""))


def follow() -> None:
    while not (DEFECT == "no-reload" and Provider.where):
        try:
            now = look()
        except (OSError, ValueError):
            now = Provider.where  # etcd is away: what was known is better than nothing
        if now != Provider.where:
            Provider.where = now
            print(f"{KEY}: provider {now}" if now else f"{KEY}: no provider", flush=True)
        time.sleep(0.05)


class Forward(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        status, body = 503, b"no provider\n"
        if Provider.where:
            host, _, port = Provider.where.partition(":")
            try:
                asked = http.client.HTTPConnection(host, int(port), timeout=0.5)
                asked.request("GET", "/")
                answer = asked.getresponse()
                status, body = answer.status, answer.read()
            except OSError as problem:
                status, body = 502, f"{problem}\n".encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 256


threading.Thread(target=follow, daemon=True).start()
Server((ADDRESS, PORT), Forward).serve_forever()
