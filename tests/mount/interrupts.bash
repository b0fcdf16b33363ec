# A program that waits on the mount can be killed at once, and leaves the mount well.
. "$(dirname "$0")/harness.bash"
own_folders
touch "$here/lock"
exec 5< "$here/lock"
flock -x 5
for signal in INT TERM KILL; do
  env --default-signal=INT flock -x "$M2/$name/lock" true & waiting=$!
  eventually 10 bash -c "grep -qE '^State:\s+[SD]' /proc/$waiting/status"
  kill -$signal $waiting
  timeout 10 tail --pid=$waiting -f /dev/null || fail "a waiting program does not die of SIG$signal"
  wait $waiting 2> /dev/null || true
done
exec 5<&-
echo fine > "$M2/$name/after" && [ "$(cat "$here/after")" = fine ]
