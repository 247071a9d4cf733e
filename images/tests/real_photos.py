"""Real camera files with what exiftool says of them, where this machine has the folder."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

_REPOSITORY = Path(__file__).resolve().parents[2]
FOLDER = Path(os.environ.get("BANDPICS_PHOTOS") or _REPOSITORY.parent / "shared" / "photos")

# {path below the folder: {exiftool's key: value}}; empty where there is no such folder.
TRUTH: dict[str, dict[str, Any]] = {}
if (FOLDER / "truth.json").is_file():
    for entry in json.loads((FOLDER / "truth.json").read_text()):
        TRUTH[entry["SourceFile"].removeprefix("./")] = entry

# The formats we take; the others are only ever refused.
TAKEN = {name: entry for name, entry in TRUTH.items() if entry["File:FileType"] in {"JPEG", "HEIC"}}
