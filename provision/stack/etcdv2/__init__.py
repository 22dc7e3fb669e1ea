"""A client for etcd's v2 keys API: a model, a transport for threads (`sync`), one for asyncio (`aio`)."""

from etcdv2.model import (
    EtcdError,
    Event,
    KeyExists,
    KeyNotFound,
    Node,
    NoLeader,
    NotEtcd,
    Request,
    Unavailable,
    parse,
)

__all__ = [
    "EtcdError",
    "Event",
    "KeyExists",
    "KeyNotFound",
    "NoLeader",
    "Node",
    "NotEtcd",
    "Request",
    "Unavailable",
    "parse",
]
