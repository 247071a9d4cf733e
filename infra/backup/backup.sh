#!/bin/sh
# Dumps the database of PGHOST, PGUSER, PGPASSWORD, PGDATABASE every BACKUP_HOURS into BACKUP_DIR, and
# removes dumps older than BACKUP_KEEP_DAYS once there is a newer one. `backup.sh once` does so once.
set -eu

folder=${BACKUP_DIR:-/var/lib/postgresql}
hours=${BACKUP_HOURS:-24}
days=${BACKUP_KEEP_DAYS:-14}

dump() {
  name="$folder/bandpics-$(date -u +%Y%m%dT%H%M%SZ).dump"
  # Under another name until it is whole.
  if ! pg_dump --format=custom --file="$name.part"; then
    rm -f "$name.part"
    echo "backup-failed: pg_dump ended with an error; it is tried again in 10 minutes" >&2
    return 1
  fi
  mv "$name.part" "$name"
  echo "Wrote $name ($(wc -c <"$name") bytes)"
  find "$folder" -name 'bandpics-*.dump' -mtime "+$days" ! -path "$name" -exec rm {} +
  find "$folder" -name 'bandpics-*.dump.part' -mmin +720 -exec rm {} +
}

if [ "${1:-}" = once ]; then
  dump
  exit
fi

# So that `docker compose stop` does not wait for the pause to end.
trap 'kill "$pause" 2>/dev/null; exit 0' TERM INT
pause=
while true; do
  if dump; then seconds=$((hours * 3600)); else seconds=600; fi
  sleep "$seconds" &
  pause=$!
  wait "$pause"
done
