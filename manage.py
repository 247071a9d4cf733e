#!/usr/bin/env python
"""Django's command line, and `up`, which starts everything on this machine."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bandpics.settings")
    try:
        if find_spec("bandpics.local"):  # the production image has none
            from bandpics.local import environment

            environment.apply(sys.argv)
            if sys.argv[1:2] == ["up"]:
                from bandpics.local import up

                sys.exit(up.main(sys.argv[2:]))
            if sys.argv[1:2] == ["restore_drill"]:
                from bandpics.local import restore_drill

                sys.exit(restore_drill.main(sys.argv[2:]))
        from django.core.management import execute_from_command_line
    except ModuleNotFoundError as error:
        sys.exit(
            f"bandpics: {error.name} is not installed: this is {sys.executable}. "
            "Run `make setup`, then `make run`."
        )
    if sys.argv[1:] in ([], ["help"], ["--help"], ["-h"]):
        sys.stdout.write(
            "[bandpics]\n    up    start everything here and print a link\n"
            "    restore_drill    lose all of a new stack, and restore it from a backup\n\n"
        )
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
