"""The drawing is shared with ``tests/bench``, so it is a package of its own, found from here."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
