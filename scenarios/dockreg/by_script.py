"""The second of the article's three ways: instances that a start script registers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from scenarios.dockreg.article import FOLDER, Dockreg, Instance

HOST = "host-1"
PORT = 8100
SCRIPT = "start-script.sh"


@contextmanager
def by_script(article: Dockreg, warm_up: int = 0) -> Iterator[Instance]:
    """An instance that its start script registers; the port is chosen beforehand, as it cannot ask Docker."""
    node = article.lab[HOST]
    node.put(FOLDER / SCRIPT, SCRIPT, mode=0o755)
    ip = article.address(node)
    container = node.output(
        f"docker run -d -p {PORT}:8000 -v $PWD/{SCRIPT}:/{SCRIPT} --entrypoint /{SCRIPT} "
        f"-e WARM_UP={warm_up} -e IP={ip} -e PORT={PORT} -e ETCD=http://172.17.42.1:4001 local/dockreg",
        timeout=article.patience,
    )
    instance = Instance(HOST, container, f"{ip}:{PORT}")
    try:
        yield instance
    finally:
        node.run(["docker", "rm", "--force", container], check=False, timeout=article.patience)
        article.lab.etcd.delete(instance.key)
