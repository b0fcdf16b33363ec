# Any process killed: a clear message, nothing synced is lost, and `up` repairs it.
. "$(dirname "$0")/harness.bash"
own_cluster
conclave up --mount "$M"
mkdir "$M/d"
for i in $(seq 1 20); do head -c $((i * 7000)) /dev/urandom > "$ROOT/f$i"; cp "$ROOT/f$i" "$M/d/f$i"; done
sync "$M"/d/* "$M/d"
intact() { for i in $(seq 1 20); do cmp "$ROOT/f$i" "$M/d/f$i" || fail "after $1 file $i is damaged"; done; }

for server in $(servers); do
  step "kill -9 $server"
  kill -9 "$(pid_of "$server")"
  eventually 10 bash -c "! $CONCLAVE status > /dev/null 2>&1"
  (conclave status || true) | grep "^$server " | grep -q down || fail "status does not say that $server is down"
  conclave up | grep -q 'is up'
  conclave status > /dev/null || fail "after up, status still complains"
  intact "$server"
  echo "$server" > "$M/after-$server" && [ "$(cat "$M/after-$server")" = "$server" ]
done

step "kill -9 the mount: stale, said so, repaired"
kill -9 "$(mount_pid "$M")"
eventually 10 bash -c "ls '$M' 2>&1 | grep -q 'not connected'"
(conclave status || true) | grep -F "$M " | grep -q dead
conclave up
intact "the mount"

step "a stale mount elsewhere is no obstacle either, even if it was killed while it still tested itself"
for _ in 1 2 3 4 5; do
  conclave mount "$M2"
  kill -9 "$(mount_pid "$M2")"
  eventually 10 bash -c "ls '$M2' 2>&1 | grep -q 'not connected'"
done
conclave mount "$M2"
[ -e "$M2/d/f1" ]

step "kill -9 everything"
for pid in $(processes | awk '{print $1}'); do kill -9 "$pid"; done
eventually 10 bash -c "ls '$M' 2>&1 | grep -q 'not connected'"
conclave up
intact "everything"

step "killed, and down: nothing is left"
for pid in $(processes | awk '{print $1}'); do kill -9 "$pid"; done
finish_own_cluster warnings
