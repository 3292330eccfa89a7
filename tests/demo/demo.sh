#!/bin/sh
# Shows the main job, from an empty registry to a release, with the commands that a user would type.
# Works on a copy of example-repo, in which models.yaml answers for the models.
# Waits for Enter between the steps on a terminal, and never in a pipe or in CI.
set -eu

here=$(cd "$(dirname "$0")/../.." && pwd)
promptsync=$(command -v promptsync) || { echo "promptsync is not on your PATH. Run: make demo" >&2; exit 1; }
bin=$(dirname "$promptsync")
python=$bin/python

work=$(mktemp -d "${TMPDIR:-/tmp}/promptsync-demo.XXXXXX")
finished=""
cleanup() {
  code=$?
  cd /
  [ -n "$finished" ] || rm -rf "$work"
  exit "$code"
}
stopped() {
  printf '\nStopped. Nothing is left running.\n' >&2
  exit "$1"
}
trap cleanup EXIT
trap 'stopped 130' INT
trap 'stopped 143' TERM
trap 'stopped 129' HUP

# The settings of the person who runs this must not change what it shows.
unset PROMPTLAYER_API_KEY PROMPTLAYER_BASE_URL PROMPTSYNC_REMOTE PROMPTSYNC_READ_ONLY
unset PROMPTSYNC_MODEL_URL PROMPTSYNC_MODEL_NAME PROMPTSYNC_MODEL_KEY
unset GITLAB_CI CI_MERGE_REQUEST_IID GITHUB_ACTIONS GITHUB_OUTPUT GITHUB_STEP_SUMMARY
# shellcheck disable=SC2046
unset $(git rev-parse --local-env-vars) GIT_EXTERNAL_DIFF
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null GIT_PAGER=cat GIT_EDITOR=true

width=${COLUMNS:-}
bold="" plain=""
exec 3>&1
if [ -t 1 ]; then
  case ${TERM:-dumb} in dumb | unknown) export TERM=dumb NO_COLOR=1 ;; esac
  [ -n "${NO_COLOR:-}" ] || bold=$(printf '\033[1m') plain=$(printf '\033[0m')
  [ -n "$width" ] || width=$(stty size <&3 2>/dev/null | cut -d ' ' -f 2)
fi
case $width in "" | *[!0-9]*) width=80 ;; esac
[ "$width" -ge 20 ] && [ "$width" -le 100 ] || width=80
pauses=""
if [ -t 0 ] && [ -t 1 ]; then
  case ${CI:-} in "" | 0 | no | false) pauses=yes ;; esac
fi
# No command of the demo may wait for an answer.
exec 4<&0 </dev/null 3>&-

step=0
pause() {
  [ -n "$pauses" ] || return 0
  printf '\n(Enter continues, q stops) '
  read -r answer <&4 || pauses=""
  case ${answer:-} in q | Q) stopped 0 ;; esac
}
step() {
  [ "$step" = 0 ] || pause
  step=$((step + 1))
  printf '\n%s%s%s\n' "$bold" "$(wrap "$step. $*")" "$plain"
}
# One line that says what the step showed.
seen() { printf '\n%s\n' "$(wrap "=> $*")"; }
wrap() { printf '%s\n' "$*" | fold -s -w "$width" | sed 's/ *$//'; }
run() { printf '\n$ %s\n' "$1"; eval "$1"; }
# For git, which does not wrap long lines. It would show no colors to fold.
run_folded() {
  printf '\n$ %s\n' "$1"
  colors=never
  [ -z "$bold" ] || colors=always
  eval "git -c color.ui=$colors ${1#git }" > "$work/.git/output"
  fold -s -w "$width" "$work/.git/output"
}
# For a command that fails on purpose: shows its exit code, and stops the demo at any other.
run_failing() {
  printf '\n$ %s\n' "$2"
  code=0
  eval "$2" || code=$?
  printf '(exit code %s)\n' "$code"
  [ "$code" = "$1" ] || { echo "The demo expected exit code $1." >&2; exit 1; }
}
# Edits a file as an editor would, and shows the edit.
edit() {
  printf '\n(edit %s)\n' "$1"
  sed "$2" "$1" > "$1.new" && mv "$1.new" "$1"
  if git diff --quiet; then echo "The demo could not edit $1." >&2; exit 1; fi
  run_folded "git diff -U1"
}
quoted() {
  case $1 in
    *[!A-Za-z0-9/._-]*) printf "'%s'" "$(printf '%s' "$1" | sed "s/'/'\\\\''/g")" ;;
    *) printf '%s' "$1" ;;
  esac
}

cp -R "$here/example-repo/." "$work"
rm -rf "$work/.promptsync"
cat "$here/tests/demo/models.yaml" >> "$work/registry.yaml"
cd "$work"
git init --quiet --initial-branch=main .
git config user.name Ada
git config user.email ada@example.com
[ -z "${NO_COLOR:-}" ] || git config color.ui never
git add --all
git commit --quiet --message "Add the support team's prompts"

step "Start with a git repository of prompt files and an empty registry"
run "promptsync status"
seen "All seven prompts are new, because nothing has been published yet."

step "Publish the prompts"
run "promptsync push --yes -m 'First version'"
run "promptsync status"
seen "Each prompt is now at v1 in the registry, and your files match it."

step "Edit a prompt, commit, and push"
edit prompts/support/refund.yaml 's/You answer refund questions/You kindly answer refund questions/'
run "git commit --quiet --all -m 'Answer refund questions kindly'"
run "promptsync push --yes"
seen "Only the edited prompt got a new version, with your commit message."

step "Point a label at v2, for an application that tries it"
run "promptsync label set support/refund staging --yes"
run "promptsync ls-remote support/refund"
seen "An application that requests staging gets this text."

step "A colleague edits the same prompt in the dashboard"
edited=$("$python" "$here/tests/demo/colleague.py" .promptsync/registry.db \
  support/refund "You kindly answer" "You kindly and briefly answer")
wrap "$edited"
run "promptsync status"
run "promptsync diff support/refund"
run_failing 1 "promptsync status --exit-code --quiet"
seen "promptsync noticed the edit, and a scheduled job can do so by the exit code."

step "Pull the edit into your file"
run "promptsync pull"
run_folded "git diff -U1"
run "git commit --quiet --all -m 'Take the edit made in the dashboard'"
run "promptsync status"
seen "The file has the edit and kept its comments; 'synced' records the version."

step "Move the label to the new text"
run "promptsync label move support/refund staging --yes"
run "promptsync log support/refund"
seen "staging moved to v3. staging.previous stays at v2, so you can roll back."

step "Release to prod: deploy runs evaluations, publishes, then moves prod"
edit prompts/support/triage.yaml 's/Choose exactly one category/Choose the one category that fits best/'
run "git commit --quiet --all -m 'Choose the best category'"
run "promptsync deploy --yes"
seen "The evaluations passed (registry.yaml has scripted answers of the models)."

step "Open a pull request with a change that its check refuses"
run "git switch --quiet --create shorter"
edit prompts/support/refund.yaml '/a safety rule without exceptions/d'
run "git commit --quiet --all -m 'Shorten the refund policy'"
run_failing 1 "promptsync eval run --changed --since main..."
seen "The new text ran beside the live one, and nothing was published for that."

step "Merge it all the same: deploy refuses"
run "git switch --quiet main"
run "git merge --quiet --no-ff -m 'Merge pull request 1' shorter"
run_failing 1 "promptsync deploy --yes"
seen "The verdict was known, so nothing ran again. prod did not move."

step "Fix it in a second pull request, which shows this comment"
run "git switch --quiet --create fix"
edit prompts/support/refund.yaml \
  's/but not refunded\./but not refunded. Unpacked harnesses: never, it is a safety rule./'
run "git commit --quiet --all -m 'Keep the rule about harnesses'"
run "promptsync eval run --changed --since main... --format markdown"
seen "In a pull request, check.yml adds what a merge would release."

step "Merge and deploy: what is released is what was evaluated"
run "git switch --quiet main"
run "git merge --quiet --no-ff -m 'Merge pull request 2' fix"
run "promptsync deploy --yes"
seen "The verdict of the pull request counted: the table did not run again."

pause
finished=yes
activate=""
[ ! -f "$bin/activate" ] || activate="  . $(quoted "$bin/activate")
"
printf '\n%s%s%s\n\n' "$bold" "$(wrap "Done. Try these next, in the repository that the demo left for you:")" "$plain"
printf '  cd %s\n%s' "$(quoted "$work")" "$activate"
cat <<'END'
  promptsync render support/refund --example 1
  promptsync search 'safety rule'
  promptsync eval run 'refund quality' --report report.html
  promptsync rollback support/refund --label staging --yes
  promptsync doctor

END
wrap "To start with prompts of your own, run promptsync init in a git repository. When you no longer need the demo repository, delete it:"
printf '\n  rm -rf %s\n' "$(quoted "$work")"
