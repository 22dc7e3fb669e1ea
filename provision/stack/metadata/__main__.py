"""`python3 -m metadata` runs the metadata service."""

from metadata.server import main

main()
