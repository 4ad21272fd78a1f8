#!/bin/sh
# `docker exec CONTAINER sauron list` bypasses the image's entrypoint. Go through it, so that the command uses the
# same store and keys as the server.
exec entrypoint.sh /opt/sauron/bin/sauron "$@"
