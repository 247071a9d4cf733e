"""Triggers of photos: what is deleted with them, tombstones, archives, stacks, transforms, captions and
counts. Cascades and plain SQL fire them, too."""

from django.db import migrations

# AFTER DELETE, once per statement: cascades and plain SQL fire them too, and deleting many rows
# costs one INSERT. They record facts only: images.storage.object_keys makes the keys.
RECORD_DELETIONS = """
CREATE FUNCTION images_record_deleted_uploads() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO images_pendingdeletion
        (image_id, group_id, version, upload_id, multipart_id, keys, may_be_written, recorded_at)
    SELECT gone.image_id, images_image.group_id, gone.version, gone.id,
           CASE WHEN gone.status = 'pending' THEN coalesce(gone.multipart_id, '') ELSE '' END, '{}',
           gone.status IN ('queued', 'processing'), statement_timestamp()
    FROM gone LEFT JOIN images_image ON images_image.id = gone.image_id;
    RETURN NULL;
END $$;
CREATE TRIGGER record_deleted_uploads AFTER DELETE ON images_upload
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT
    EXECUTE FUNCTION images_record_deleted_uploads();

CREATE FUNCTION images_record_deleted_variants() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO images_pendingdeletion (image_id, multipart_id, keys, may_be_written, recorded_at)
    SELECT gone.image_id, '', array_agg(gone.key), false, statement_timestamp()
    FROM gone GROUP BY gone.image_id;
    RETURN NULL;
END $$;
CREATE TRIGGER record_deleted_variants AFTER DELETE ON images_variant
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT
    EXECUTE FUNCTION images_record_deleted_variants();
"""
FORGET_DELETIONS = """
DROP TRIGGER record_deleted_variants ON images_variant;
DROP FUNCTION images_record_deleted_variants();
DROP TRIGGER record_deleted_uploads ON images_upload;
DROP FUNCTION images_record_deleted_uploads();
"""

WRITE_TOMBSTONES = """
CREATE FUNCTION images_tombstone_purged() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO images_tombstone
        (image_id, group_id, team_id, uploader_kind, uploader_id, device_hash, was_approved,
         removed_at)
    SELECT gone.id, gone.group_id, groups_group.team_id,
           gone.uploader_kind, gone.uploader_id, gone.device_hash,
           gone.version > 0 AND gone.moderation = 'approved', statement_timestamp()
    FROM gone JOIN groups_group ON groups_group.id = gone.group_id;
    RETURN NULL;
END $$;
CREATE TRIGGER tombstone_purged AFTER DELETE ON images_image
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION images_tombstone_purged();

CREATE FUNCTION images_tombstone_moved() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO images_tombstone
        (image_id, group_id, team_id, uploader_kind, uploader_id, device_hash, was_approved,
         removed_at)
    SELECT OLD.id, OLD.group_id, groups_group.team_id,
           OLD.uploader_kind, OLD.uploader_id, OLD.device_hash,
           OLD.version > 0 AND OLD.moderation = 'approved', statement_timestamp()
    FROM groups_group WHERE groups_group.id = OLD.group_id;
    RETURN NULL;
END $$;
CREATE TRIGGER tombstone_moved AFTER UPDATE OF group_id ON images_image
    FOR EACH ROW WHEN (OLD.group_id <> NEW.group_id) EXECUTE FUNCTION images_tombstone_moved();
"""
DROP_TOMBSTONES = """
DROP TRIGGER tombstone_moved ON images_image;
DROP FUNCTION images_tombstone_moved();
DROP TRIGGER tombstone_purged ON images_image;
DROP FUNCTION images_tombstone_purged();
"""

# A photo that leaves what an archive holds ends the archive, whoever changes the row and however: a
# ZIP must not show what was taken down. Built ones are left to the outbox; one that is being built
# begins anew under another key, because `build_number` is part of it; one that was not begun looks
# at the photos when it is.
END_ARCHIVES = """
CREATE FUNCTION images_end_archives(archive_ids uuid[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    found images_archive%ROWTYPE;
BEGIN
    FOR found IN
        SELECT * FROM images_archive
        WHERE id = ANY (archive_ids) AND removed_at IS NULL
            AND (state IN ('ready', 'building') OR multipart_id <> '')
        ORDER BY id FOR NO KEY UPDATE
    LOOP
        INSERT INTO images_pendingdeletion
            (image_id, multipart_id, keys, may_be_written, recorded_at)
        VALUES (
            found.id, found.multipart_id,
            ARRAY[found.group_id || '/archives/' || found.id || '-' || found.build_number || '.zip'],
            found.state <> 'ready', statement_timestamp()
        );
        IF found.state IN ('queued', 'building') THEN
            UPDATE images_archive SET
                state = 'queued', lease_until = NULL, multipart_id = '', written_bytes = 0,
                attempts = 0, build_number = build_number + 1, claim_number = claim_number + 1
            WHERE id = found.id;
        ELSE
            UPDATE images_archive SET
                expires_at = least(expires_at, statement_timestamp()),
                removed_at = statement_timestamp(), multipart_id = ''
            WHERE id = found.id;
        END IF;
    END LOOP;
END $$;

CREATE FUNCTION images_end_archives_of_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM images_end_archives(array_agg(archive.id))
    FROM images_archive archive
    WHERE archive.id IN (
            SELECT entry.archive_id FROM images_archiveentry entry WHERE entry.image_id = OLD.id
        )
        AND CASE
            WHEN NEW.trashed_at IS NOT NULL OR NEW.group_id <> OLD.group_id
                OR NEW.version <> OLD.version THEN true
            WHEN archive.for_guests THEN NEW.moderation <> 'approved'
            ELSE NEW.place_forgotten_at IS NOT NULL
                OR NEW.original_dropped_at IS DISTINCT FROM OLD.original_dropped_at
        END;
    RETURN NULL;
END $$;
-- The original is edited after the row, and then the row is updated once more. An original that the
-- store lost is in the archive still: perhaps nowhere else.
CREATE TRIGGER end_archives AFTER UPDATE ON images_image FOR EACH ROW WHEN (
    OLD.version > 0 AND (
        (OLD.trashed_at IS NULL AND NEW.trashed_at IS NOT NULL)
        OR NEW.group_id <> OLD.group_id
        OR NEW.version <> OLD.version
        OR (NEW.place_forgotten_at IS NOT NULL AND NEW.updated_at <> OLD.updated_at)
        OR (OLD.original_dropped_at IS NULL AND NEW.original_dropped_at IS NOT NULL
            AND NEW.original_lost_at IS DISTINCT FROM NEW.original_dropped_at)
        OR (OLD.moderation = 'approved' AND NEW.moderation <> 'approved')
    )
) EXECUTE FUNCTION images_end_archives_of_changed();

CREATE FUNCTION images_end_archives_of_purged() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM images_end_archives(array_agg(DISTINCT entry.archive_id))
    FROM images_archiveentry entry JOIN gone ON entry.image_id = gone.id;
    RETURN NULL;
END $$;
CREATE TRIGGER end_archives_of_purged AFTER DELETE ON images_image
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT
    EXECUTE FUNCTION images_end_archives_of_purged();

CREATE FUNCTION images_end_archives_of_group() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM images_end_archives(array_agg(id)) FROM images_archive WHERE group_id = NEW.id;
    RETURN NULL;
END $$;
CREATE TRIGGER end_archives_of_trashed AFTER UPDATE ON groups_group FOR EACH ROW
    WHEN (OLD.trashed_at IS NULL AND NEW.trashed_at IS NOT NULL)
    EXECUTE FUNCTION images_end_archives_of_group();

CREATE FUNCTION images_record_deleted_archives() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO images_pendingdeletion
        (image_id, multipart_id, keys, may_be_written, recorded_at)
    SELECT gone.id, gone.multipart_id,
           ARRAY[gone.group_id || '/archives/' || gone.id || '-' || gone.build_number || '.zip'],
           gone.state <> 'ready', statement_timestamp()
    FROM gone WHERE gone.removed_at IS NULL;
    RETURN NULL;
END $$;
CREATE TRIGGER record_deleted_archives AFTER DELETE ON images_archive
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT
    EXECUTE FUNCTION images_record_deleted_archives();
"""
LEAVE_ARCHIVES = """
DROP TRIGGER record_deleted_archives ON images_archive;
DROP FUNCTION images_record_deleted_archives();
DROP TRIGGER end_archives_of_trashed ON groups_group;
DROP FUNCTION images_end_archives_of_group();
DROP TRIGGER end_archives_of_purged ON images_image;
DROP FUNCTION images_end_archives_of_purged();
DROP TRIGGER end_archives ON images_image;
DROP FUNCTION images_end_archives_of_changed();
DROP FUNCTION images_end_archives(uuid[]);
"""

# Whatever changes what a photo is compared by, in which statement ever, makes it due.
MARK_DUE = """
CREATE FUNCTION images_mark_stack_due() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.stack_due := true;
    RETURN NEW;
END $$;
CREATE TRIGGER mark_stack_due
    BEFORE UPDATE OF perceptual_hash, trashed_at, group_id, sort_at, stands_alone ON images_image
    FOR EACH ROW WHEN (
        (OLD.perceptual_hash IS NOT NULL OR NEW.perceptual_hash IS NOT NULL)
        AND (
            OLD.perceptual_hash IS DISTINCT FROM NEW.perceptual_hash
            OR (OLD.trashed_at IS NULL) <> (NEW.trashed_at IS NULL)
            OR OLD.group_id <> NEW.group_id
            OR OLD.sort_at <> NEW.sort_at
            OR OLD.stands_alone <> NEW.stands_alone
        )
    )
    EXECUTE FUNCTION images_mark_stack_due();
"""
MARK_NONE = """
DROP TRIGGER mark_stack_due ON images_image;
DROP FUNCTION images_mark_stack_due();
"""

# Whoever deletes the row of a transform, and however: its object is left to the outbox.
RECORD_TRANSFORMS = """
CREATE FUNCTION images_record_deleted_transforms() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO images_pendingdeletion
        (image_id, multipart_id, keys, may_be_written, recorded_at)
    SELECT gone.image_id, '',
           ARRAY[
               gone.group_id || '/transforms/' || gone.image_id || '-' || gone.version || '-'
               || gone.spec_hash || '.' || replace(gone.spec->>'format', 'jpeg', 'jpg')
           ],
           gone.state = 'rendering', statement_timestamp()
    FROM gone WHERE gone.state <> 'failed';
    RETURN NULL;
END $$;
CREATE TRIGGER record_deleted_transforms AFTER DELETE ON images_transform
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT
    EXECUTE FUNCTION images_record_deleted_transforms();
"""
FORGET_TRANSFORMS = """
DROP TRIGGER record_deleted_transforms ON images_transform;
DROP FUNCTION images_record_deleted_transforms();
"""

# A transform shows a version of a photo, in a group, and perhaps another photo as its watermark. Once
# one of them is replaced or moved, or the watermark is trashed, nobody may be shown it any more.
DROP_TRANSFORMS = """
CREATE FUNCTION images_drop_outdated_transforms() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM images_transform
    WHERE image_id = NEW.id AND (version <> NEW.version OR group_id <> NEW.group_id);
    IF NEW.version <> OLD.version OR NEW.group_id <> OLD.group_id OR NEW.trashed_at IS NOT NULL THEN
        DELETE FROM images_transform WHERE watermark_image_id = NEW.id;
    END IF;
    -- What a model wrote is about that version, and may name the place.
    DELETE FROM images_generatedcaption
    WHERE image_id = NEW.id AND (version <> NEW.version OR NEW.place_forgotten_at IS NOT NULL);
    RETURN NULL;
END $$;
CREATE TRIGGER drop_outdated_transforms AFTER UPDATE ON images_image FOR EACH ROW WHEN (
    OLD.version > 0 AND (
        NEW.version <> OLD.version
        OR NEW.group_id <> OLD.group_id
        OR (OLD.trashed_at IS NULL AND NEW.trashed_at IS NOT NULL)
        OR (OLD.place_forgotten_at IS NULL AND NEW.place_forgotten_at IS NOT NULL)
    )
) EXECUTE FUNCTION images_drop_outdated_transforms();

CREATE FUNCTION images_drop_transforms_of_purged() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM images_transform USING gone WHERE watermark_image_id = gone.id;
    RETURN NULL;
END $$;
CREATE TRIGGER drop_transforms_of_purged AFTER DELETE ON images_image
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT
    EXECUTE FUNCTION images_drop_transforms_of_purged();
"""
KEEP_TRANSFORMS = """
DROP TRIGGER drop_transforms_of_purged ON images_image;
DROP FUNCTION images_drop_transforms_of_purged();
DROP TRIGGER drop_outdated_transforms ON images_image;
DROP FUNCTION images_drop_outdated_transforms();
"""

# However a caption is written, hidden or deleted: its photo says what is shown.
SHOW_CAPTIONS = """
CREATE FUNCTION images_show_generated_caption() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    shown text := '';
BEGIN
    IF TG_OP <> 'DELETE' AND NEW.state = 'done' AND NEW.hidden_at IS NULL THEN
        shown := NEW.text;
    END IF;
    UPDATE images_image SET
        caption_due = (TG_OP = 'DELETE'),
        generated_text = shown,
        updated_at = CASE
            WHEN generated_text = shown THEN updated_at ELSE statement_timestamp()
        END
    WHERE id = CASE WHEN TG_OP = 'DELETE' THEN OLD.image_id ELSE NEW.image_id END
        AND (caption_due <> (TG_OP = 'DELETE') OR generated_text <> shown);
    RETURN NULL;
END $$;
CREATE TRIGGER show_generated_caption
    AFTER INSERT OR DELETE OR UPDATE OF state, text, hidden_at ON images_generatedcaption
    FOR EACH ROW EXECUTE FUNCTION images_show_generated_caption();
"""
SHOW_NO_CAPTIONS = """
DROP TRIGGER show_generated_caption ON images_generatedcaption;
DROP FUNCTION images_show_generated_caption();
"""

# A photo in the trash is sent to nobody, and a group has captions in its language alone. What a
# host corrected or hid is a person's decision, and stays.
DROP_CAPTIONS = """
CREATE FUNCTION images_drop_outdated_captions() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM images_generatedcaption
    WHERE image_id = NEW.id AND (
        (NEW.trashed_at IS NOT NULL AND state <> 'done')
        OR (
            NEW.group_id <> OLD.group_id AND NOT is_corrected AND hidden_at IS NULL
            AND language <> (SELECT caption_language FROM groups_group WHERE id = NEW.group_id)
        )
    );
    RETURN NULL;
END $$;
CREATE TRIGGER drop_outdated_captions AFTER UPDATE OF trashed_at, group_id ON images_image
    FOR EACH ROW WHEN (
        NEW.group_id <> OLD.group_id OR (OLD.trashed_at IS NULL AND NEW.trashed_at IS NOT NULL)
    ) EXECUTE FUNCTION images_drop_outdated_captions();
"""
KEEP_CAPTIONS = """
DROP TRIGGER drop_outdated_captions ON images_image;
DROP FUNCTION images_drop_outdated_captions();
"""

# What is counted of a photo: the quarter of an hour, the uploader and the camera.
COUNT = """
CREATE FUNCTION images_facets(sort_at timestamptz, uploader_name text, camera_model text)
RETURNS TABLE (facet text, value text) LANGUAGE sql STABLE AS $$
    SELECT * FROM (VALUES
        ('quarter', floor(extract(epoch FROM sort_at) / 900)::bigint::text),
        ('uploader', uploader_name),
        ('camera', camera_model)
    ) found (facet, value) WHERE found.value <> ''
$$;

CREATE FUNCTION images_count_added() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO images_photocount (group_id, facet, value, is_approved, count, is_change)
    SELECT photo.group_id, facet, value, photo.moderation = 'approved', count(*), true
    FROM added photo,
        images_facets(photo.sort_at, photo.uploader_name, photo.camera_model)
    WHERE photo.version > 0 AND photo.trashed_at IS NULL
    GROUP BY photo.group_id, facet, value, photo.moderation = 'approved';
    RETURN NULL;
END $$;
CREATE TRIGGER count_added AFTER INSERT ON images_image
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION images_count_added();

CREATE FUNCTION images_count_purged() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO images_photocount (group_id, facet, value, is_approved, count, is_change)
    SELECT photo.group_id, facet, value, photo.moderation = 'approved', -count(*), true
    FROM gone photo,
        images_facets(photo.sort_at, photo.uploader_name, photo.camera_model)
    WHERE photo.version > 0 AND photo.trashed_at IS NULL
    GROUP BY photo.group_id, facet, value, photo.moderation = 'approved';
    RETURN NULL;
END $$;
CREATE TRIGGER count_purged AFTER DELETE ON images_image
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION images_count_purged();

CREATE FUNCTION images_count_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO images_photocount (group_id, facet, value, is_approved, count, is_change)
    SELECT group_id, facet, value, is_approved, sum(change), true
    FROM (
        SELECT OLD.group_id, facet, value, OLD.moderation = 'approved' AS is_approved, -1 AS change
        FROM images_facets(OLD.sort_at, OLD.uploader_name, OLD.camera_model)
        WHERE OLD.version > 0 AND OLD.trashed_at IS NULL
        UNION ALL
        SELECT NEW.group_id, facet, value, NEW.moderation = 'approved', 1
        FROM images_facets(NEW.sort_at, NEW.uploader_name, NEW.camera_model)
        WHERE NEW.version > 0 AND NEW.trashed_at IS NULL
    ) changed
    GROUP BY group_id, facet, value, is_approved HAVING sum(change) <> 0;
    RETURN NULL;
END $$;
-- Row by row: most updates change nothing that is counted.
CREATE TRIGGER count_changed AFTER UPDATE ON images_image FOR EACH ROW WHEN (
    (OLD.version > 0 AND OLD.trashed_at IS NULL) <> (NEW.version > 0 AND NEW.trashed_at IS NULL)
    OR (NEW.version > 0 AND NEW.trashed_at IS NULL AND (
        OLD.group_id <> NEW.group_id
        OR OLD.sort_at <> NEW.sort_at
        OR OLD.uploader_name <> NEW.uploader_name
        OR OLD.camera_model <> NEW.camera_model
        OR (OLD.moderation = 'approved') <> (NEW.moderation = 'approved')
    ))
) EXECUTE FUNCTION images_count_changed();

-- The triggers lock the table against changes until the transaction ends.
INSERT INTO images_photocount (group_id, facet, value, is_approved, count, is_change)
SELECT photo.group_id, facet, value, photo.moderation = 'approved', count(*), false
FROM images_image photo,
    images_facets(photo.sort_at, photo.uploader_name, photo.camera_model)
WHERE photo.version > 0 AND photo.trashed_at IS NULL
GROUP BY photo.group_id, facet, value, photo.moderation = 'approved';
"""
COUNT_NOTHING = """
DROP TRIGGER count_changed ON images_image;
DROP FUNCTION images_count_changed();
DROP TRIGGER count_purged ON images_image;
DROP FUNCTION images_count_purged();
DROP TRIGGER count_added ON images_image;
DROP FUNCTION images_count_added();
DROP FUNCTION images_facets(timestamptz, text, text);
"""




class Migration(migrations.Migration):
    dependencies = [
        ("images", "0001_initial"),
        ("groups", "0001_initial"),
    ]

    operations = [
        migrations.RunSQL(RECORD_DELETIONS, FORGET_DELETIONS),
        migrations.RunSQL(WRITE_TOMBSTONES, DROP_TOMBSTONES),
        migrations.RunSQL(END_ARCHIVES, LEAVE_ARCHIVES),
        migrations.RunSQL(MARK_DUE, MARK_NONE),
        migrations.RunSQL(RECORD_TRANSFORMS, FORGET_TRANSFORMS),
        migrations.RunSQL(DROP_TRANSFORMS, KEEP_TRANSFORMS),
        migrations.RunSQL(SHOW_CAPTIONS, SHOW_NO_CAPTIONS),
        migrations.RunSQL(DROP_CAPTIONS, KEEP_CAPTIONS),
        migrations.RunSQL(COUNT, COUNT_NOTHING),
    ]
