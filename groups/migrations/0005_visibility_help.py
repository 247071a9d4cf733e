from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("groups", "0004_group_trash")]

    operations = [
        migrations.AlterField(
            model_name="group",
            name="visibility",
            field=models.CharField(
                choices=[
                    ("drop", "Nothing: upload only"),
                    ("own", "What they sent"),
                    ("gallery", "All approved photos of the group"),
                ],
                default="own",
                help_text="What a guest with a link may see, by the API: there is no page for it yet.",
                max_length=10,
            ),
        ),
    ]
