#!/bin/sh
# Prepare the environment of Sauron and its jobs from the container's variables and /data, then run the command.
# Repeating it is harmless: files are replaced as a whole. Host keys are always verified.
set -eu
umask 077

refuse() {
  printf 'sauron: %s\n' "$@" >&2
  exit 1
}

# 1. A variable that docker-compose.yml passes on empty is unset: the image's defaults apply.
store=sqlite:////data/sauron.sqlite3
if [ -n "${JOB_QUEUE_DB_URL_FILE:-}" ] && [ "${JOB_QUEUE_DB_URL:-$store}" = "$store" ]; then
  unset JOB_QUEUE_DB_URL # the operator named a file; the default must not override it
else
  export JOB_QUEUE_DB_URL="${JOB_QUEUE_DB_URL:-$store}"
fi
for name in TZ HTTP_PROXY HTTPS_PROXY NO_PROXY; do
  if [ -z "$(printenv "$name")" ]; then unset "$name"; fi
done
export JOBS_DIR="${JOBS_DIR:-/data/jobs}"
export API_HOST="${API_HOST:-0.0.0.0}"

# 2. Life Hub has two names; jobs of older bundles read either.
if [ -n "${DATABASE_URL:-}" ]; then
  export LIFE_HUB_DB_URL="${LIFE_HUB_DB_URL:-$DATABASE_URL}"
elif [ -n "${LIFE_HUB_DB_URL:-}" ]; then
  export DATABASE_URL="$LIFE_HUB_DB_URL"
fi

# 3. The folders of the store and the bundle must be writable. If not, print the command that fixes the owner.
must_be_writable() {
  if ! { mkdir -p "$1" && probe=$(mktemp "$1/.writable.XXXXXX") && rm "$probe"; } 2>/dev/null; then
    refuse "$1 is not writable by user $(id -u). Run this as root where the volume is mounted, then start again:" \
      "  chown -R $(id -u):$(id -g) $1" \
      "For a docker volume: docker run --rm --volumes-from $(hostname 2>/dev/null || echo CONTAINER) busybox chown -R $(id -u):$(id -g) $1"
  fi
}
case ${JOB_QUEUE_DB_URL:-} in
  [Ss][Qq][Ll][Ii][Tt][Ee]:///*) must_be_writable "$(dirname "${JOB_QUEUE_DB_URL#*:///}")" ;;
esac
must_be_writable "$JOBS_DIR"

# 4. Keys are written to files that only this user can read; in memory if the runtime folder is a tmpfs.
private_folder() {
  if [ -z "${keys:-}" ]; then
    if [ -n "${XDG_RUNTIME_DIR:-}" ] && [ -w "$XDG_RUNTIME_DIR" ]; then
      keys=$XDG_RUNTIME_DIR
    else
      keys=$(mktemp -d "${TMPDIR:-/tmp}/sauron.XXXXXX")
    fi
  fi
}
write_private() { # name, text: renamed into place, so that no process reads half a file
  private_folder
  printf '%s\n' "$2" >"$keys/$1.new.$$"
  mv "$keys/$1.new.$$" "$keys/$1"
}

if [ -z "${SSH_PRIVATE_KEY_B64:-}" ] && [ -n "${SSH_PRIVATE_KEY_B64_FILE:-}" ]; then
  [ -r "$SSH_PRIVATE_KEY_B64_FILE" ] ||
    refuse "SSH_PRIVATE_KEY_B64_FILE=$SSH_PRIVATE_KEY_B64_FILE cannot be read; name a file that user $(id -u) may read"
  encoded=$(timeout 10 head -c 1048576 "$SSH_PRIVATE_KEY_B64_FILE" | tr -d '\000') || :
  [ -n "$encoded" ] || refuse "SSH_PRIVATE_KEY_B64_FILE=$SSH_PRIVATE_KEY_B64_FILE holds nothing; name a file of text"
else
  encoded=${SSH_PRIVATE_KEY_B64:-}
fi
if [ -n "$encoded" ] && [ -z "${SAURON_SSH_KEY_PATH:-}" ]; then
  cure="write the output of: base64 -w0 < ~/.ssh/id_ed25519"
  key=$(printf '%s' "$encoded" | tr -d ' \r\n\t\357\273\277' | base64 -d 2>/dev/null) || key=
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
