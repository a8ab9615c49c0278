#!/usr/bin/env bash
# The long proofs in full. Writes docs/proof.md, a section for each proof with what it saw, when, and of which commit; a proof that fails leaves its section as it was.
#
#   scripts/proof.sh                  all of them, some hours on two cores
#   scripts/proof.sh year crash       these only; the other sections stay as they are
#   KEYSTEAD_PROFILE=perf scripts/proof.sh   release-like code instead of the debug test binary
#   KEYSTEAD_SEED=N                   repeats the draws of an earlier SIGKILL run
set -euo pipefail
cd "$(dirname "$0")/.."

profile=${KEYSTEAD_PROFILE:-dev}
report=docs/proof.md
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# A proof, its title, the pattern of its figures, and how many of its tests run side by side. Each has a process of its own, so that one's load does not disturb another's clocks.
proofs=(
  'year;Simulated year;^simulated year;1'
  'kill;SIGKILL run;^kill run: ;1'
  'kill_apply;Applies under SIGKILL;^killed applies: ;1'
  'migration;Migration of a root;^migration: ;1'
  'memory;Memory search;^memory search: ;1'
  'matrix;Lifecycle matrix;^lifecycle matrix;1'
  'dark_proof;Time to dark;^(time to dark, |[0-9]+ intents written|the quota of DisableKey);1'
  'restore_proof;Restore against its forecast;^restore: ;1'
  'crash;Crash harness;^crash harness: ;2'
)

machine() {
  local model
  model=$(sed -n 's/^model name[[:space:]]*: //p' /proc/cpuinfo | head -n 1)
  printf '%s cores%s, %s GiB of memory, Linux %s\n' "$(nproc)" "${model:+ ($model)}" "$(awk '/^MemTotal/ {printf "%.0f", $2 / 1048576}' /proc/meminfo)" "$(uname -r)"
}

commit() {
  local name
  name=$(git rev-parse --short=12 HEAD 2>/dev/null) || { echo 'none yet'; return; }
  if [ -n "$(git status --porcelain -- ':!docs/proof.md' 2>/dev/null)" ]; then name="$name, with changes that are not committed"; fi
  echo "$name"
}

# One proof: its section in $work/NAME.md.
prove() {
  local name=$1 title=$2 pattern=$3 threads=$4 began=$SECONDS command
  command="cargo test --profile $profile -p keystead --test house -- $name:: --nocapture --test-threads=$threads"
  local when
  when="$(date --utc '+%Y-%m-%d %H:%M UTC'), commit $(commit)"
  # shellcheck disable=SC2086
  KEYSTEAD_PROOF=1 $command 2>&1 | tee "$work/$name.log" || return 1
  # A test that takes long is announced on the same line as its first figure.
  sed -E 's/^test [a-z_:0-9]+ \.\.\. //' "$work/$name.log" | grep -aE "$pattern" > "$work/figures" || return 1
  {
    echo "## $title"
    echo
    echo "Begun $when; $((SECONDS - began)) s. Build: profile \`$profile\`, $(rustc --version). Machine: $(machine)"
    echo
    echo "\`KEYSTEAD_PROOF=1 $command\`"
    echo
    echo '```text'
    fold -s -w 158 "$work/figures"
    echo '```'
  } > "$work/$name.md"
}

# The section of a title in the report as it stands.
kept() {
  [ ! -f "$report" ] || awk -v title="## $1" '/^## / { inside = ($0 == title) } inside' "$report" | sed -e :a -e '/^\n*$/{$d;N;ba' -e '}'
}

write_report() {
  {
    echo '# The long proofs'
    echo
    echo 'Written by `make proof`, or by `scripts/proof.sh NAME…` for some of them. Each ran in full and succeeded; these are its figures, as it printed them.'
    local entry name title section
    for entry in "${proofs[@]}"; do
      IFS=';' read -r name title _ <<< "$entry"
      section=$(if [ -f "$work/$name.md" ]; then cat "$work/$name.md"; else kept "$title"; fi)
      if [ -n "$section" ]; then printf '\n%s\n' "$section"; fi
    done
  } > "$work/proof.md"
  mkdir -p docs
  mv "$work/proof.md" "$report"
}

wanted=("$@")
for name in "${wanted[@]}"; do
  printf '%s\n' "${proofs[@]}" | grep -q "^$name;" || { echo "proof.sh: no proof is called $name; there are: $(printf '%s\n' "${proofs[@]}" | cut -d ';' -f 1 | xargs)" >&2; exit 2; }
done

cargo test --profile "$profile" -p keystead --test house --no-run
failed=()
for entry in "${proofs[@]}"; do
  IFS=';' read -r name title pattern threads <<< "$entry"
  if [ ${#wanted[@]} -gt 0 ] && ! printf '%s\n' "${wanted[@]}" | grep -qx "$name"; then continue; fi
  if prove "$name" "$title" "$pattern" "$threads"; then write_report; else failed+=("$name"); fi
done
if [ ${#failed[@]} -gt 0 ]; then
  echo "proof.sh: failed: ${failed[*]}; their sections in $report are as they were" >&2
  exit 1
fi
echo "proof.sh: wrote $report"
