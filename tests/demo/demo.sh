#!/bin/sh
# The main job from an empty registry to a release, with the commands as a user would type them.
# Works on a copy of example-repo and leaves the checkout as it was.
set -eu

here=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
server=""
cleanup() {
  [ -z "$server" ] || kill "$server" 2>/dev/null || true
  rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

unset PROMPTLAYER_API_KEY PROMPTLAYER_BASE_URL PROMPTSYNC_REMOTE GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null
export GIT_AUTHOR_NAME=Ada GIT_AUTHOR_EMAIL=ada@example.com
export GIT_COMMITTER_NAME=Ada GIT_COMMITTER_EMAIL=ada@example.com

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then bold=$(printf '\033[1m') plain=$(printf '\033[0m'); else bold="" plain=""; fi
say() { printf '\n%s# %s%s\n' "$bold" "$*" "$plain"; }
show() { printf '\n$ %s\n' "$1"; eval "$1"; }
# A command whose answer is no on purpose: its exit code is shown, and must be the one that is expected.
show_code() {
  printf '\n$ %s\n' "$2"
  code=0
  eval "$2" || code=$?
  printf '(exit code %s)\n' "$code"
  [ "$code" = "$1" ] || { echo "expected exit code $1"; exit 1; }
}
edit() { sed "$2" "$1" > "$1.new" && mv "$1.new" "$1"; }

cp -R "$here/example-repo" "$work/prompts-repo"
rm -rf "$work/prompts-repo/.promptsync"
cd "$work/prompts-repo"
git init --quiet --initial-branch=main .
git add --all
git commit --quiet --message "Add the support team's prompts"

say "A repository with prompts, and an empty registry"
show "promptsync status"

say "Publish them"
show "promptsync push -m 'First version'"
show "promptsync status"

say "Edit a prompt, look at the difference, commit and push"
edit prompts/support/refund.yaml 's/You answer refund questions/You kindly answer refund questions/'
show "promptsync diff"
show "git commit --quiet --all --message 'Answer refund questions kindly'"
show "promptsync push"

say "Release it: a label that applications read"
show "promptsync label set support/refund prod"
show "promptsync ls-remote 'support/refund'"

say "Meanwhile somebody edits the same prompt in the registry's own pages"
promptsync serve --port 0 > "$work/url" 2>"$work/serve.log" &
server=$!
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
  [ -s "$work/url" ] && break
  sleep 0.25
done
python3 "$here/tests/demo/colleague.py" "$(grep -o 'http://[^ ]*' "$work/url" | head -n 1)" \
  support/refund "You kindly answer" "You kindly and briefly answer"
kill "$server"
wait "$server" 2>/dev/null || true
server=""
show "promptsync status"
show_code 1 "promptsync status --exit-code --quiet"

say "Bring the edit here; comments and layout of the file survive"
show "promptsync pull"
show "git diff --stat"
show "git commit --quiet --all --message 'Take the edit made in the registry'"
show "promptsync push"
show "promptsync status"

say "Release the new text too: move the label"
show "promptsync label move support/refund prod"
show "promptsync log support/refund"

say "Let a gate release it: deploy proves what changed before the label moves"
edit prompts/support/triage.yaml 's/Choose exactly one category/Choose the one category that fits best/'
show "git commit --quiet --all --message 'Ask for the category that fits best'"
show "promptsync deploy"

say "A change that its evaluation does not pass is published, and not released"
edit prompts/support/triage.yaml 's/ Answer with a JSON object.*$//'
show "git commit --quiet --all --message 'Shorten the request'"
show_code 1 "promptsync deploy"
show "promptsync label list support/triage"
show "git revert --no-edit HEAD"
show "promptsync deploy"

published=$(promptsync ls-remote --json | python3 -c \
  'import json, sys; prompts = json.load(sys.stdin)["prompts"]; print(len(prompts), "prompts,", sum(p["version"] for p in prompts), "versions")')
printf '\nDone: %s in the registry; support/refund is at v3, and prod points at it; support/triage was stopped at its gate.\n' "$published"
