"""Renders one spec of a photo: from its original, or from the largest variant, to a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from images.photofile.rendering import Rendered
    from images.photofile.transforms.spec import Size, Spec


def render(
    path: Path,
    *,
    spec: Spec,
    into: Path,
    declared: Size | None = None,
    watermark: Path | None = None,
) -> Rendered:
    """Writes the result of a spec into the folder `into`, as a file without metadata.

    `declared` is the size of the upright picture that the crop refers to, where that is not the
    file's own: the largest variant stands in for an original that is there no longer. `watermark`
    is the file of the photo that `spec.watermark` names. Raises BadPicture and SpecError.
    """
    raise NotImplementedError
