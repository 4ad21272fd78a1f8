#!/bin/sh
# One dump a day, and those of the last two weeks.
set -eu
database=$1 folder=$2
part="$folder/.$database.part"
pg_dump --format=custom --file="$part" "$database"
mv "$part" "$folder/$database-$(date +%F).dump"
find "$folder" -name "$database-*.dump" -mtime +14 -delete
