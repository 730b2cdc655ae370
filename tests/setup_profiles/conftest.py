"""The programs of setup_profiles are not part of the package: their folder is put on the path."""

from __future__ import annotations

import sys
from pathlib import Path

SETUP_PROFILES = Path(__file__).resolve().parents[2] / "setup_profiles"
sys.path.insert(0, str(SETUP_PROFILES))
