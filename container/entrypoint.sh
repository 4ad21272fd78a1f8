#!/bin/sh
# Turns what a container is given (variables, a mounted /data) into what Sauron and its jobs read, then becomes the command.
# Repeating it is harmless: the same files are replaced whole. Host keys are always verified; nothing here loosens that.
set -eu
umask 077

refuse() {
  printf 'sauron: %s\n' "$@" >&2
  exit 1
}

# 1. A variable that is passed on empty, as docker-compose.yml does, is unset: the image's defaults hold.
store=sqlite:////data/sauron.sqlite3
if [ -n "${JOB_QUEUE_DB_URL_FILE:-}" ] && [ "${JOB_QUEUE_DB_URL:-$store}" = "$store" ]; then
  unset JOB_QUEUE_DB_URL # the file was chosen; the default must not win over it
else
  export JOB_QUEUE_DB_URL="${JOB_QUEUE_DB_URL:-$store}"
fi
export JOBS_DIR="${JOBS_DIR:-/data/jobs}"
export API_HOST="${API_HOST:-0.0.0.0}"

# 2. Life Hub is known by two names; jobs of older bundles read either.
if [ -n "${DATABASE_URL:-}" ]; then
  export LIFE_HUB_DB_URL="${LIFE_HUB_DB_URL:-$DATABASE_URL}"
elif [ -n "${LIFE_HUB_DB_URL:-}" ]; then
  export DATABASE_URL="$LIFE_HUB_DB_URL"
fi

# 3. What Sauron writes to must be writable before it starts: a wrong owner of the volume has one cure, so it is said.
must_be_writable() {
  if ! { mkdir -p "$1" && probe=$(mktemp "$1/.writable.XXXXXX") && rm "$probe"; } 2>/dev/null; then
    refuse "$1 is not writable by user $(id -u). Run this as root where the volume is mounted, then start again:" \
      "  chown -R $(id -u):$(id -g) $1" \
      "For a docker volume: docker run --rm --volumes-from $(hostname 2>/dev/null || echo CONTAINER) busybox chown -R $(id -u):$(id -g) $1"
  fi
}
case ${JOB_QUEUE_DB_URL:-} in
  sqlite:///*) must_be_writable "$(dirname "${JOB_QUEUE_DB_URL#sqlite:///}")" ;;
esac
must_be_writable "$JOBS_DIR"

# 4. Keys go to files that only this user reads, in memory where the runtime folder is a tmpfs.
private_folder() {
  if [ -z "${keys:-}" ]; then
    if [ -n "${XDG_RUNTIME_DIR:-}" ] && [ -w "$XDG_RUNTIME_DIR" ]; then
      keys=$XDG_RUNTIME_DIR
    else
      keys=$(mktemp -d "${TMPDIR:-/tmp}/sauron.XXXXXX")
    fi
  fi
}
write_private() { # name, text: in one step, so that nobody reads half a file
  private_folder
  printf '%s\n' "$2" >"$keys/$1.new.$$"
  mv "$keys/$1.new.$$" "$keys/$1"
}

if [ -z "${SSH_PRIVATE_KEY_B64:-}" ] && [ -n "${SSH_PRIVATE_KEY_B64_FILE:-}" ]; then
  [ -r "$SSH_PRIVATE_KEY_B64_FILE" ] ||
    refuse "SSH_PRIVATE_KEY_B64_FILE=$SSH_PRIVATE_KEY_B64_FILE cannot be read; name a file that user $(id -u) may read"
  encoded=$(cat "$SSH_PRIVATE_KEY_B64_FILE")
else
  encoded=${SSH_PRIVATE_KEY_B64:-}
fi
if [ -n "$encoded" ] && [ -z "${SAURON_SSH_KEY_PATH:-}" ]; then
  cure="write the output of: base64 -w0 < ~/.ssh/id_ed25519"
  key=$(printf '%s' "$encoded" | tr -d ' \r\n\t' | base64 -d 2>/dev/null) || key=
  key=$(printf '%s' "$key" | tr -d '\r')
  case $key in
    *"-----BEGIN "*"PRIVATE KEY-----"*) ;;
    *) refuse "SSH_PRIVATE_KEY_B64 is not a private key in base64; $cure" ;;
  esac
  write_private ssh_key "$key"
  export SAURON_SSH_KEY_PATH="$keys/ssh_key"
fi
unset encoded key

# 5. Known hosts may be given as text; ssh wants a file. Text has a line break or the kind of a key in it, as in
#    sauron_jobs_loader/toolkit/known_hosts.py; anything else is a path.
if [ -n "${SAURON_SSH_KNOWN_HOSTS:-}" ]; then
  case $SAURON_SSH_KNOWN_HOSTS in
    *"
"* | *[[:blank:]]ssh-* | *[[:blank:]]ecdsa-* | *[[:blank:]]sk-*)
      write_private known_hosts "$SAURON_SSH_KNOWN_HOSTS"
      export SAURON_SSH_KNOWN_HOSTS="$keys/known_hosts"
      ;;
    *)
      [ -f "$SAURON_SSH_KNOWN_HOSTS" ] ||
        refuse "SAURON_SSH_KNOWN_HOSTS=$SAURON_SSH_KNOWN_HOSTS is neither a file nor host key lines; write the output of: ssh-keyscan HOST"
      ;;
  esac
fi

umask 022
exec "$@"
