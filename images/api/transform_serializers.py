"""The steps of a transform as a request writes them, and a transform as it is answered."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar

from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from bandpics.api.unknown_names import KnownFieldsOnly
from images import transforms
from images.models import Transform
from images.photofile.transforms import spec as steps
from images.photofile.transforms.spec import Spec, SpecError

if TYPE_CHECKING:
    from images.photofile.transforms.spec import FormatName

# A crop beyond the photo is refused with the photo's size; this only keeps numbers small.
MAX_COORDINATE = 1_000_000
FULL_TURNS_AT_MOST = 10
# `jpg` is what everybody writes.
FORMATS = (*steps.FORMATS, "jpg")
MAX_REMEMBERED = 1000  # letters of a body
_MOMENT = serializers.DateTimeField()


class NumberField(serializers.FloatField):
    """A finite number. DRF takes `true` for 1, and lets NaN and infinity pass."""

    def to_internal_value(self, data: Any) -> float:
        try:
            value = math.nan if isinstance(data, bool) else super().to_internal_value(data)
        except OverflowError:
            value = math.inf
        if not math.isfinite(value):
            self.fail("invalid")
        return float(value)


class CropSerializer(KnownFieldsOnly, serializers.Serializer[Any]):
    """A rectangle of the upright photo, in its pixels."""

    x = serializers.IntegerField(min_value=0, max_value=MAX_COORDINATE, default=0)
    y = serializers.IntegerField(min_value=0, max_value=MAX_COORDINATE, default=0)
    width = serializers.IntegerField(min_value=1, max_value=MAX_COORDINATE)
    height = serializers.IntegerField(min_value=1, max_value=MAX_COORDINATE)


class ResizeSerializer(KnownFieldsOnly, serializers.Serializer[Any]):
    """A side of 0, or absent, follows from the other; without both, nothing is resized."""

    width = serializers.IntegerField(min_value=0, max_value=steps.MAX_EDGE, default=0)
    height = serializers.IntegerField(min_value=0, max_value=steps.MAX_EDGE, default=0)
    mode = serializers.ChoiceField(
        choices=steps.MODES,
        default="fit",
        help_text="fit: within the box, never enlarged; fill: covers the box, and what is beyond "
        "it is cut; exact: stretched.",
    )


class RotateSerializer(KnownFieldsOnly, serializers.Serializer[Any]):
    degrees = NumberField(
        min_value=-360 * FULL_TURNS_AT_MOST,
        max_value=360 * FULL_TURNS_AT_MOST,
        required=False,
        help_text="Clockwise.",
    )
    angle = NumberField(
        min_value=-360 * FULL_TURNS_AT_MOST,
        max_value=360 * FULL_TURNS_AT_MOST,
        required=False,
        help_text="The same as degrees.",
    )
    background = serializers.RegexField(
        r"^#[0-9a-fA-F]{6}\Z", default="#ffffff", help_text="What shows behind the corners: #rrggbb"
    )
    expand = serializers.BooleanField(
        default=True, help_text="Makes the result large enough for all corners."
    )

    def validate(self, sent: dict[str, Any]) -> dict[str, Any]:
        given = [sent.pop(name) for name in ("degrees", "angle") if name in sent]
        if len(given) != 1:
            raise ValidationError({"degrees": [_("Give degrees (or angle), once.")]})
        return sent | {"degrees": given[0]}


@extend_schema_field({"oneOf": [{"type": "number"}, {"type": "object"}]})
class RotateField(serializers.Field[Any, Any, Any, Any]):
    """Degrees, or an object of RotateSerializer."""

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        sent = data if isinstance(data, Mapping) else {"degrees": data}
        body = RotateSerializer(data=sent, context=self.context)
        if not body.is_valid():
            raise ValidationError(
                body.errors if isinstance(data, Mapping) else body.errors["degrees"]
            )
        return dict(body.validated_data)

    def to_representation(self, value: Any) -> Any:
        return value


class FiltersSerializer(KnownFieldsOnly, serializers.Serializer[Any]):
    grayscale = serializers.BooleanField(default=False)
    sepia = serializers.BooleanField(default=False)


class WatermarkSerializer(KnownFieldsOnly, serializers.Serializer[Any]):
    """A text, or another photo of the group."""

    text = serializers.CharField(
        max_length=steps.MAX_WATERMARK_LETTERS, required=False, allow_blank=False
    )
    image = serializers.UUIDField(required=False, help_text="A photo of the same group.")
    position = serializers.ChoiceField(choices=steps.POSITIONS, default="bottom-right")
    size = NumberField(
        min_value=0.01, max_value=1, default=0.25, help_text="Its width as a share of the result's."
    )
    opacity = NumberField(min_value=0, max_value=1, default=0.6)

    def validate(self, sent: dict[str, Any]) -> dict[str, Any]:
        if ("text" in sent) == ("image" in sent):
            raise ValidationError(_("Give either text or image."))
        return sent


class TransformationsSerializer(KnownFieldsOnly, serializers.Serializer[Any]):
    """What is done to the upright photo, in this order, however it is written: crop, resize,
    rotate, flip, mirror, filters, watermark."""

    preset = serializers.SlugField(
        max_length=40, required=False, help_text="A preset of the group instead of all the others."
    )
    crop = CropSerializer(required=False, allow_null=True)
    resize = ResizeSerializer(required=False, allow_null=True)
    rotate = RotateField(
        required=False,
        allow_null=True,
        help_text="Degrees clockwise, or {degrees (or angle), background, expand}.",
    )
    flip = serializers.BooleanField(required=False, help_text="Upside down.")
    mirror = serializers.BooleanField(required=False, help_text="Left to right.")
    filters = FiltersSerializer(required=False, allow_null=True)
    watermark = WatermarkSerializer(required=False, allow_null=True)
    quality = serializers.IntegerField(
        min_value=1, max_value=100, required=False, help_text="Not for png."
    )
    format = serializers.ChoiceField(choices=FORMATS, required=False)

    def validate(self, sent: dict[str, Any]) -> dict[str, Any]:
        if "preset" in sent and len(sent) > 1:
            raise ValidationError({"preset": [_("A preset is used alone, without other steps.")]})
        return sent


def spec_of(sent: dict[str, Any]) -> Spec:
    """Returns the spec of validated steps."""
    made: dict[str, Any] = {
        name: make(**sent[name])
        for name, make in [
            ("crop", steps.Crop),
            ("resize", steps.Resize),
            ("rotate", steps.Rotate),
        ]
        if sent.get(name)
    }
    if watermark := sent.get("watermark"):
        image = {"image": str(watermark["image"])} if "image" in watermark else {}
        made["watermark"] = steps.Watermark(**watermark | image)
    filters = sent.get("filters") or {}
    made["filters"] = frozenset(name for name, is_on in filters.items() if is_on)
    made |= {name: sent[name] for name in ("flip", "mirror", "quality") if name in sent}
    if "format" in sent:
        name: FormatName = "jpeg" if sent["format"] == "jpg" else sent["format"]
        made["format"] = name
    return Spec(**made)


def error_of(error: SpecError, *, preset: bool = False) -> ValidationError:
    """The error that points at the step, or at the preset that has it."""
    text = _(error.sentence).format(**error.values)
    path = error.field
    if preset:
        path = "preset"
        if error.field != path:
            text = _("This preset does not fit the photo. {why}").format(why=text)
    detail: Any = [text]
    for name in reversed(["transformations", *filter(None, path.split("."))]):
        detail = {name: detail}
    return ValidationError(detail)


def shown(canonical: dict[str, Any]) -> dict[str, Any]:
    """Returns a canonical form as a request may write it."""
    found = dict(canonical)
    if "filters" in found:
        found["filters"] = dict.fromkeys(found["filters"], True)
    if "watermark" in found:
        mark = dict(found["watermark"])
        mark.pop("version", None)
        found["watermark"] = {name: value for name, value in mark.items() if value != ""}
    return found


class NewTransformSerializer(KnownFieldsOnly, serializers.Serializer[Any]):
    """The picture to make of a photo. The same steps name the same picture, whoever asks."""

    transformations = TransformationsSerializer()


def hash_of(body: Any) -> str:
    """Returns the hash of the steps of a request that was seen before, without validating it
    again; empty for one that is refused, or means another spec in another group."""
    if type(body) is not dict:
        return ""
    text = json.dumps(body, sort_keys=True)
    return _hash_of(text) if len(text) <= MAX_REMEMBERED else ""


@lru_cache(maxsize=1024)
def _hash_of(text: str) -> str:
    body = NewTransformSerializer(data=json.loads(text))
    if not body.is_valid() or "preset" in body.validated_data["transformations"]:
        return ""
    spec = spec_of(body.validated_data["transformations"])
    return "" if spec.watermark is not None and spec.watermark.image else spec.hash


class TransformSerializer(serializers.ModelSerializer[Transform]):
    hash = serializers.CharField(source="spec_hash", help_text="SHA-256 of what is done.")
    status = serializers.ChoiceField(source="state", choices=Transform.State.values)
    failure = serializers.CharField(
        allow_blank=True,
        help_text="Why it failed: crashed, impossible, original-missing, watermark-missing, or "
        "what is wrong with the picture. Empty unless it failed.",
    )
    width = serializers.IntegerField(allow_null=True, help_text="Null until it is done.")
    byte_size = serializers.IntegerField(help_text="0 until it is done.")
    url = serializers.SerializerMethodField(
        help_text="Signed, for an hour or two. Null until it is done."
    )
    transformations = serializers.SerializerMethodField(
        help_text="What is done, in canonical form: without what changes nothing."
    )

    class Meta:
        model = Transform
        fields = [
            *("id", "hash", "status", "failure", "width", "height", "byte_size", "url", "source"),
            *("transformations", "version", "created_at", "done_at"),
        ]
        extra_kwargs: ClassVar = {
            "version": {"help_text": "Of the photo's file: it grows when the file is replaced."},
            "source": {"help_text": "Empty until it is done; fullsize: the original is gone."},
        }

    def to_representation(self, transform: Transform) -> dict[str, Any]:
        """By hand: an answer that is there is asked for again and again."""
        return {
            "id": str(transform.pk),
            "hash": transform.spec_hash,
            "status": transform.state,
            "failure": transform.failure,
            "width": transform.width,
            "height": transform.height,
            "byte_size": transform.byte_size,
            "url": self.get_url(transform),
            "source": transform.source,
            "transformations": self.get_transformations(transform),
            "version": transform.version,
            "created_at": _MOMENT.to_representation(transform.created_at),
            "done_at": transform.done_at and _MOMENT.to_representation(transform.done_at),
        }

    def get_url(self, transform: Transform) -> str | None:
        if transform.state != Transform.State.DONE:
            return None
        return transforms.url(transform, self.context["view"].access)

    @extend_schema_field(TransformationsSerializer)
    def get_transformations(self, transform: Transform) -> dict[str, Any]:
        return shown(transform.spec)
