#!/usr/bin/env bash
# Installs what a build ("build"), the FIPS build ("fips") and the tests ("test") need, if it is missing: Debian packages by apt-get, Python packages into
# .test-env/venv and, where there is a Python that is new enough, localemu into .test-env/venv-localemu; kryoptic, the second soft token, is built into
# .test-env/kryoptic.
# It is quiet when nothing is missing, and says what to install by hand when it may not install.
set -euo pipefail
cd "$(dirname "$0")/.."

need_packages() { # package=program that it brings
  local missing=() pair
  for pair in "$@"; do
    command -v "${pair#*=}" >/dev/null 2>&1 || missing+=("${pair%%=*}")
  done
  [ ${#missing[@]} -eq 0 ] && return 0
  local sudo=""
  [ "$(id -u)" -eq 0 ] || sudo="sudo"
  if ! command -v apt-get >/dev/null 2>&1 || { [ -n "$sudo" ] && ! command -v sudo >/dev/null 2>&1; }; then
    echo "setup: please install these packages first: ${missing[*]}" >&2
    exit 1
  fi
  echo "setup: installing ${missing[*]}"
  $sudo apt-get update -qq
  DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

need_rust() {
  command -v cargo >/dev/null 2>&1 || { echo "setup: please install Rust's toolchain by rustup first (https://rustup.rs)" >&2; exit 1; }
  command -v cargo-clippy >/dev/null 2>&1 || rustup component add clippy rustfmt
}

need_postgres() {
  ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null 2>&1 && [ -x "$(command -v initdb || ls /usr/lib/postgresql/*/bin/initdb 2>/dev/null | head -1)" ] && return 0
  need_packages postgresql=keystead-needs-postgresql
}

need_python_packages() {
  local venv=.test-env/venv stamp=.test-env/venv/requirements.done
  cmp -s scripts/requirements.txt "$stamp" 2>/dev/null && return 0
  echo "setup: installing Python packages into $venv"
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check -r scripts/requirements.txt
  cp scripts/requirements.txt "$stamp"
}

# localemu says that it runs on Python 3.10, and its KMS needs 3.13. Debian 12 has 3.11, so another Python is looked for, and none is installed.
find_new_python() {
  local python
  for python in python3.13 python3.14 python3 "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.*/bin/python3; do
    "$python" -c 'import sys, ensurepip; sys.exit(sys.version_info < (3, 13))' >/dev/null 2>&1 && { echo "$python"; return 0; }
  done
  return 1
}

need_localemu() {
  local venv=.test-env/venv-localemu stamp=.test-env/venv-localemu/requirements.done python
  cmp -s scripts/requirements-localemu.txt "$stamp" 2>/dev/null && return 0
  python=$(find_new_python) || { echo "setup: no Python 3.13 or later: localemu, the second emulator, is skipped"; return 0; }
  echo "setup: installing localemu into $venv"
  rm -rf "$venv"
  "$python" -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check -r scripts/requirements-localemu.txt
  cp scripts/requirements-localemu.txt "$stamp"
}

# A TPM in software, and systemd's sealing of credentials to it.
need_tpm() {
  need_packages swtpm=swtpm systemd=systemd-creds
  ls /usr/lib/*/libtss2-tcti-swtpm.so* >/dev/null 2>&1 || need_packages libtss2-dev=keystead-needs-libtss2
}

need_softhsm() {
  ls /usr/lib/softhsm/libsofthsm2.so >/dev/null 2>&1 || need_packages softhsm2=keystead-needs-softhsm2
  need_packages softhsm2=softhsm2-util opensc=pkcs11-tool
}

# The second soft token comes from Rust's registry, as a library: cargo fetches it, and builds it here once (about three minutes on two cores).
need_kryoptic() {
  local version=1.5.4 home=.test-env/kryoptic source
  [ -e "$home/$version.done" ] && return 0
  need_packages pkg-config=pkg-config
  pkg-config --exists libcrypto 2>/dev/null || need_packages libssl-dev=keystead-needs-libssl-dev
  pkg-config --exists sqlite3 2>/dev/null || need_packages libsqlite3-dev=keystead-needs-libsqlite3-dev
  { ls /usr/lib/llvm*/lib/libclang.so* || ls /usr/lib/*/libclang*.so*; } >/dev/null 2>&1 || need_packages libclang-dev=keystead-needs-libclang-dev
  echo "setup: building kryoptic $version into $home"
  rm -rf "$home"
  mkdir -p "$home/fetch/src"
  printf '[package]\nname = "fetch"\nversion = "0.0.0"\nedition = "2024"\n[dependencies]\nkryoptic = { version = "=%s", default-features = false }\n[workspace]\n' "$version" \
    >"$home/fetch/Cargo.toml"
  touch "$home/fetch/src/lib.rs"
  cargo fetch --quiet --manifest-path "$home/fetch/Cargo.toml"
  source=$(ls -d "${CARGO_HOME:-$HOME/.cargo}"/registry/src/*/kryoptic-"$version" | head -1)
  cp -r "$source" "$home/source"
  printf '\n[workspace]\n' >>"$home/source/Cargo.toml"
  CARGO_TARGET_DIR="$PWD/$home/target" cargo build --quiet --release --locked --manifest-path "$home/source/Cargo.toml" \
    --no-default-features --features minimal,kryoptic-lib/dynamic
  cp "$home/target/release/libkryoptic_pkcs11.so" "$home/"
  rm -rf "$home/fetch" "$home/source" "$home/target"
  touch "$home/$version.done"
}

for part in "$@"; do
  case "$part" in
    build)
      need_packages build-essential=cc build-essential=make
      need_rust
      ;;
    test)
      need_packages openssl=openssl python3=python3 curl=curl
      python3 -c 'import ensurepip' 2>/dev/null || need_packages python3-venv=keystead-needs-python3-venv
      need_postgres
      need_python_packages
      need_localemu
      need_tpm
      need_softhsm
      need_kryoptic
      ;;
    fips)
      need_packages cmake=cmake golang-go=go perl=perl
      ;;
    *) echo "setup: unknown part $part" >&2; exit 2 ;;
  esac
done
