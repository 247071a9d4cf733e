#!/usr/bin/env python
"""Django's command line, and `up`, which starts everything on this machine."""

from __future__ import annotations

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bandpics.settings")
    try:
        from bandpics.local import environment

        folder = environment.take_data_dir(sys.argv)
        # Before Django: `up` makes the settings that Django wants to see.
        if sys.argv[1:2] == ["up"]:
            from bandpics.local import up

            sys.exit(up.main(sys.argv[2:]))
        from django.core.management import execute_from_command_line
    except ModuleNotFoundError as error:
        sys.exit(
            f"bandpics: {error.name} is not installed: this is {sys.executable}. "
            "Run `make setup`, then `make run`."
        )
    if folder is None:
        environment.borrow(os.environ)
    elif not environment.use(folder, os.environ):
        sys.exit(f"bandpics: {folder} holds no stack: `up` never ran there.")
    if sys.argv[1:2] == ["compare_exif"]:  # looks at files, and at no store
        environment.pretend(os.environ)
    if sys.argv[1:] in ([], ["help"], ["--help"], ["-h"]):
        sys.stdout.write("[bandpics]\n    up    start everything here and print a link\n\n")
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
