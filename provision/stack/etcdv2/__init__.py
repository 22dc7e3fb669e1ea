"""A client for etcd's v2 keys API: the model here, one transport for threads (`sync`) and one for asyncio (`aio`)."""

from etcdv2.model import EtcdError, Event, KeyExists, KeyNotFound, Node, Request, Unavailable, parse

__all__ = ["EtcdError", "Event", "KeyExists", "KeyNotFound", "Node", "Request", "Unavailable", "parse"]
