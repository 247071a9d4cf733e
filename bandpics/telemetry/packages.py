"""Packages that only some installations need (requirements-telemetry.in)."""

from __future__ import annotations


class NotInstalled(Exception):
    """A setting asks for a package that is not there."""

    def __init__(self, setting: str, package: str) -> None:
        super().__init__(
            f"{setting} is set, but {package} is not installed. Install requirements-telemetry.txt "
            "in place of requirements.txt (for the image: docker build --build-arg "
            f"REQUIREMENTS=requirements-telemetry.txt), or take {setting} out."
        )
