# /usr/include and /usr/share/doc by cp, compared byte for byte.
. "$(dirname "$0")/harness.bash"
own_folders
for tree in /usr/include /usr/share/doc; do
  to=$here/$(basename $tree)
  cp -a $tree "$to"
  same $tree "$to"
done
