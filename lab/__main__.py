"""`python -m lab` is the `lab` command."""

import sys

from lab.main import main

sys.exit(main())
