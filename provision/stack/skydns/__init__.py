"""SkyDNS 2: a DNS server whose records are keys of etcd."""

VERSION = "2.5.3a"  # what it behaves like, and answers to version.bind
