"""An index of the words of all photos, whichever group they are in."""

import images.models.search_vector
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.operations import AddIndexConcurrently
from django.contrib.postgres.search import SearchVectorField
from django.db import migrations, models
from django.db.models.functions import Cast

WORDS = Cast(
    images.models.search_vector.Replaced(
        Cast("search_vector", models.TextField()),
        Cast("group_id", models.TextField()),
        models.Value(""),
    ),
    SearchVectorField(),
)


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("images", "0007_image_all_by_update")]

    operations = [
        # What a build that was cut short has left does not count, and is in the way of the next one.
        migrations.RunSQL("DROP INDEX CONCURRENTLY IF EXISTS image_words", migrations.RunSQL.noop),
        AddIndexConcurrently("image", GinIndex(WORDS, fastupdate=False, name="image_words")),
    ]
