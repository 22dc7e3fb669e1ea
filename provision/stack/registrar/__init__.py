"""What registrars have in common: a key of etcd that is there as long as what it tells of."""

from registrar.kept_key import KeptKey

__all__ = ["KeptKey"]
