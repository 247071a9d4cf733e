from django.db import migrations, models
from django.db.models import OuterRef, Subquery


def fill(apps, schema_editor):
    """DONE uploads brought what their photo shows; duplicates what their twin shows."""
    Image = apps.get_model("images", "Image")
    Upload = apps.get_model("images", "Upload")
    for status, photo in [("done", "image_id"), ("duplicate", "duplicate_of_id")]:
        told = Image.objects.filter(pk=OuterRef(photo)).values("sha256")
        rows = Upload.objects.filter(status=status).exclude(**{f"{photo}__isnull": True})
        rows.update(sha256=Subquery(told))


class Migration(migrations.Migration):
    dependencies = [
        ("images", "0002_moderation_trash_and_sources"),
    ]

    operations = [
        migrations.AddField(
            model_name="image",
            name="trashed_by",
            field=models.CharField(blank=True, editable=False, max_length=128),
        ),
        migrations.AddField(
            model_name="upload",
            name="filename",
            field=models.CharField(blank=True, max_length=255),
        ),
        migrations.AddField(
            model_name="upload",
            name="sha256",
            field=models.CharField(
                blank=True,
                editable=False,
                help_text="Of what arrived; DONE or DUPLICATE.",
                max_length=64,
            ),
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
