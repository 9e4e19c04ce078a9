#!/bin/sh
# SPDX-License-Identifier: MIT
# PID 1 of the machine of bin/kiln-in-kiln. The root is the host's, read-only; what is written stays in memory.
set -eu
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

by_9p=trans=virtio,version=9p2000.L,msize=512000

mount -t tmpfs -o size=90%,mode=0755 tmpfs /mnt
mkdir /mnt/upper /mnt/work /mnt/root
mount -t overlay -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work overlay /mnt/root
cd /mnt/root
pivot_root . mnt
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
exec >/dev/kmsg 2>&1 </dev/null
umount -l /mnt
mkdir -p /dev/pts /dev/shm
ln -s /proc/self/fd /dev/fd
ln -s fd/0 /dev/stdin
ln -s fd/1 /dev/stdout
ln -s fd/2 /dev/stderr
mount -t devpts -o ptmxmode=0666 devpts /dev/pts
mount -t tmpfs -o mode=1777 tmpfs /dev/shm
mount -t tmpfs -o mode=0755 tmpfs /run
mount -t cgroup2 cgroup2 /sys/fs/cgroup
echo '+memory +pids' >/sys/fs/cgroup/cgroup.subtree_control
[ ! -e /dev/kvm ] || chmod 0666 /dev/kvm

mkdir /run/job
mount -t 9p -o "$by_9p,ro" job /run/job
while read -r tag path; do
  mkdir -p "$path"
  mount -t 9p -o "$by_9p,cache=mmap" "$tag" "$path"
done </run/job/shares

port() {
  for name in /sys/class/virtio-ports/*/name; do
    [ "$(cat "$name")" != "$1" ] || basename "$(dirname "$name")"
  done
}
out=/dev/$(port out) err=/dev/$(port err) control=/dev/$(port control)

read -r user group </run/job/user
echo ready >"$control"
code=0
setpriv --reuid "$user" --regid "$group" --clear-groups sh /run/job/command >"$out" 2>"$err" || code=$?
# What was written to a share is there before the machine ends.
sync
echo "exit $code" >"$control"
echo o >/proc/sysrq-trigger
sleep 600
