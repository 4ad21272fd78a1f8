#!/bin/sh
# Build the image sauron:VERSION with the first builder that works here. `make image` calls it.
# BUILDER names another one; arguments go to the builder: container/build.sh --build-arg EXTRA_APT="gh"
set -eu
cd "$(dirname "$0")/.."
version=$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' chalicelib/__init__.py)
image=sauron:$version

for builder in ${BUILDER:-docker podman buildah}; do
  # A docker client without a running engine fails here, too.
  if "$builder" version >/dev/null 2>&1; then
    found=$builder
    break
  fi
done
if [ -z "${found:-}" ]; then
  echo "The image cannot be built: of ${BUILDER:-docker, podman and buildah} none works here." \
    "Start the docker engine, or install one: on Debian, sudo apt-get install buildah" >&2
  exit 1
fi

case $found in
  *docker) set -- build "$@" ;;
  # Their own format has no HEALTHCHECK.
  *) set -- build --format docker "$@" ;;
esac
echo "Building $image with $found; the first time takes a few minutes."
"$found" "$@" --tag "$image" --file container/Dockerfile .

case $found in
  *buildah) echo "Built $image. Hand it to docker: buildah push $image docker-daemon:$image" ;;
  *) echo "Built $image. Start it: $found run --rm --publish 127.0.0.1:8080:8080 --volume sauron-data:/data $image" ;;
esac
