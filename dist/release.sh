#!/bin/sh
# Lays out a release in a folder: for each target an archive and a list of what
# is in the binary (SBOM, CycloneDX), for Linux a deb and an rpm, and SHA256SUMS.
#
#   dist/release.sh FOLDER [OS/ARCH...]
#
# The same commit gives the same bytes, wherever and by whomever it is built with
# the same Go. Files of an older release in FOLDER go.
set -eu
cd "$(dirname "$0")/.."
out=$1
shift
[ $# -gt 0 ] || set -- linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 \
  windows/amd64 windows/arm64 freebsd/amd64 freebsd/arm64

VERSION=$(sed -n 's/^\tVersion = "\(.*\)"$/\1/p' internal/version/version.go)
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export VERSION SOURCE_DATE_EPOCH
mkdir -p bin "$out"
rm -f -- "$out"/muster[_-]*.tar.gz "$out"/muster[_-]*.cdx.json "$out"/muster[_-]*.deb "$out"/muster[_-]*.rpm
tools=$PWD/bin
go -C dist/tools build -o "$tools/" tool

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for target in "$@"; do
  GOOS=${target%/*} GOARCH=${target#*/}
  export GOOS GOARCH
  name=muster_${VERSION}_${GOOS}_${GOARCH}
  FILES=$work/$name
  BINARY=$FILES/muster
  [ "$GOOS" != windows ] || BINARY=$BINARY.exe
  export FILES BINARY
  mkdir -p "$FILES"
  CGO_ENABLED=0 go build -trimpath -buildvcs=auto -ldflags='-s -w -buildid=' -o "$BINARY" ./cmd/muster
  cp -R LICENSE README.md CHANGELOG.md docs dist/completions "$FILES"
  # Whatever umask and time it is.
  chmod -R u=rwX,go=rX "$FILES"
  find "$FILES" -exec touch -d "@$SOURCE_DATE_EPOCH" {} +
  tar -C "$work" --sort=name --owner=0 --group=0 --numeric-owner -cf "$work/$name.tar" "$name"
  gzip -9 -n -c "$work/$name.tar" >"$out/$name.tar.gz"
  "$tools/cyclonedx-gomod" bin -json -noserial -notimestamp -version "v$VERSION" -output "$out/$name.cdx.json" "$BINARY" 2>"$work/log" ||
    { cat "$work/log" >&2; exit 1; }
  if [ "$GOOS" = linux ]; then
    for packager in deb rpm; do
      "$tools/nfpm" package --config dist/package/nfpm.yaml --packager "$packager" --target "$out" >"$work/log" 2>&1 ||
        { cat "$work/log" >&2; exit 1; }
    done
  fi
  rm -rf "$FILES" "$FILES.tar"
  echo "$target"
done
cd "$out"
sha256sum -- *.tar.gz *.json $(ls -- *.deb *.rpm 2>/dev/null) >SHA256SUMS
