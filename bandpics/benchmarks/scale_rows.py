"""Makes a million photos in minutes: the database copies one, without triggers, and makes its
indexes at the end. What triggers would have kept is counted in one statement."""

from __future__ import annotations

import io
import json
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.db import connection
from django.test import Client
from django.utils import timezone

from bandpics.benchmarks import rows
from bandpics.users.models import User
from groups.models import Group, Membership, Team
from images.listing import numbers
from images.models import GroupNumbers, Image, PhotoCount, Upload, Variant
from images.photofile import placeholder
from images.tests import drawn_pictures
from invitations.models import Invitation

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

FILLED = (Image, Upload, Variant, PhotoCount)
# While indexes are made; the web server that is measured has Postgres' own settings.
FOR_INDEXES = ("maintenance_work_mem = '512MB'", "max_parallel_maintenance_workers = 2")
_COUNT = f"""
    INSERT INTO {PhotoCount._meta.db_table}
        (group_id, facet, value, is_approved, count, is_change)
    SELECT photo.group_id, facet, value, photo.moderation = 'approved', count(*), false
    FROM {Image._meta.db_table} photo,
        images_facets(photo.sort_at, photo.uploader_name, photo.camera_model)
    WHERE photo.group_id = ANY(%s) GROUP BY 1, 2, 3, 4
"""  # noqa: S608 - all of it is ours


def add(name: str, *, photos: int, groups: int = 1) -> dict[str, Any]:
    """Makes a team whose groups share so many photos; returns ids, a session and a link."""
    team = Team.objects.create(name=f"The {name} band")
    user = User.objects.create_user(f"{name}@example.org", "a long enough password")
    Membership.objects.create(team=team, user=user, role=Membership.Role.OWNER)
    group = Group.objects.create(team=team, name=f"The {name} evening", visibility="gallery")
    link = Invitation.objects.create(group=group, kind=Invitation.Kind.SHARED)
    template = _template(group)
    with _in_bulk():
        group_ids = [group.pk, *_copy_group(group, groups - 1)]
        _copy_photos(template, group_ids, photos)
        _keep_numbers(group_ids)
    client = Client()
    client.force_login(user)
    return {
        "group": str(group.pk),
        "session": client.cookies["sessionid"].value,
        "link": link.token,
    }


@contextmanager
def _in_bulk() -> Iterator[None]:
    """Neither triggers, foreign keys nor indexes but those of constraints cost anything inside."""
    tables = [model._meta.db_table for model in FILLED]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index"
            " WHERE indrelid = ANY(%s::regclass[]) AND NOT EXISTS ("
            " SELECT FROM pg_constraint WHERE conindid = indexrelid)",
            [tables],
        )
        indexes = cursor.fetchall()
        for name, _ in indexes:
            cursor.execute(f"DROP INDEX {name}")
        cursor.execute("SET session_replication_role = replica")
        yield
        cursor.execute("SET session_replication_role = origin")
        for setting in FOR_INDEXES:
            cursor.execute(f"SET {setting}")
        for _, definition in indexes:
            cursor.execute(definition)
        cursor.execute("VACUUM ANALYZE")


def _template(group: Group) -> Image:
    """One photo of the group as the worker leaves it."""
    photo = rows._photo(group)
    Image.objects.filter(pk=photo.pk).update(
        placeholder=_placeholder(), perceptual_hash=1, focus=120.5, taken_source="exif"
    )
    # Long enough ago that no sweeper looks at it any more.
    then = timezone.now() - timedelta(days=1)
    settled = {"stack_due": False, "created_at": then, "updated_at": then}
    Image.objects.filter(pk=photo.pk).update(**settled)
    Upload.objects.filter(pk=photo.pk).update(
        client_id="a" * 36,
        declared_sha256="0" * 64,
        **dict.fromkeys(("created_at", "arrived_at", "finished_at"), then),
    )
    photo.refresh_from_db()
    return photo


def _placeholder() -> bytes:
    file = io.BytesIO()
    drawn_pictures.picture(width=12, height=9).save(file, "WEBP", quality=20)
    return placeholder.pixels_of(file.getvalue())


def _copy_group(group: Group, count: int) -> list[UUID]:
    """Makes as many copies of a group; returns their ids."""
    numbers_ = f"generate_series(1, {count}) n WHERE template.id = '{group.pk}'"
    rows._copy(
        Group,
        numbers_,
        id="uuidv7()",
        name="'Evening ' || n",
        created_at="template.created_at - n * interval '1 hour'",
    )
    others = Group.objects.filter(team=group.team_id).exclude(pk=group.pk)
    return list(others.order_by("-created_at").values_list("pk", flat=True))


def _copy_photos(template: Image, group_ids: list[UUID], count: int) -> None:
    """Copies the photo until there are so many: four a minute, one group after the other, and one
    evening of each group a week before that of the last."""
    each = count // len(group_ids)
    ids = ", ".join(f"'{each}'" for each in group_ids)
    early = f"n % {each} > {each // 2}"
    rows._copy(
        Image,
        f"generate_series(1, {each * len(group_ids) - 1}) n, (SELECT ARRAY[{ids}]::uuid[] AS ids) g"
        f" WHERE template.id = '{template.pk}'",
        id="uuidv7()",
        group_id=f"g.ids[1 + n / {each}]",
        sha256="md5(n::text) || md5(n::text)",
        uploader_name="(ARRAY['Anna', 'Ben', 'Cleo', 'Dora', 'Eve', 'Finn', 'Gus', 'Ida'])"
        "[1 + n % 8]",
        camera_model="(ARRAY['iPhone 13 Pro Max', 'iPhone 15', 'Pixel 9', 'EOS R5'])[1 + n % 4]",
        caption="'On stage' || CASE WHEN n % 100 = 0 THEN ' encore' ELSE '' END"
        f" || CASE WHEN {early} THEN ' early' ELSE '' END"
        f" || CASE WHEN n % {each} >= {each - max(1, each // 100)} THEN ' arrival' ELSE '' END",
        moderation="CASE n % 500 WHEN 3 THEN 'rejected' WHEN 7 THEN 'pending' ELSE 'approved' END",
        original_filename="'IMG_' || lpad(n::text, 4, '0') || '.jpg'",
        perceptual_hash="hashint8extended(n, 1)",
        sort_at=_earlier("sort_at", each),
        taken_at=_earlier("taken_at", each),
        created_at=_earlier("created_at", each),
        updated_at=_earlier("updated_at", each),
    )
    others = (
        f"images_image image WHERE image.group_id = ANY(ARRAY[{ids}]::uuid[])"
        f" AND image.id <> '{template.pk}' AND template.image_id = '{template.pk}'"
    )
    rows._copy(
        Upload,
        others,
        id="image.id",
        image_id="image.id",
        client_id="image.id::text",
        declared_sha256="image.sha256",
        created_at="image.created_at",
        arrived_at="image.created_at",
        finished_at="image.created_at",
    )
    rows._copy(
        Variant,
        others,
        image_id="image.id",
        key="image.group_id || '/' || template.name || '/' || image.id || '-1.jpg'",
    )


def _earlier(column: str, each: int) -> str:
    weeks = f"(n / {each}) * interval '7 days'"
    return f"template.{column} - (n % {each}) * interval '15 seconds' - {weeks}"


def _keep_numbers(group_ids: list[UUID]) -> None:
    """Counts what triggers would have kept, and what the sweeper counts of each group: of groups
    that are alike, once."""
    first = group_ids[0]
    with connection.cursor() as cursor:
        cursor.execute(_COUNT, [group_ids])
        cursor.execute("ANALYZE")
        cursor.execute(
            f"INSERT INTO {GroupNumbers._meta.db_table}"
            " (group_id, numbers, took, changed_at, counted_at, tried_at)"
            " SELECT unnest(%s), %s, interval '0.1 s', statement_timestamp(), now(), now()",
            [group_ids, json.dumps(numbers.count([first]))],
        )


def storage() -> list[tuple[str, str, int]]:
    """Returns table, part and bytes, of all tables that take a hundred kilobytes or more; the
    largest first."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT main.relname, CASE WHEN part.relkind = 'i' THEN part.relname ELSE 'rows' END,"
            " CASE WHEN part.relkind = 'i' THEN pg_relation_size(part.oid)"
            "  ELSE pg_table_size(part.oid) END AS bytes"
            " FROM pg_class main LEFT JOIN pg_index ON indrelid = main.oid"
            " JOIN pg_class part ON part.oid IN (main.oid, indexrelid)"
            " WHERE main.relkind = 'r' AND main.relnamespace = 'public'::regnamespace"
            " GROUP BY 1, 2, part.oid, part.relkind HAVING pg_table_size(part.oid) >= 100000"
            " ORDER BY 3 DESC"
        )
        return list(cursor.fetchall())
