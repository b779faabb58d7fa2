#!/bin/sh
# Writes one dump, reads it back, and only then lets go of the oldest.
set -eu
folder=${BACKUP_DIR:-/backup}
name="kefu-$(date -u +%Y%m%dT%H%M%SZ).dump"
pg_dump --format=custom --compress=6 --file="$folder/$name.part"
pg_restore --list "$folder/$name.part" > /dev/null
mv "$folder/$name.part" "$folder/$name"
# What a killed backup left; this one's is renamed already.
rm -f "$folder"/*.part
find "$folder" -name 'kefu-*.dump' | sort -r | tail -n "+$((KEEP + 1))" | while read -r old; do rm -- "$old"; done
ls -l "$folder"
