"""The module beside this file, `hand_made`, is a small market in a build file of its own."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
