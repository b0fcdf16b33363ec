# O_APPEND from several processes on two mounts: every line once and whole.
. "$(dirname "$0")/harness.bash"
own_folders
there=$M2/$name
writer() { for i in $(seq 1 100); do echo "$2 $i" >> "$1/log"; done; }
writer "$here" a & writer "$here" b & writer "$there" c & writer "$there" d &
wait
[ "$(wc -l < "$here/log")" = 400 ] || fail "$(wc -l < "$here/log") lines instead of 400"
for who in a b c d; do
  diff <(grep "^$who " "$there/log") <(seq 1 100 | sed "s/^/$who /") > /dev/null || fail "$who's lines are not all there in order"
done
