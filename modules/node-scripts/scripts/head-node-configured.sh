#!/bin/bash
# Runs once, as root, on the head node of a new cluster (ParallelCluster OnNodeConfigured).
#
#   head-node-configured.sh SHARED_DATA_DIR
#
# Makes SHARED_DATA_DIR/scratch, where every user may write and only the owner of a file may
# remove it. Running it again changes nothing. Output goes to the head node's cfn-init log; a
# non-zero exit fails the cluster, so each failure says why.
set -euo pipefail

log() {
    printf '%s head-node-configured: %s\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$*"
}

die() {
    log "ERROR: $*" >&2
    exit 1
}

make_scratch() {
    local scratch=$1

    # A link here could point root's chmod at any directory of the node.
    if [[ -L $scratch || (-e $scratch && ! -d $scratch) ]]; then
        die "$scratch exists and is not a directory; move it away and create the cluster again"
    fi
    if [[ -d $scratch && $(stat -c %a -- "$scratch") == 1777 ]]; then
        log "$scratch is there already"
        return
    fi
    mkdir -p -- "$scratch"
    # Separate from mkdir, whose mode goes through the umask and skips a directory that exists.
    chmod 1777 -- "$scratch"
    log "made $scratch, mode 1777"
}

main() {
    [[ $# -eq 1 ]] || die "one argument is needed, the shared data directory; got $#"
    local data_dir=${1%/}

    [[ $data_dir == /* ]] || die "the shared data directory must be an absolute path other than /, not '$1'"
    [[ -d $data_dir ]] || die "the shared data directory $data_dir does not exist; is its file system mounted?"
    make_scratch "$data_dir/scratch"
}

main "$@"
