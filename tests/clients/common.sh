# shellcheck shell=sh disable=SC2034
# What every client does: signed requests, parameters in alphabetical order, errors by the key "message".
set -eu
: "${API:?the address of the stage, without a slash at its end}"
: "${AWS_ACCESS_KEY_ID:?}" "${AWS_SECRET_ACCESS_KEY:?}"
CLUSTERS="$API/hpc-provisioner/pcluster"

request() {
  curl --silent --show-error --noproxy '*' --aws-sigv4 aws:amz:us-east-1:execute-api \
    --user "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY" "$@"
}

# A value out of JSON on standard input; nothing where it is absent. $1: keys, with dots between them.
field() {
  python3 -c '
import json, sys
found = json.load(sys.stdin)
for key in sys.argv[1].split("."):
    found = found.get(key) if isinstance(found, dict) else None
print("" if found is None else found)' "$1"
}

# Old clients look for the word only, not for the HTTP status.
stop_at_error() {
  error=$(printf '%s' "$1" | field message)
  if [ -n "$error" ] && [ "${error#* }" = "$error" ]; then
    echo "refused: $error" >&2
    exit 1
  fi
}

# The cluster argument is <vlab_id>_<project_id>.
ids() {
  case "$1" in
    *_*) vlab_id=${1%%_*} project_id=${1#*_} ;;
    *) echo "usage: $0 VLAB_PROJECT" >&2; exit 2 ;;
  esac
}
