"""An index of all photos, whichever group they are in, by update."""

from uuid import UUID

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models

INDEX = models.Index(
    fields=["-updated_at", "-id"],
    include=("group",),
    # True of every photo: see images/models/image_indexes.py.
    condition=models.Q(id__gt=UUID(int=0)),
    name="image_all_by_update",
)


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("images", "0006_image_all_by_upload")]

    operations = [
        # What a build that was cut short has left does not count, and is in the way of the next one.
        migrations.RunSQL("DROP INDEX CONCURRENTLY IF EXISTS image_all_by_update", migrations.RunSQL.noop),
        AddIndexConcurrently("image", INDEX),
    ]
