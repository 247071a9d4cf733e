from django.db import migrations, models
from django.db.models import F


def fill(apps, schema_editor):
    images = apps.get_model("images", "Image").objects
    images.filter(gps_source="removed").update(place_forgotten_at=F("updated_at"))


class Migration(migrations.Migration):
    dependencies = [
        ("images", "0006_find_replacements"),
    ]

    operations = [
        migrations.AddField(
            model_name="image",
            name="place_forgotten_at",
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
