from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("groups", "0003_known_policies")]

    operations = [
        migrations.AddField(
            model_name="group",
            name="trashed_at",
            field=models.DateTimeField(
                blank=True, editable=False, help_text="With all its photos and links.", null=True
            ),
        ),
    ]
