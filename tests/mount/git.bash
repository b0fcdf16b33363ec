# git: clone, commit, gc, fsck; the clone is the origin, and the clone of the clone is the clone.
. "$(dirname "$0")/harness.bash"
own_folders
export GIT_AUTHOR_NAME=t GIT_AUTHOR_EMAIL=t@localhost GIT_COMMITTER_NAME=t GIT_COMMITTER_EMAIL=t@localhost
git init -q -b main "$local/origin"
cp -a /usr/include/linux "$local/origin/headers"
git -C "$local/origin" add .
git -C "$local/origin" commit -qm headers

git clone -q --no-local "$local/origin" "$here/clone"
cd "$here/clone"
[ -z "$(git status --porcelain)" ] || fail "a fresh clone is not clean"
git fsck --strict --full
for clone in "$here/clone" "$M2/$name/clone"; do
  diff -r --no-dereference --exclude=.git "$local/origin" "$clone" || fail "$clone is not what was cloned"
done
for i in 1 2 3; do
  echo "line $i" >> headers/fs.h
  echo "$i" > "new $i"
  git add .
  git commit -qm "change $i"
done
git checkout -q -b side HEAD~2
echo side > side && git add side && git commit -qm side
git checkout -q main
git merge -q -m merged side
git gc -q --prune=now
git fsck --strict --full
[ -z "$(git status --porcelain)" ]
git clone -q "$here/clone" "$local/again"
diff -r --no-dereference --exclude=.git "$here/clone" "$local/again"
[ "$(git -C "$local/again" rev-parse HEAD)" = "$(git rev-parse HEAD)" ]
cd /
