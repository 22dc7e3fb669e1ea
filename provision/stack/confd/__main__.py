"""`python3 -m confd`."""

from confd.main import main

main()
