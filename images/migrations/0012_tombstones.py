from __future__ import annotations

from django.db import migrations, models

# Cascades and plain SQL pass here, too. Rows that are deleted cost one INSERT a statement; a move
# is one row at a time anyhow.
TRIGGERS = """
CREATE FUNCTION images_bury_purged() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO images_tombstone (image_id, group_id, team_id, sender, was_approved, removed_at)
    SELECT gone.id, gone.group_id, groups_group.team_id, gone.sender,
           gone.version > 0 AND gone.moderation = 'approved', statement_timestamp()
    FROM gone JOIN groups_group ON groups_group.id = gone.group_id;
    RETURN NULL;
END $$;
CREATE TRIGGER bury_purged AFTER DELETE ON images_image
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION images_bury_purged();

CREATE FUNCTION images_bury_moved() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO images_tombstone (image_id, group_id, team_id, sender, was_approved, removed_at)
    SELECT OLD.id, OLD.group_id, groups_group.team_id, OLD.sender,
           OLD.version > 0 AND OLD.moderation = 'approved', statement_timestamp()
    FROM groups_group WHERE groups_group.id = OLD.group_id;
    RETURN NULL;
END $$;
CREATE TRIGGER bury_moved AFTER UPDATE OF group_id ON images_image
    FOR EACH ROW WHEN (OLD.group_id <> NEW.group_id) EXECUTE FUNCTION images_bury_moved();
"""
NO_TRIGGERS = """
DROP TRIGGER bury_moved ON images_image;
DROP FUNCTION images_bury_moved();
DROP TRIGGER bury_purged ON images_image;
DROP FUNCTION images_bury_purged();
"""


class Migration(migrations.Migration):
    dependencies = [("images", "0011_original_lost_at"), ("groups", "0004_group_trash")]

    operations = [
        migrations.CreateModel(
            name="Tombstone",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("image_id", models.UUIDField()),
                ("group_id", models.UUIDField()),
                ("team_id", models.UUIDField(help_text="The group's: its members saw the photo.")),
                ("sender", models.CharField(db_index=True, max_length=128)),
                ("was_approved", models.BooleanField(help_text="Guests may have seen it.")),
                ("removed_at", models.DateTimeField(db_index=True)),
            ],
            options={
                "indexes": [
                    models.Index(fields=["team_id", "removed_at"], name="tombstone_of_team")
                ],
            },
        ),
        migrations.RunSQL(TRIGGERS, NO_TRIGGERS),
    ]
