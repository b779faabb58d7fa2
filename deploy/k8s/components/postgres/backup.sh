#!/bin/sh
# Writes one dump, reads it back, and only then lets go of the oldest.
set -eu
name="kefu-$(date -u +%Y%m%dT%H%M%SZ).dump"
pg_dump --format=custom --compress=6 --file="/backup/$name.part"
pg_restore --list "/backup/$name.part" > /dev/null
mv "/backup/$name.part" "/backup/$name"
find /backup -name '*.part' -mmin +720 -delete
find /backup -name 'kefu-*.dump' | sort -r | tail -n "+$((KEEP + 1))" | while read -r old; do rm -- "$old"; done
ls -l /backup
