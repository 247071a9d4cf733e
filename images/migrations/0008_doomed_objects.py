import django.contrib.postgres.fields
from django.db import migrations, models

import images.models

# AFTER DELETE, once per statement: cascades and plain SQL pass here, too, and many rows cost one
# INSERT. Only facts: keys are made by images.media.keys.
TRIGGERS = """
CREATE FUNCTION images_doom_uploads() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO images_doomedobjects
        (image_id, group_id, version, upload_id, multipart_id, keys, may_be_written, doomed_at)
    SELECT gone.image_id, images_image.group_id, gone.version, gone.id,
           CASE WHEN gone.status = 'pending' THEN coalesce(gone.multipart_id, '') ELSE '' END, '{}',
           gone.status IN ('queued', 'processing'), statement_timestamp()
    FROM gone LEFT JOIN images_image ON images_image.id = gone.image_id;
    RETURN NULL;
END $$;
CREATE TRIGGER doom_uploads AFTER DELETE ON images_upload
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION images_doom_uploads();

CREATE FUNCTION images_doom_variants() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO images_doomedobjects (image_id, multipart_id, keys, may_be_written, doomed_at)
    SELECT gone.image_id, '', array_agg(gone.key), false, statement_timestamp()
    FROM gone GROUP BY gone.image_id;
    RETURN NULL;
END $$;
CREATE TRIGGER doom_variants AFTER DELETE ON images_variant
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION images_doom_variants();
"""
NO_TRIGGERS = """
DROP TRIGGER doom_variants ON images_variant;
DROP FUNCTION images_doom_variants();
DROP TRIGGER doom_uploads ON images_upload;
DROP FUNCTION images_doom_uploads();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("images", "0007_place_forgotten_at"),
    ]

    operations = [
        migrations.CreateModel(
            name="DoomedObjects",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("image_id", models.UUIDField(db_index=True)),
                ("group_id", models.UUIDField(blank=True, null=True)),
                ("version", models.PositiveIntegerField(blank=True, null=True)),
                ("upload_id", models.UUIDField(blank=True, null=True)),
                ("multipart_id", models.CharField(blank=True, max_length=1024)),
                (
                    "keys",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=200),
                        blank=True,
                        default=list,
                        size=None,
                    ),
                ),
                ("may_be_written", models.BooleanField(default=False)),
                ("doomed_at", models.DateTimeField(auto_now_add=True)),
                (
                    "looked_at",
                    models.DateTimeField(blank=True, help_text="By the sweeper.", null=True),
                ),
            ],
            options={
                "verbose_name_plural": "doomed objects",
                "indexes": [
                    models.Index(
                        models.OrderBy(models.F("looked_at"), nulls_first=True),
                        models.F("id"),
                        name="doomed_sweep",
                    )
                ],
            },
        ),
        migrations.RunSQL(TRIGGERS, NO_TRIGGERS),
        migrations.AddField(
            model_name="upload",
            name="claim_number",
            field=models.PositiveIntegerField(default=0, editable=False),
        ),
        migrations.AddField(
            model_name="image",
            name="looked_at",
            field=models.DateTimeField(
                blank=True,
                editable=False,
                help_text="By the sweeper, and the store refused.",
                null=True,
            ),
        ),
        migrations.AlterField(
            model_name="upload",
            name="duplicate_of",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=images.models.end_what_rests_on_it,
                related_name="duplicates",
                to="images.image",
            ),
        ),
    ]
