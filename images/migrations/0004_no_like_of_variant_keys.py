"""Nobody asks for variants by a part of their key, and the index for that was a tenth of what a photo takes in
Postgres."""

from django.db import migrations


class Migration(migrations.Migration):
    atomic = False  # CONCURRENTLY holds up nobody, and is no part of a transaction
    dependencies = [("images", "0003_variant_key_constraint")]

    operations = [
        migrations.RunSQL(
            # Of a build that was cut short something may be left.
            "DROP INDEX CONCURRENTLY IF EXISTS images_variant_key_7990385b_like",
            [
                "DROP INDEX CONCURRENTLY IF EXISTS images_variant_key_7990385b_like",
                "CREATE INDEX CONCURRENTLY images_variant_key_7990385b_like"
                " ON images_variant (key varchar_pattern_ops)",
            ],
        ),
    ]
