"""The little of Docker's API that registrars need: published ports, and word of comings and goings."""

from dockerapi.client import Docker, DockerUnavailable, Events, NoSuchContainer
from dockerapi.model import Container, NotPublished, Published

__all__ = [
    "Container",
    "Docker",
    "DockerUnavailable",
    "Events",
    "NoSuchContainer",
    "NotPublished",
    "Published",
]
