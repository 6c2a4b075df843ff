#!/usr/bin/env bash
# The first process of a test cluster's own namespaces: node.sh ROOT FOLDER PID_FILE
#
# ROOT, read only, below what the cluster writes, which is in memory; FOLDER is seen under its own name inside.
# Everything started in here ends with this process, and what it wrote and mounted goes with the namespace.
set -euo pipefail

root=$1
folder=$2
pid_file=$3

mount --make-rprivate /
mkdir -p "$folder/disk"
mount -t tmpfs -o mode=0755 tmpfs "$folder/disk"
mkdir -p "$folder/disk/upper" "$folder/disk/work" "$folder/disk/root"
node=$folder/disk/root
mount -t overlay overlay -o "lowerdir=$root,upperdir=$folder/disk/upper,workdir=$folder/disk/work" "$node"
mkdir -p "$node$folder"
mount --bind "$folder" "$node$folder"
# Still the machine's /proc: this tells the process's number there.
read -r pid _ </proc/self/stat
mount -t proc proc "$node/proc"
mount --rbind /dev "$node/dev"
mount --rbind /sys "$node/sys"
mount -t tmpfs tmpfs "$node/run"
echo "$pid" >"$pid_file.new"
mv "$pid_file.new" "$pid_file"
# A shell, because the first process has to take note of the ends of the others.
exec chroot "$node" /bin/bash -c 'trap "exit 0" TERM; while :; do sleep 3600 & wait $!; done'
