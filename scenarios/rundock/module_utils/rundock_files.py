"""The files of a runit service that keeps a container running, and announces it in SkyDNS; no I/O."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field

NOTE = "# Written by the Ansible module rundock, whose next run takes back what is changed here."
STATE = "/run/rundock"  # NAME in it: how each run of the container has ended since it was enabled
LOOK_EVERY = 5  # seconds between two questions to a service that is announced, less for a short TTL
LOOK_FIRST = 2  # the same before it is announced
STOP_WITHIN = 10  # seconds that a container has for its end


@dataclass(frozen=True)
class Service:
    """What is asked of rundock for one container; ports are numbers, `ttl` seconds."""

    name: str
    image: str
    args: str = ""
    announce: int | None = None
    announce_as: str = "private"
    port: int | None = None
    check: str = "none"
    domain: str = "s.prod.example.com"
    ttl: int = 60
    etcd: Sequence[str] = field(default=("http://127.0.0.1:4001",))
    private_interface: str = "eth1"
    public_interface: str = "eth0"

    def files(self) -> dict[str, str]:
        """The text of each file, by its place in the service's folder; all of them are programs."""
        made = {"log/run": self._log()}
        inner = "" if self.announce is None else "services/service/"
        made[f"{inner}run"] = self._container()
        made[f"{inner}finish"] = self._finish()
        made[f"{inner}control/t"] = self._stop()
        if self.announce is not None:
            made["run"] = NESTED
            made["services/announce/run"] = self._announcer()
        return made

    def key(self, hostname: str) -> str:
        """Where in etcd the announcement is."""
        return "/skydns/" + "/".join(reversed(self.domain.strip(".").split("."))) + f"/{self.name}/{hostname}"

    def _container(self) -> str:
        publish = ""
        if self.announce is not None and self.announce_as != "container":
            publish = f' -p "$ANNOUNCE_IP:{self.announce}:{self.port or self.announce}"'
        return f"""\
#!/bin/bash
{NOTE}
exec 2>&1
{self._addresses()}
if docker inspect {self.name} >/dev/null 2>&1; then
    docker rm --force {self.name} >/dev/null || exit
fi
if ! docker pull --quiet {shlex.quote(self.image)}; then
    docker image inspect {shlex.quote(self.image)} >/dev/null || exit
    echo "rundock: {self.name}: the image is the one that is here already"
fi
exec docker run -i --rm --name {self.name} --hostname "$(hostname)-{self.name}" \\
    {self.args}{publish} {self.image}
"""

    def _finish(self) -> str:
        return f"""\
#!/bin/bash
{NOTE}
# $1: exit code, or -1 with the signal in $2
echo "rundock: {self.name}: the container ended with $1"
mkdir -p {STATE} && echo "$1" >>{STATE}/{self.name}
"""

    def _stop(self) -> str:
        """Instead of SIGTERM, which a container's first process does not hear unless it listens for it."""
        return f"""\
#!/bin/bash
{NOTE}
exec docker stop --time {STOP_WITHIN} {self.name} >/dev/null 2>&1
"""

    def _log(self) -> str:
        place = f"/var/log/docker-{self.name}"
        return f"#!/bin/bash\n{NOTE}\nmkdir -p {place} && exec svlogd -tt {place}\n"

    def _addresses(self) -> str:
        chosen = {"private": "$PRIVATE_IP", "public": "$PUBLIC_IP"}.get(self.announce_as, "")
        return f"""\
address_of() {{
    local found
    read -r _ _ _ found _ < <(ip -4 -o address show dev "$1" scope global 2>/dev/null)
    echo "${{found%/*}}"
}}
PUBLIC_IP=$(address_of {self.public_interface})
PRIVATE_IP=$(address_of {self.private_interface})
PRIVATE_IP=${{PRIVATE_IP:-$PUBLIC_IP}}
ANNOUNCE_IP={chosen}
"""

    def _announcer(self) -> str:
        container = ""
        if self.announce_as == "container":
            template = shlex.quote("{{.NetworkSettings.IPAddress}}")
            container = f"    ANNOUNCE_IP=$(docker inspect --format {template} {self.name} 2>/dev/null)\n"
        servers = " ".join(shlex.quote(url.rstrip("/")) for url in self.etcd)
        hostname = "$(hostname)"
        return f"""\
#!/bin/bash
{NOTE}
exec 2>&1
{self._addresses()}
KEY={self.key(hostname)}
PORT={self.announce}
ETCD=({servers})

ask() {{ # ask METHOD ARGUMENT...: of the first etcd that answers
    local server
    for server in "${{ETCD[@]}}"; do
        curl --silent --fail --location --max-time 3 --output /dev/null \\
            -X "$1" "${{@:2}}" "$server/v2/keys$KEY"
        # 22: etcd has answered, and refused
        case $? in 0) return 0 ;; 22) return 1 ;; esac
    done
    return 1
}}
pause() {{ # a signal ends \\`wait\\`, and would not end \\`sleep\\`
    sleep "$1" &
    wait $!
}}
announce() {{
    [ "$ANNOUNCE_IP" ] || return # a container's, before it runs
    ask PUT --data-urlencode "value={{\\"host\\": \\"$ANNOUNCE_IP\\", \\"port\\": $PORT}}" -d ttl={self.ttl}
}}
withdraw() {{
    ask DELETE
    announced=0
}}
answers() {{
    {self._question()}
}}
trap 'kill $! 2>/dev/null; withdraw; exit 0' TERM INT
announced=0 good=0
while :; do
{container}    {self._loop()}
done
""".replace("\\`", "`")

    def _question(self) -> str:
        """A command that succeeds if the service answers."""
        if self.check.startswith("/"):
            url = shlex.quote(self.check)
            return f'curl --silent --fail --max-time 3 --output /dev/null "http://$ANNOUNCE_IP:$PORT"{url}'
        if self.check == "tcp":
            return 'timeout 3 bash -c "exec 3<>/dev/tcp/$ANNOUNCE_IP/$PORT" 2>/dev/null'
        return "true"

    def _loop(self) -> str:
        """One turn: announced every three quarters of the TTL; with a check, only what answers."""
        again = self.ttl * 3 // 4
        if self.check == "none":
            return f"announce && pause {again} || pause {LOOK_FIRST}"
        every = max(1, min(LOOK_EVERY, (self.ttl - again) // 2))
        return f"""\
if ! answers; then
        [ $announced = 0 ] || echo "rundock: {self.name}: no answer from $ANNOUNCE_IP:$PORT, withdrawn"
        [ $announced = 0 ] || withdraw
        good=0
    elif [ $((good += 1)) -ge 2 ] && [ $((SECONDS - announced)) -ge {again} -o $announced = 0 ]; then
        # twice in a row: what ends right after its start is not there yet
        announce && announced=$((SECONDS + (SECONDS == 0)))
    fi
    pause $((announced ? {every} : {min(every, LOOK_FIRST)}))"""


NESTED = f"""\
#!/bin/bash
{NOTE}
# Two services in one: the announcement goes first when they are stopped, then the container.
exec 2>&1
runsvdir -P services &
inner=$!
stop() {{
    sv -w 15 stop ./services/announce
    sv -w {STOP_WITHIN + 20} stop ./services/service
    kill -HUP $inner
    wait $inner
    exit 0
}}
trap stop TERM INT
wait $inner
"""
