"""Compares what we read from photos with what exiftool reads."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from images.photofile.metadata import exiftool

if TYPE_CHECKING:
    from images.photofile.metadata.exiftool import Comparison, Difference


class Command(BaseCommand):
    help = (
        "Compare our reading of EXIF with exiftool's over every photo below a folder, and print "
        "how far they agree. Fails if they differ in a file that is not known to be damaged. "
        "Needs exiftool, and no database."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("folder", type=Path, metavar="DIR")
        parser.add_argument(
            "--known",
            type=Path,
            metavar="FILE",
            help="Files that may differ: a path below DIR per line, a reason behind #.",
        )

    def handle(self, *args: Any, folder: Path, known: Path | None, **options: Any) -> None:
        try:
            damaged = _paths_in(known) if known else set()
            comparison = exiftool.compare(folder)
        except (exiftool.NotInstalled, exiftool.NotAFolder, OSError) as error:
            raise CommandError(str(error), returncode=2) from None
        if not comparison.files:
            raise CommandError(f"No photo was found below {folder}.", returncode=2)
        self._print_agreement(comparison)
        self._print_differences(
            "Differ", [d for d in comparison.differences if d.file not in damaged]
        )
        excused = [d for d in comparison.differences if d.file in damaged]
        self._print_differences("Known to be damaged", excused)
        if len(excused) < len(comparison.differences):
            raise CommandError("Not every value is what exiftool reads.", returncode=1)

    def _print_agreement(self, comparison: Comparison) -> None:
        self.stdout.write(
            f"{comparison.files} photos\n\n{'field':14}{'compared':>9}{'agree':>7}{'%':>8}"
        )
        fields = [name for name, count in comparison.compared.items() if count]
        for name in fields:
            self._print_row(name, comparison.compared[name], comparison.agreed[name])
        self._print_row("all", sum(comparison.compared.values()), sum(comparison.agreed.values()))

    def _print_row(self, name: str, compared: int, agreed: int) -> None:
        percent = 100 * agreed / compared if compared else 100
        # Rounded down: 99.99 % is not all.
        self.stdout.write(f"{name:14}{compared:>9}{agreed:>7}{int(percent * 10) / 10:>8.1f}")

    def _print_differences(self, title: str, differences: list[Difference]) -> None:
        if differences:
            self.stdout.write(f"\n{title}:")
        for one in differences:
            self.stdout.write(f"{one.file}: {one.field}: ours {one.ours}, exiftool's {one.theirs}")


def _paths_in(known: Path) -> set[str]:
    lines = (line.split("#", 1)[0].strip() for line in known.read_text().splitlines())
    return {line for line in lines if line}
