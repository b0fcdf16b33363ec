# /usr/include and /usr/share/doc by tar, compared byte for byte.
. "$(dirname "$0")/harness.bash"
own_folders
for tree in /usr/include /usr/share/doc; do
  to=$here/$(basename $tree)
  mkdir "$to"
  tar -C $tree --format=posix -c . | tar -C "$to" -xp
  same $tree "$to"
  tar -C "$to" --format=posix -c . | tar -C $tree -d || fail "tar read back differs"
done
