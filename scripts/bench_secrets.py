"""Ten accounts store a hundred secrets each, with 1, 5, 10, 15 and 20 writers at once. Part of scripts/bench.

Each account has a Unix user of its own that is logged in as it, and a secret is stored as any program stores one: a file
of 32 bytes is created, written and closed. Prints a line for each number of writers; `table` and `draw` show all of them.
"""
import multiprocessing
import os
import shutil
import statistics
import subprocess
import time

ACCOUNTS = 10
SECRETS = 100              # of each account
WRITERS = (1, 5, 10, 15, 20)
FIRST_UID = 30000


def prepare(conclave, mount, home, env):
    """Accounts, a user's login for each, and a folder under a policy in which all of them may write."""
    def call(*args, **kw):
        subprocess.run([conclave, *args], check=True, env=env, stdout=subprocess.DEVNULL, **kw)

    os.chmod(home.parent, 0o755)
    for i in range(ACCOUNTS):
        call("account", "create", f"writer{i}")
    call("policy", "set", "/secrets/bench", "--approvers", "writer0,writer1,writer2", "--quorum", "2")
    os.chmod(mount / "secrets" / "bench", 0o1777)
    for i in range(ACCOUNTS):
        own = home.parent / f"home{i}"
        shutil.copytree(home, own)
        passphrase = own / "passphrase"
        shutil.copy(env["CONCLAVE_PASSPHRASE_FILE"], passphrase)
        subprocess.run(["chown", "-R", str(FIRST_UID + i), str(own)], check=True)
        subprocess.run(["setpriv", "--reuid", str(FIRST_UID + i), "--regid", str(FIRST_UID + i), "--clear-groups", conclave,
                        "login", f"writer{i}"], check=True, stdout=subprocess.DEVNULL,
                       env=dict(env, CONCLAVE_HOME=str(own), CONCLAVE_PASSPHRASE_FILE=str(passphrase)))


def store(folder, jobs, start, results):
    """One writer: its secrets, each as the user whose it is. Puts (seconds of each, errors)."""
    took, errors = [], []
    start.wait()
    for account, number in jobs:
        os.seteuid(FIRST_UID + account)
        begun = time.monotonic()
        try:
            with open(folder / f"{account}.{number}", "xb", buffering=0) as file:
                file.write(os.urandom(32))
            took.append(time.monotonic() - begun)
        except OSError as error:
            errors.append(str(error))
        os.seteuid(0)
    results.put((took, errors))


def measure(folder, secrets=SECRETS):
    """A list of {writers, seconds, per_second, median_ms, worst_ms, errors}."""
    out = []
    for writers in WRITERS:
        into = folder / f"by{writers}"
        into.mkdir()
        into.chmod(0o1777)
        jobs = [(account, number) for number in range(secrets) for account in range(ACCOUNTS)]
        start, results = multiprocessing.Barrier(writers + 1), multiprocessing.Queue()
        processes = [multiprocessing.Process(target=store, args=(into, jobs[i::writers], start, results)) for i in range(writers)]
        for process in processes:
            process.start()
        start.wait()
        begun = time.monotonic()
        parts = [results.get() for _ in processes]
        seconds = time.monotonic() - begun
        for process in processes:
            process.join()
        took = [t for part, _ in parts for t in part]
        errors = [e for _, part in parts for e in part]
        for error in sorted(set(errors)):
            print(f"  {writers} writers: {errors.count(error)} × {error}")
        out.append({"writers": writers, "seconds": seconds, "per_second": len(took) / seconds,
                    "median_ms": statistics.median(took) * 1e3, "worst_ms": max(took) * 1e3, "errors": len(errors)})
        print(f"  secrets x{writers}: {len(took) / seconds:,.0f} /s, {len(errors)} errors", flush=True)
    return out


def table(rows):
    lines = ["| writers at once | secrets /s | the whole, s | one, median ms | one, slowest ms | errors |", "|---|---|---|---|---|---|"]
    for r in rows:
        lines.append(f"| {r['writers']} | {r['per_second']:,.0f} | {r['seconds']:.1f} | {r['median_ms']:.1f} | "
                     f"{r['worst_ms']:.0f} | {r['errors']} |")
    return "\n".join(lines)


def draw(rows, out):
    """Two graphs, secrets-speed.svg and secrets-errors.svg, by gnuplot."""
    points = "\n".join(f"{r['writers']} {r['per_second']} {r['errors']}" for r in rows)
    for name, column, label in (("secrets-speed", 2, "secrets stored per second"), ("secrets-errors", 3, "errors among 1,000")):
        script = f"""
set terminal svg size 640,400 font "sans,13" background "#ffffff"
set output "{out / name}.svg"
set xlabel "writers at once"; set ylabel "{label}"; set xrange [0:21]; set xtics (1,5,10,15,20)
set yrange [0:{'*' if column == 2 or any(r['errors'] for r in rows) else 10}]; set grid ytics lc rgb "#dddddd"; set border 3; set tics nomirror; unset key
$points << EOD
{points}
EOD
plot $points using 1:{column} with linespoints lw 2 pt 7 ps 0.8 lc rgb "#1f6f8b"
"""
        subprocess.run(["gnuplot"], input=script, text=True, check=True)
