# The lock server is killed and started again: locks, leases and bytes stay, and it grants again as soon as the mounts are
# back. A mount that is frozen for longer than its session lasts loses its locks, and their descriptors say so.
. "$(dirname "$0")/harness.bash"
own_cluster
conclave up --mount "$M"
printf '\n[lock]\nterm = "5s"\n' >> "$CONCLAVE_DIR"/lockserver/lockserver.toml
kill -9 "$(pid_of lockserver)"
conclave up
conclave mount "$M2"
mkdir "$M/d"

restart_lock_server() {
  kill -9 "$(pid_of lockserver)"
  conclave up > /dev/null
}
export -f restart_lock_server conclave pid_of fail
export CONCLAVE name

python3 - "$M/d" "$M2/d" "$(mount_pid "$M2")" <<'PYTHON'
import errno, fcntl, os, signal, subprocess, sys, time
here, there, other_mount = sys.argv[1], sys.argv[2], int(sys.argv[3])

def restart():
    subprocess.run(["bash", "-c", "set -e; restart_lock_server"], check=True)

def refused(take, fd):
    try:
        take(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as e:
        assert e.errno in (errno.EAGAIN, errno.EACCES), e
        return True
    return False

def fails(call):
    try:
        call()
    except OSError as e:
        return e.errno == errno.EIO
    return False

for kind, take in (("fcntl", fcntl.lockf), ("flock", fcntl.flock)):
    a = os.open(f"{here}/{kind}", os.O_RDWR | os.O_CREAT)
    os.fsync(a)
    b = os.open(f"{there}/{kind}", os.O_RDWR)
    take(a, fcntl.LOCK_EX)
    os.pwrite(a, b"not sent", 0)
    restart()
    assert refused(take, b), f"{kind}: two hold one lock"
    os.pwrite(a, b"A", 0)
    os.fsync(a)
    assert os.pread(b, 8, 0) == b"Aot sent", os.pread(b, 8, 0)
    # Who waits goes on waiting, and gets it.
    child = os.fork()
    if child == 0:
        fd = os.open(f"{there}/{kind}", os.O_RDWR)
        take(fd, fcntl.LOCK_EX)
        os.pwrite(fd, b"B", 0)
        os._exit(0)
    time.sleep(0.5)
    restart()
    time.sleep(1)
    assert os.waitpid(child, os.WNOHANG) == (0, 0), f"{kind}: the waiter was granted what another holds"
    take(a, fcntl.LOCK_UN)
    assert os.waitpid(child, 0)[1] == 0
    assert os.pread(a, 1, 0) == b"B"
    os.close(a)
    os.close(b)

# The other mount is frozen until its session is over.
held = os.open(f"{there}/lost", os.O_RDWR | os.O_CREAT)
plain = os.open(f"{there}/lost", os.O_RDWR)
fcntl.flock(held, fcntl.LOCK_EX)
os.fsync(held)
os.kill(other_mount, signal.SIGSTOP)
try:
    mine = os.open(f"{here}/lost", os.O_RDWR)
    fcntl.flock(mine, fcntl.LOCK_EX)
    os.pwrite(mine, b"mine", 0)
    os.fsync(mine)
finally:
    os.kill(other_mount, signal.SIGCONT)
assert fails(lambda: os.pwrite(held, b"theirs", 0)), "its lock was given away, and nothing told it"
assert fails(lambda: os.fsync(held))
assert fails(lambda: fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB))
fcntl.flock(held, fcntl.LOCK_UN)
assert os.pread(plain, 4, 0) == b"mine"
os.close(held)
os.close(mine)
again = os.open(f"{there}/lost", os.O_RDWR)
fcntl.flock(again, fcntl.LOCK_EX)
os.pwrite(again, b"ours", 0)
os.fsync(again)
PYTHON
finish_own_cluster warnings
