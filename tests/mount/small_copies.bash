# A tree of a few hundred files through cp -a, rsync and tar; bytes and attributes stay.
. "$(dirname "$0")/harness.bash"
own_folders
tree=/usr/include/linux
[ -d $tree ] || fail "$tree is missing"
cp -a $tree "$here/cp"
same $tree "$here/cp"
rsync -a $tree/ "$here/rsync/"
same $tree "$here/rsync"
mkdir "$here/tar" && tar -C $tree -c . | tar -C "$here/tar" -xp
same $tree "$here/tar"
cp -a "$here/cp" "$local/back"
same $tree "$local/back"
cmp <(sort -R --random-source=/dev/zero "$here/cp/fs.h") <(sort -R --random-source=/dev/zero $tree/fs.h)
