"""`python -m lab` is the `lab` command, whatever folder it is called from; bin/lab is the quick way in."""

import sys

from lab.cli import main

sys.exit(main(sys.argv[1:]))
