"""ssh's way to a machine: makes the TCP connection and hands it to ssh, which then needs no helper.

Run inside the lab's network namespace as `python -I -S dial.py ADDRESS PORT`, by ssh's ProxyCommand with
ProxyUseFdpass: standard output is a unix socket to ssh.
"""

import socket
import sys

WITHIN = 15.0  # seconds: a machine in software emulation that boots answers late


def main(address: str, port: str) -> int:
    try:
        connection = socket.create_connection((address, int(port)), WITHIN)
    except OSError as problem:
        print(f"lab: no connection to {address}: {problem}", file=sys.stderr)
        return 1
    connection.setblocking(True)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with socket.socket(fileno=sys.stdout.fileno()) as ssh:
        socket.send_fds(ssh, [b"\0"], [connection.fileno()])
        ssh.detach()
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
