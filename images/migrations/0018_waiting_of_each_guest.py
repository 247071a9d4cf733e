"""Says of transforms which guest asked for them, so that each has a bound of their own."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("images", "0017_failed_work")]

    operations = [
        migrations.AddField(
            model_name="transform",
            name="guest_digest",
            field=models.CharField(
                blank=True,
                default="",
                editable=False,
                help_text="Which guest asked: a digest of link and device. Empty for members.",
                max_length=64,
            ),
            preserve_default=False,
        ),
    ]
