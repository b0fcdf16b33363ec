# A program that waits on the mount can be killed at once, and leaves the mount well.
. "$(dirname "$0")/harness.bash"
own_folders
touch "$here/lock"
exec 5< "$here/lock"
flock -x 5
number=$(printf '#include <sys/syscall.h>\nSYS_flock' | g++ -E -P -x c++ - | tail -n 1)
[ "$number" -gt 0 ] || fail "flock(2) has no number: $number"
in_flock() { grep -q "^$number " "/proc/$waiting/syscall" && grep -qE '^State:\s+[SD]' "/proc/$waiting/status"; }
for signal in INT TERM KILL; do
  env --default-signal=INT flock -x "$M2/$name/lock" true 5<&- & waiting=$!
  eventually 10 in_flock
  kill -$signal $waiting
  timeout 10 tail --pid=$waiting -f /dev/null || fail "a waiting program does not die of SIG$signal"
  wait $waiting 2> /dev/null || true
done
exec 5<&-
timeout 10 flock -x "$M2/$name/lock" true || fail "a waiting program that was killed has got the lock"
echo fine > "$M2/$name/after" && [ "$(cat "$here/after")" = fine ]
