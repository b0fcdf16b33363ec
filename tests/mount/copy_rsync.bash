# /usr/include and /usr/share/doc by rsync, compared byte for byte.
. "$(dirname "$0")/harness.bash"
own_folders
for tree in /usr/include /usr/share/doc; do
  to=$here/$(basename $tree)
  rsync -aH $tree/ "$to/"
  same $tree "$to"
  [ -z "$(rsync -aHc --itemize-changes $tree/ "$to/")" ] || fail "rsync finds something to do again"
done
