"""Makes the teams and photos that the API benchmark asks for, by INSERT … SELECT."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from django.core.management import call_command
from django.db import connection
from django.db.models import AutoField, GeneratedField, Model
from django.test import Client

from bandpics.users import api_keys
from bandpics.users.models import User
from groups.models import Group, Membership, Team
from images.api.transform_serializers import spec_of
from images.models import Image, Transform, Upload, Variant
from images.photofile import variants
from invitations.models import Invitation

if TYPE_CHECKING:
    from uuid import UUID

RAW_BYTES = 3000  # what a phone writes as EXIF, without the maker note
TAKEN_AT = datetime(2026, 6, 21, 19, 30, tzinfo=UTC)
PHOTO: dict[str, Any] = {
    "uploader_kind": "member",
    "uploader_id": "1",
    "uploader_name": "Anna",
    "version": 1,
    "original_filename": "IMG_0001.jpg",
    "content_type": "image/jpeg",
    "byte_size": 3_456_789,
    "sha256": "0" * 64,
    "width": 4032,
    "height": 3024,
    "sort_at": TAKEN_AT,
    "utc_offset_minutes": 120,
    "taken_at": TAKEN_AT,
    "taken_at_local": datetime(2026, 6, 21, 21, 30, tzinfo=UTC),
    "latitude": 48.2082,
    "longitude": 16.3738,
    "altitude": 171.0,
    "gps_source": "exif",
    "camera_make": "Apple",
    "camera_model": "iPhone 13 Pro Max",
    "lens_model": "iPhone 13 Pro Max back triple camera 5.7mm f/1.5",
    "software": "17.5",
    "iso": 100,
    "focal_length": 5.7,
    "aperture": 1.5,
    "exposure_time": 0.01,
    "orientation": 6,
    "exif_version": "0232",
    "exif": {f"Tag{n}": f"{n * 7919:x}" * 5 for n in range(RAW_BYTES // 32)},
    "caption": "On stage",
}


def fill(*, small: int, large: int) -> dict[str, Any]:
    """Makes a small and a large group; returns the id of and a session for each, and an upload
    token."""
    call_command("migrate", verbosity=0)
    sessions = add_group("small", small) | add_group("large", large)
    # A third group takes the announced uploads, so that the lists of the others stay as they are.
    other = Group.objects.create(team=Team.objects.create(name="Others"), name="To announce to")
    link = Invitation.objects.create(
        group=other, kind=Invitation.Kind.PERSONAL, email="c@d.example"
    )
    return {**sessions, "token": link.token}


def add_group(name: str, count: int) -> dict[str, str]:
    """Makes a team with a group of so many photos; returns the id of the group and a session of
    its owner."""
    team = Team.objects.create(name=f"The {name} band")
    user = User.objects.create_user(f"{name}@example.org", "a long enough password")
    Membership.objects.create(team=team, user=user, role=Membership.Role.OWNER)
    group = Group.objects.create(team=team, name=f"The {name} evening")
    with connection.cursor() as cursor:
        # To make it at the end is ten times as fast.
        cursor.execute("SELECT indexdef FROM pg_indexes WHERE indexname = 'image_search_vector'")
        (search_index,) = cursor.fetchone() or ("",)
        cursor.execute("DROP INDEX image_search_vector")
        _add_photos(group, count)
        cursor.execute(search_index)
        cursor.execute("VACUUM ANALYZE")
    client = Client()
    client.force_login(user)
    return {f"{name} group": str(group.pk), name: client.cookies["sessionid"].value}


def _add_photos(group: Group, count: int) -> None:
    """Copies one photo: four a minute in Vienna, by eight people and four cameras, some with words
    that few, or only the newest or the oldest, have."""
    template = _photo(group)
    copy_photos(group, count)
    others = (
        f"images_image image WHERE image.group_id = '{group.pk}' AND image.id <> '{template.pk}'"
        f" AND template.image_id = '{template.pk}'"
    )
    _copy(Upload, others, id="image.id", image_id="image.id")
    _copy(
        Variant,
        others,
        image_id="image.id",
        key=f"'{group.pk}/' || template.name || '/' || image.id || '-1.jpg'",
    )


def copy_photos(group: Group, count: int) -> None:
    """Copies the only photo of a group until there are so many, without uploads and variants."""
    template = group.images.get()
    _copy(
        Image,
        f"generate_series(1, {count - 1}) n WHERE template.id = '{template.pk}'",
        id="uuidv7()",
        sha256="md5(n::text) || md5(n::text)",
        uploader_name="(ARRAY['Anna', 'Ben', 'Cleo', 'Dora', 'Eve', 'Finn', 'Gus', 'Ida'])"
        "[1 + n % 8]",
        camera_model="(ARRAY['iPhone 13 Pro Max', 'iPhone 15', 'Pixel 9', 'EOS R5'])[1 + n % 4]",
        caption="'On stage' || CASE WHEN n % 100 = 0 THEN ' encore' ELSE '' END"
        f" || CASE WHEN n > {count // 2} THEN ' early' ELSE '' END"
        f" || CASE WHEN n > {count - count // 100} THEN ' arrival' ELSE '' END",
        moderation="CASE WHEN n % 500 = 3 THEN 'rejected' ELSE 'approved' END",
        original_filename="'IMG_' || lpad(n::text, 4, '0') || '.jpg'",
        sort_at="template.sort_at - n * interval '15 seconds'",
        taken_at="template.taken_at - n * interval '15 seconds'",
    )


def add_transform(group_id: UUID, steps: dict[str, Any]) -> dict[str, str]:
    """Makes a transform of a photo of the group that is done, and an API key of an owner."""
    image = Image.objects.filter(group=group_id).first()
    owner = User.objects.filter(teams__groups=group_id).first()
    assert image is not None
    assert owner is not None
    spec = spec_of(steps)
    transform = Transform.objects.create(
        image=image,
        group_id=image.group_id,
        version=image.version,
        spec=spec.canonical(),
        spec_hash=spec.hash,
        state=Transform.State.DONE,
        source=Transform.Source.ORIGINAL,
        width=1000,
        height=750,
        byte_size=123_456,
        done_at=TAKEN_AT,
    )
    _row, key = api_keys.issue(owner, name="benchmark", scopes=["read"])
    return {"image": str(image.pk), "hash": transform.spec_hash, "api_key": key}


def _photo(group: Group) -> Image:
    photo = Image.objects.create(group=group, **PHOTO)
    Upload.objects.create(
        id=photo.pk,
        image=photo,
        **photo.uploader_key.columns,
        announced_to=group.pk,
        status=Upload.Status.DONE,
        declared_content_type=photo.content_type,
        declared_byte_size=3_456_789,
        processing_ms=412,
        finished_at=photo.taken_at,
    )
    for spec in variants.ALL:
        Variant.objects.create(
            image=photo,
            version=1,
            name=spec.name,
            key=f"{group.pk}/{spec.name}/{photo.pk}-1.jpg",
            width=spec.max_edge,
            height=spec.max_edge * 3 // 4,
            byte_size=123_456,
            content_type="image/jpeg",
        )
    return photo


def _copy(model: type[Model], source: str, **columns: str) -> None:
    """Inserts copies of rows, with some columns replaced."""
    fields = [
        field
        for field in model._meta.concrete_fields
        if not isinstance(field, AutoField | GeneratedField)
    ]
    names = [str(field.column) for field in fields]
    values = [columns.get(name, f"template.{name}") for name in names]
    table = model._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} ({', '.join(names)})"  # noqa: S608 - no user input
            f" SELECT {', '.join(values)} FROM {table} template, {source}"
        )
