# A mount's daemon is killed while something keeps its end of /dev/fuse open, as a thread does that waits in the kernel for
# a page: such a thread goes when the page's READ is answered, and that is never. The mount ends all the same, and every
# program on it has an error.
. "$(dirname "$0")/harness.bash"
own_cluster
conclave up --fileservers 2 --mount "$M"
conclave mount "$M2"
head -c 4M /dev/urandom > "$M/f" && sync "$M/f"
pid=$(mount_pid "$M2")
watch=$(pgrep -P "$pid" || true)
[ -n "$watch" ] && grep -qz mount-watch "/proc/$watch/cmdline" || fail "the daemon has no mount-watch"

step "a READ that no file server answers, and a second holder of the device"
for server in 1 2; do kill -STOP "$(pid_of fileserver-$server)"; done
code_of() { local code=0; "$@" || code=$?; echo $code > "$ROOT/code"; }
code_of cat "$M2/f" > /dev/null 2>&1 & reader=$!
python3 - "$pid" > "$ROOT/holds" <<'PY' & holder=$!
import ctypes, os, sys, time
pid = int(sys.argv[1])
device = next(int(n) for n in os.listdir(f"/proc/{pid}/fd") if os.readlink(f"/proc/{pid}/fd/{n}") == "/dev/fuse")
got = ctypes.CDLL(None, use_errno=True).syscall(438, os.pidfd_open(pid), device, 0)   # pidfd_getfd(2)
print("holds" if got >= 0 else os.strerror(ctypes.get_errno()), flush=True)
time.sleep(120)
PY
eventually 10 grep -q . "$ROOT/holds"
grep -qx holds "$ROOT/holds" || fail "the device could not be taken: $(cat "$ROOT/holds")"
sleep 1
[ -d /proc/$reader ] || fail "the reader had its bytes already"

step "kill -9"
kill -9 "$pid"
gone() { [ ! -d "/proc/$1" ]; }
eventually 20 gone "$reader"
[ "$(cat "$ROOT/code")" -ne 0 ] || fail "the reader had no error"
[ -d /proc/$holder ] || fail "nobody held the device"
eventually 20 gone "$watch"
kill $holder
for server in 1 2; do kill -CONT "$(pid_of fileserver-$server)"; done
conclave up --mount "$M"
conclave mount "$M2"
cmp "$M/f" "$M2/f" || fail "the mounts differ"

step "an ordinary end leaves no watch"
watch=$(pgrep -P "$(mount_pid "$M2")")
conclave down
eventually 10 gone "$watch"
finish_own_cluster warnings
