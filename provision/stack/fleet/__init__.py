"""fleet: systemd units spread over a cluster through etcd; fleetd is the daemon, fleetctl the client."""

VERSION = "1.0.0"
