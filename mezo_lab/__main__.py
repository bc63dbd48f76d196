"""`python -m mezo_lab` is `mezo-lab`."""

import sys

from mezo_lab.cli import main

sys.exit(main())
