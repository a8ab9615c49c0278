#!/usr/bin/env bash
# The long proofs in full: the simulated year, the crash harness, the SIGKILL run, the migration of a root, the memory search and the lifecycle matrix. Writes docs/proof.md, and nothing there when one fails.
#
#   scripts/proof.sh                  the debug test binary
#   KEYSTEAD_PROFILE=perf scripts/proof.sh   release-like code
#   KEYSTEAD_SEED=N                   repeats the draws of an earlier SIGKILL run
set -euo pipefail
cd "$(dirname "$0")/.."

profile=${KEYSTEAD_PROFILE:-dev}
report=docs/proof.md
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# A proof, its title, and the pattern of its figures. Each has a process of its own, so that one's load does not disturb another's clocks.
proofs=(
  'year::|Simulated year|^simulated year: '
  'kill::|SIGKILL run|^kill run: '
  'migration::|Migration of a root|^migration: '
  'memory::|Memory search|^memory search: '
  'matrix::|Lifecycle matrix|^lifecycle matrix'
  'crash::|Crash harness|^crash harness: '
)

run() {
  KEYSTEAD_PROOF=1 cargo test --profile "$profile" -p keystead --test house -- "$1" --nocapture --test-threads=1
}

machine() {
  local model
  model=$(sed -n 's/^model name[[:space:]]*: //p' /proc/cpuinfo | head -n 1)
  printf '%s cores%s, %s GiB of memory, Linux %s\n' "$(nproc)" "${model:+ ($model)}" "$(awk '/^MemTotal/ {printf "%.0f", $2 / 1048576}' /proc/meminfo)" "$(uname -r)"
}

commit() {
  local name
  name=$(git rev-parse --short=12 HEAD 2>/dev/null) || { echo 'none yet'; return; }
  if [ -n "$(git status --porcelain 2>/dev/null)" ]; then name="$name, with changes that are not committed"; fi
  echo "$name"
}

cargo test --profile "$profile" -p keystead --test house --no-run
{
  echo '# The long proofs'
  echo
  echo 'Written by `make proof`. Each proof ran in full and succeeded; these are its figures.'
  echo
  echo "- Date: $(date --utc '+%Y-%m-%d %H:%M UTC')"
  echo "- Commit: $(commit)"
  echo "- Machine: $(machine)"
  echo "- Build: profile \`$profile\`, $(rustc --version)"
} > "$work/proof.md"

for proof in "${proofs[@]}"; do
  IFS='|' read -r filter title pattern <<< "$proof"
  log="$work/${filter%%:*}.log"
  began=$SECONDS
  if ! run "$filter" 2>&1 | tee "$log"; then
    echo "proof.sh: $title failed; $report was left as it was" >&2
    exit 1
  fi
  # A test that takes long is announced on the same line as its first figure.
  sed -E 's/^test [a-z_:0-9]+ \.\.\. //' "$log" | grep -aE "$pattern" > "$work/figures" || { echo "proof.sh: $title told no figures" >&2; exit 1; }
  {
    echo
    echo "## $title"
    echo
    echo "\`KEYSTEAD_PROOF=1 cargo test --profile $profile -p keystead --test house -- $filter --nocapture --test-threads=1\`, $((SECONDS - began)) s"
    echo
    echo '```text'
    fold -s -w 158 "$work/figures"
    echo '```'
  } >> "$work/proof.md"
done

mkdir -p docs
mv "$work/proof.md" "$report"
echo "proof.sh: wrote $report"
