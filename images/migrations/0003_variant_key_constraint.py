"""The key of a variant is unique by a constraint with a name, which makes no index for LIKE beside its own.

The index that keeps keys unique stays as it is: its constraint gets another name, which changes the
catalogue alone. The next migration removes the other index."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("images", "0002_triggers")]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunSQL(
                    "ALTER TABLE images_variant RENAME CONSTRAINT images_variant_key_key"
                    " TO variant_key_once",
                    "ALTER TABLE images_variant RENAME CONSTRAINT variant_key_once"
                    " TO images_variant_key_key",
                )
            ],
            state_operations=[
                migrations.AlterField("variant", "key", models.CharField(max_length=200)),
                migrations.AddConstraint(
                    "variant", models.UniqueConstraint(fields=["key"], name="variant_key_once")
                ),
            ],
        ),
    ]
