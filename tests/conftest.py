"""What all tests share."""

from hypothesis import settings

# A host that runs machines is busy, and a single slow example says nothing about the code.
settings.register_profile("busy host", deadline=None)
settings.load_profile("busy host")
