#!/usr/bin/env bash
# Makes the Debian root directory that tests/slurm run a real Slurm in: make-root.sh SUITE FOLDER
#
# A version of Slurm that the machine's own Debian does not have, and nothing installed on the machine
# but the program that makes such roots. A root with these packages is kept.
set -euo pipefail

suite=$1
root=$2
packages=slurmctld,slurmd,slurmdbd,slurmrestd,slurm-client,slurm-wlm-jwt-plugin,slurm-wlm-mysql-plugin
# HAProxy and Python: what the node scripts use on a head node. acl: so do they.
packages+=,munge,haproxy,python3,acl,curl,ca-certificates

fail() {
  echo "setup-slurm: $*" >&2
  exit 1
}

if [[ $(cat "$root/.packages" 2>/dev/null) == "$packages" ]]; then
  exit 0
fi

[[ $(id -u) == 0 ]] || fail "root is needed: a Slurm that runs the jobs of several users does not start without."
command -v apt-get >/dev/null || fail "apt-get is needed: the root is made of Debian's packages."

if ! command -v mmdebstrap >/dev/null; then
  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
      mmdebstrap debian-archive-keyring; } >/dev/null || fail "mmdebstrap could not be installed."
fi

# The mirror that this machine's apt is set up with serves every suite of Debian, the newer ones too.
# shellcheck disable=SC2016  # apt fills in these names, not the shell
mirror=$(apt-get indextargets --format '$(ORIGIN) $(REPO_URI)' | awk '$1 == "Debian" && $2 !~ /security/ {print $2; exit}')
if [[ -z $mirror ]]; then
  apt-get update -qq
  # shellcheck disable=SC2016
  mirror=$(apt-get indextargets --format '$(ORIGIN) $(REPO_URI)' | awk '$1 == "Debian" && $2 !~ /security/ {print $2; exit}')
fi
[[ -n $mirror ]] || fail "apt has no Debian mirror; Slurm's packages come from one."

echo "Making a Debian $suite with Slurm in $root ..."
mkdir -p "$(dirname "$root")"
new=$(mktemp --directory --tmpdir="$(dirname "$root")")
trap 'rm -rf --one-file-system "$new"' EXIT
chmod 0755 "$new"
# Its mounts are its own, and go with it. A mirror that lags behind has its say in what is new in testing, too: a
# signature that has run out there is good enough for tests.
unshare --mount mmdebstrap --quiet --variant=minbase --include="$packages" \
  --aptopt='Acquire::Check-Valid-Until "false"' \
  --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
  --dpkgopt='path-exclude=/usr/share/locale/*' \
  "$suite" "$new" "$mirror" || fail "mmdebstrap could not make a Debian $suite from apt's mirror."
echo "$packages" >"$new/.packages"
rm -rf --one-file-system "$root"
mv "$new" "$root"
trap - EXIT
