"""Makes the audit trail append-only, and writes each event to the outbox of shipments."""

from django.db import migrations

TRIGGERS = """
CREATE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'Events of the audit trail are neither changed nor deleted.'
        USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER audit_is_append_only BEFORE UPDATE OR DELETE ON audit_auditevent
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse();

CREATE FUNCTION audit_to_outbox() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO audit_auditoutbox (event_id) VALUES (NEW.id);
    RETURN NULL;
END $$;
CREATE TRIGGER audit_to_outbox AFTER INSERT ON audit_auditevent
    FOR EACH ROW EXECUTE FUNCTION audit_to_outbox();
"""
DROP = """
DROP TRIGGER audit_to_outbox ON audit_auditevent;
DROP TRIGGER audit_is_append_only ON audit_auditevent;
DROP FUNCTION audit_to_outbox;
DROP FUNCTION audit_refuse;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("audit", "0001_initial"),
    ]

    operations = [
        migrations.RunSQL(TRIGGERS, DROP),
    ]
