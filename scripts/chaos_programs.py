#!/usr/bin/env python3
"""The programs of scripts/chaos. Each does one thing that programs do, on one mount, until OUT/stop exists, and notes in
files on a local disk what the file system acknowledged (its manifest) and what went wrong. check_all() then compares what
the mounts hold with the manifests, byte for byte.

usage: chaos_programs.py KIND NAME OUT SEED key=value …

A program that gets an error notes it, closes what it has open, and goes on: what was acknowledged must be there all the same.
"""
import collections
import errno
import fcntl
import glob
import hashlib
import json
import mmap
import os
import random
import re
import sqlite3
import struct
import subprocess
import sys
import threading
import time

BLOCK = 16384
BLOCKS = 32
SLOW = 1.0          # seconds: a call that took longer is noted
RETRY_PAUSE = 0.2   # after an error


def pattern(tag, size):
    """Bytes that only `tag` has: they begin with it, and every 32 of them depend on it."""
    digest = hashlib.sha256(tag.encode()).digest()
    return ((tag + "\n").encode() + digest * (size // 32 + 1))[:size]


def read_all(path):
    """What the servers hold: the kernel's pages of the file are dropped first."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        pieces = []
        while piece := os.read(descriptor, 1 << 20):
            pieces.append(piece)
        return b"".join(pieces)
    finally:
        os.close(descriptor)


def json_lines(path):
    """The manifest's entries; the last may be torn."""
    if not os.path.exists(path):
        return
    for line in open(path):
        try:
            yield json.loads(line)
        except ValueError:
            pass


class Program:
    """One program: subclasses say what a step is, and how to check afterwards."""

    def __init__(self, name, out, seed, **settings):
        self.name, self.out, self.settings = name, out, settings
        self.random = random.Random(f"{seed} {name}")
        self.path = settings["path"]
        self.pause = float(settings.get("pause", 0.03))
        self.manifest = open(f"{out}/{name}.manifest", "a", buffering=1)
        self.events = open(f"{out}/{name}.events", "a", buffering=1)
        self.descriptor = None
        self.current = None   # (call, since)
        self.noted = None     # the last error that call() has noted
        self.done = self.errors = 0

    # -- what steps use

    def call(self, name, function, *arguments):
        began = time.monotonic()
        self.current = (name, began)
        failure = None
        try:
            return function(*arguments)
        except OSError as error:
            failure, self.noted = errno.errorcode.get(error.errno, str(error.errno)), error
            raise
        except sqlite3.Error as error:
            failure, self.noted = f"sqlite: {error}", error
            raise
        finally:
            self.current = None
            self.done += failure is None
            self.errors += failure is not None
            took = time.monotonic() - began
            if failure or took > SLOW:
                self.note("error" if failure else "slow", call=name, why=failure, at=round(began, 3), took=round(took, 3))

    def note(self, what, **more):
        self.events.write(json.dumps({"what": what, **more}) + "\n")

    def acknowledged(self, *entry):
        self.manifest.write(json.dumps(entry) + "\n")

    def open(self, flags):
        if self.descriptor is None:
            self.descriptor = self.call("open", os.open, self.path, flags, 0o644)
        return self.descriptor

    def close(self):
        if self.descriptor is not None:
            descriptor, self.descriptor = self.descriptor, None
            try:
                self.call("close", os.close, descriptor)
            except OSError:
                pass

    # -- running

    def beat(self):
        """Tells twice a second what is being waited for, so that a hang can be seen from outside."""
        path = f"{self.out}/{self.name}.now"
        while True:
            current = self.current
            with open(path + ".new", "w") as file:
                json.dump({"call": current and current[0], "since": current and current[1], "done": self.done,
                           "errors": self.errors}, file)
            os.rename(path + ".new", path)
            time.sleep(0.5)

    def run(self):
        threading.Thread(target=self.beat, daemon=True).start()
        folder_made = False
        while not os.path.exists(self.out + "/stop"):
            try:
                if not folder_made:
                    os.makedirs(os.path.dirname(self.path), exist_ok=True)
                    self.begin()
                    folder_made = True
                self.step()
                time.sleep(self.pause)
            except (OSError, sqlite3.Error) as error:
                if error is not self.noted:
                    self.note("wrong", text=f"an error outside of the calls that are watched: {error!r}")
                self.close()
                self.failed()
                time.sleep(RETRY_PAUSE)
        self.close()
        self.end()

    def begin(self):
        pass

    def failed(self):
        pass

    def end(self):
        pass


class Records(Program):
    """8 KiB records, each followed by fsync, 32 to a file."""
    SIZE, IN_FILE = 8192, 32

    def __init__(self, *arguments, **settings):
        super().__init__(*arguments, **settings)
        self.next, self.base = 0, self.path

    def step(self):
        number, place = divmod(self.next, self.IN_FILE)
        self.path = f"{self.base}-{number}"
        tag = f"{self.name} {self.next}"
        descriptor = self.open(os.O_RDWR | os.O_CREAT)
        self.call("write", os.pwrite, descriptor, pattern(tag, self.SIZE), place * self.SIZE)
        self.call("fsync", os.fsync, descriptor)
        self.acknowledged(self.path, place * self.SIZE, tag)
        self.next += 1
        if self.next % self.IN_FILE == 0:
            self.close()

    @classmethod
    def check(cls, run, root):
        path_held, held = None, b""
        for entry in run.manifest():
            path, offset, tag = run.under(entry[0], root), entry[1], entry[2]
            if path != path_held:
                path_held, held = path, run.read(path)
            yield held[offset:offset + cls.SIZE] == pattern(tag, cls.SIZE), f"record {tag} in {path}: {held[offset:offset + 40]!r}"


class BlockState:
    """Of each block of a file the newest version that was attempted, written and synced, shared with readers elsewhere."""

    def __init__(self, path):
        if not os.path.exists(path):
            with open(path, "wb") as file:
                file.write(bytes(BLOCKS * 24))
        with open(path, "r+b") as file:
            self.memory = mmap.mmap(file.fileno(), BLOCKS * 24)

    def get(self, block):
        return struct.unpack("<QQQ", self.memory[block * 24:block * 24 + 24])

    def put(self, block, which, version):
        at = block * 24 + 8 * which
        self.memory[at:at + 8] = struct.pack("<Q", version)


def version_of(owner, block, held):
    """Which version of the block these bytes are; 0: never written; None: of none."""
    held = held + bytes(BLOCK - len(held))
    if not held.strip(b"\0"):
        return 0
    match = re.match(rb"(\S+) (\d+) (\d+)\n", held)
    if not match or match[1].decode() != owner or int(match[2]) != block:
        return None
    version = int(match[3])
    return version if pattern(f"{owner} {block} {version}", BLOCK) == held else None


class Blocks(Program):
    """Overwrites blocks of one file, in any order; with sync=1 each is followed by fsync."""

    def begin(self):
        self.state = BlockState(f"{self.out}/{self.name}.state")
        self.sync = self.settings.get("sync", "1") == "1"

    def write_block(self, descriptor, block, held):
        self.call("write", os.pwrite, descriptor, held, block * BLOCK)

    def sync_block(self, descriptor, block):
        self.call("fsync", os.fsync, descriptor)

    def step(self):
        descriptor = self.open(os.O_RDWR | os.O_CREAT)
        block = self.random.randrange(BLOCKS)
        version = self.state.get(block)[0] + 1
        self.state.put(block, 0, version)
        self.write_block(descriptor, block, pattern(f"{self.name} {block} {version}", BLOCK))
        self.state.put(block, 1, version)
        if self.sync:
            self.sync_block(descriptor, block)
            self.state.put(block, 2, version)

    @classmethod
    def check(cls, run, root):
        state = BlockState(f"{run.out}/{run.name}.state")
        held = run.read(run.under(run.settings["path"], root))
        for block in range(BLOCKS):
            attempted, _, synced = state.get(block)
            version = version_of(run.name, block, held[block * BLOCK:(block + 1) * BLOCK])
            yield version is not None and synced <= version <= attempted, \
                f"block {block} of {run.name}: version {version}, synced {synced}, attempted {attempted}"


class MappedBlocks(Blocks):
    """The same through a shared mapping and msync."""

    def write_block(self, descriptor, block, held):
        if self.call("fstat", os.fstat, descriptor).st_size < BLOCKS * BLOCK:
            self.call("truncate", os.ftruncate, descriptor, BLOCKS * BLOCK)
        self.map = self.call("mmap", mmap.mmap, descriptor, BLOCKS * BLOCK)
        self.map[block * BLOCK:(block + 1) * BLOCK] = held

    def sync_block(self, descriptor, block):
        self.call("msync", self.map.flush, block * BLOCK, BLOCK)
        self.call("fsync", os.fsync, descriptor)
        self.map.close()


class BlockReader(Program):
    """Reads what another program overwrites, mostly on another mount: nothing may be older than what was acknowledged when
    the read began. Where a mount may be lost (synced_only=1), what was only written may go with it."""

    def begin(self):
        self.state = BlockState(f"{self.out}/{self.settings['of']}.state")
        self.least = 2 if self.settings.get("synced_only") == "1" else 1

    def step(self):
        if self.done == 0 and not os.path.exists(self.path):
            return   # the writer has not begun
        descriptor = self.open(os.O_RDONLY)
        block = self.random.randrange(BLOCKS)
        before = self.state.get(block)
        held = self.call("read", read_at, descriptor, BLOCK, block * BLOCK)
        after = self.state.get(block)
        version = version_of(self.settings["of"], block, held)
        if version is None:
            self.note("wrong", text=f"a torn or foreign block {block}: {held[:60]!r}")
        elif version < before[self.least]:
            self.call("statfs", os.fstatvfs, descriptor)   # fails if the mount's daemon is dead: the kernel shows what it has
            self.note("wrong", text=f"stale block {block}: version {version}, before {before}, length {len(held)}")
        elif version > after[0]:
            self.note("wrong", text=f"block {block} from nowhere: version {version}, attempted {after[0]}")


class Lines(Program):
    """Appends lines to a file that others append to as well, each followed by fsync."""

    def begin(self):
        self.next = self.attempt = 0

    def step(self):
        descriptor = self.open(os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        tag = f"{self.name} {self.next} {self.attempt}"
        self.attempt += 1
        line = f"{tag} {hashlib.md5(tag.encode()).hexdigest()} ".ljust(95, ".") + "\n"
        if self.call("append", os.write, descriptor, line.encode()) != len(line):
            self.note("wrong", text=f"a short append of {tag}")
        self.call("fsync", os.fsync, descriptor)
        self.acknowledged(tag)
        self.next, self.attempt = self.next + 1, 0

    @classmethod
    def check(cls, run, root):
        counts, last = collections.Counter(), (-1, -1)
        for number, line in enumerate(run.read(run.under(run.settings["path"], root)).split(b"\n")[:-1]):
            fields = line.decode(errors="replace").split(" ")
            tag = " ".join(fields[:3])
            whole = len(line) == 95 and len(fields) == 5 and fields[3] == hashlib.md5(tag.encode()).hexdigest()
            if not whole:
                yield False, f"line {number} of {run.settings['path']} is torn: {line[:60]!r}"
            elif fields[0] == run.name:
                counts[tag] += 1
                place = (int(fields[1]), int(fields[2]))
                yield place > last, f"line {tag} comes late"
                last = max(last, place)
        for entry in run.manifest():
            yield counts[entry[0]] == 1, f"line {entry[0]} is there {counts[entry[0]]} times"
        for tag, count in counts.items():
            if count > 1:
                yield False, f"line {tag} is there {count} times"


class Counter(Program):
    """Counts in a file, under its lock (how=fcntl or flock): others count in the same file."""

    def lock(self, descriptor, how):
        lock = fcntl.lockf if self.settings["how"] == "fcntl" else fcntl.flock
        self.call("lock" if how == fcntl.LOCK_EX else "unlock", lock, descriptor, how)

    def step(self):
        descriptor = self.open(os.O_RDWR | os.O_CREAT)
        self.lock(descriptor, fcntl.LOCK_EX)
        began = time.monotonic()
        text = self.call("read", read_at, descriptor, 32, 0)
        if text and not re.fullmatch(rb"\d{20}\n", text):
            self.note("wrong", text=f"the counter holds {text!r}")
        value = int(text or b"0") + 1
        self.call("write", os.pwrite, descriptor, f"{value:020d}\n".encode(), 0)
        self.call("fsync", os.fsync, descriptor)
        self.acknowledged(value, round(began, 4), round(time.monotonic(), 4))
        self.lock(descriptor, fcntl.LOCK_UN)

    @classmethod
    def check(cls, run, root):
        partners = [other for other in run.others if other.settings["path"].split("/")[-1] == run.settings["path"].split("/")[-1]
                    and other.kind is cls]
        entries = sorted((entry[1], entry[2], entry[0], other.name) for other in partners for entry in other.manifest())
        counts = collections.Counter(entry[2] for entry in entries)
        final = int(run.read(run.under(run.settings["path"], root)) or b"0")
        yield not counts or final >= max(counts), f"the counter went back to {final} from {max(counts, default=0)}"
        for value, count in counts.items():
            yield count == 1, f"{run.settings['how']}: the value {value} was counted {count} times"
        for first, second in zip(entries, entries[1:]):
            yield second[0] >= first[1], f"{run.settings['how']}: {first[3]} and {second[3]} held the lock at once, at {second[0]}"


class Names(Program):
    """Replaces files as careful programs do: write, fsync, rename, fsync of the folder; removes old ones."""

    def begin(self):
        self.next, self.live = 0, []

    def step(self):
        number, self.next = self.next, self.next + 1
        tag, path = f"{self.name} {number}", f"{self.path}-{self.name}-{number}"
        held = pattern(tag, 3000 + self.random.randrange(5000))
        descriptor = self.call("create", os.open, path + ".new", os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        try:
            self.call("write", os.write, descriptor, held)
            self.call("fsync", os.fsync, descriptor)
        finally:
            self.call("close", os.close, descriptor)
        self.call("rename", os.rename, path + ".new", path)
        self.sync_folder()
        self.acknowledged("made", path, len(held), tag)
        self.live.append(path)
        if len(self.live) > 20:
            old = self.live.pop(self.random.randrange(len(self.live)))
            self.acknowledged("removing", old)
            self.call("unlink", os.unlink, old)
            self.sync_folder()
            self.acknowledged("removed", old)

    def sync_folder(self):
        folder = self.call("open", os.open, os.path.dirname(self.path), os.O_RDONLY)
        try:
            self.call("fsyncdir", os.fsync, folder)
        finally:
            os.close(folder)

    @classmethod
    def check(cls, run, root):
        fates = {}
        for entry in run.manifest():
            fates[entry[1]] = (entry[0], fates[entry[1]][1]) if entry[0] != "made" else ("made", entry[2:])
        for path, (fate, (size, tag)) in fates.items():
            place = run.under(path, root)
            if fate == "removed":
                yield not os.path.lexists(place), f"{place} was removed and is there"
            elif fate == "made":
                yield run.read(place) == pattern(tag, size), f"{place} is not what was made"


class Claims(Program):
    """Two mounts claim numbers by O_CREAT | O_EXCL: nobody gets one that another has."""

    def begin(self):
        self.next = 0

    def step(self):
        path = f"{self.path}-{self.next}"
        self.next += 1
        try:
            descriptor = self.call("claim", os.open, path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        except FileExistsError:   # an answer as good as any
            self.errors -= 1
            self.done += 1
            return
        try:
            self.acknowledged(self.next - 1)
            self.call("write", os.write, descriptor, self.name.encode())
        finally:
            self.call("close", os.close, descriptor)

    @classmethod
    def check(cls, run, root):
        others = {entry[0] for other in run.others if other.kind is cls and other.name != run.name for entry in other.manifest()}
        for entry in run.manifest():
            yield entry[0] not in others, f"claim {entry[0]} was given twice"


def read_at(descriptor, length, offset):
    """As programs do that know read(2): fewer bytes than asked for are not the end; of a mount that is killed meanwhile, what
    its kernel had comes first, and then the error."""
    held = b""
    while len(held) < length and (piece := os.pread(descriptor, length - len(held), offset + len(held))):
        held += piece
    return held


def difference(seen, held):
    """In words, for who looks for the cause."""
    differ = [at for at, (one, other) in enumerate(zip(seen, held)) if one != other]
    words = f"{len(seen)} were read, {len(held)} were held"
    if differ:
        zeros = not any(seen[differ[0]:differ[-1] + 1])
        words += f", {len(differ)} differ from {differ[0]} to {differ[-1]}{', all of them read as zeros' if zeros else ''}"
    return words


class Shaped(Program):
    """One file that is written, cut, grown and holed at random; between changes it reads what it wrote. After fsync the
    whole of it is noted."""
    MOST = 300_000

    def begin(self):
        self.held = bytearray()
        self.trusted = False

    def failed(self):
        self.trusted = False   # what of the last change happened is not known

    def step(self):
        descriptor = self.open(os.O_RDWR | os.O_CREAT)
        if not self.trusted:
            self.call("truncate", os.ftruncate, descriptor, 0)
            self.held = bytearray()
            self.trusted = True
        offset, length = self.random.randrange(self.MOST), self.random.randrange(1, 40_000)
        match self.random.randrange(4):
            case 0:
                self.call("truncate", os.ftruncate, descriptor, offset)
                self.held = self.held[:offset].ljust(offset, b"\0")
            case 1 | 2:
                piece = self.random.randbytes(length)
                self.call("write", os.pwrite, descriptor, piece, offset)
                self.held = self.held.ljust(offset, b"\0")
                self.held[offset:offset + length] = piece
            case 3:
                seen = self.call("read", read_at, descriptor, length, offset)
                held = bytes(self.held[offset:offset + length])
                if seen != held:
                    self.note("wrong", text=f"{self.path} at {offset}: {length} bytes are not what was written: {difference(seen, held)}")
        if self.random.randrange(4) == 0:
            self.call("fsync", os.fsync, descriptor)
            self.acknowledged("synced", hashlib.sha256(self.held).hexdigest(), len(self.held))
        else:
            self.acknowledged("changing")

    @classmethod
    def check(cls, run, root):
        entries = list(run.manifest())
        if entries and entries[-1][0] == "synced":
            held = run.read(run.under(run.settings["path"], root))
            yield hashlib.sha256(held).hexdigest() == entries[-1][1], \
                f"{run.settings['path']} has {len(held)} bytes that are not the {entries[-1][2]} that were synced"

    def end(self):
        for _ in range(100):
            try:
                descriptor = self.open(os.O_RDWR | os.O_CREAT)
                if not self.trusted:
                    self.call("truncate", os.ftruncate, descriptor, 0)
                    self.held, self.trusted = bytearray(), True
                self.call("fsync", os.fsync, descriptor)
                self.acknowledged("synced", hashlib.sha256(self.held).hexdigest(), len(self.held))
                return self.close()
            except OSError:
                self.close()
                self.trusted = False
                time.sleep(RETRY_PAUSE)


class Sql(Program):
    """SQLite transactions of three rows, in a database of its own or one that is shared between mounts."""

    def begin(self):
        self.next, self.base = 0, None

    def step(self):
        if self.base is None:
            self.base = self.call("sqlite-open", lambda: sqlite3.connect(self.path, timeout=120, isolation_level=None))
            self.call("sqlite", self.base.execute, "PRAGMA synchronous=FULL")
            self.call("sqlite", self.base.execute, "CREATE TABLE IF NOT EXISTS t(who TEXT, n INTEGER, text TEXT, PRIMARY KEY(who, n))")
        self.call("transaction", self.transaction)
        self.acknowledged(self.next)
        self.next += 1

    def transaction(self):
        self.base.execute("BEGIN IMMEDIATE")
        for n in range(self.next * 3, self.next * 3 + 3):
            self.base.execute("INSERT OR REPLACE INTO t VALUES(?, ?, ?)", (self.name, n, pattern(f"{self.name} {n}", 60)))
        self.base.execute("COMMIT")

    def failed(self):
        if getattr(self, "base", None) is not None:
            try:
                self.base.close()
            except sqlite3.Error:
                pass
            self.base = None

    @classmethod
    def check(cls, run, root):
        if root != run.roots[0]:
            return   # opening it is a change: once is enough
        base = sqlite3.connect(run.under(run.settings["path"], root), timeout=60)
        held = {(who, n): text for who, n, text in base.execute("SELECT who, n, text FROM t")}
        yield base.execute("PRAGMA integrity_check").fetchall() == [("ok",)], f"the database of {run.name} is damaged"
        for entry in run.manifest():
            for n in range(entry[0] * 3, entry[0] * 3 + 3):
                yield held.get((run.name, n)) == pattern(f"{run.name} {n}", 60), f"row {n} of {run.name} is lost"
        base.close()


class Git(Program):
    """Commits to a git repository on the mount."""

    def git(self, *words):
        result = subprocess.run(["git", "-C", self.path, "-c", "user.name=chaos", "-c", "user.email=chaos@localhost",
                                 "-c", "gc.auto=0", "-c", "core.fsync=all", *words],
                                capture_output=True, text=True, env={**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null"})
        if result.returncode != 0:
            raise OSError(errno.EIO, f"git {words[0]}: {result.stderr[-200:]}")
        return result.stdout.strip()

    def begin(self):
        self.next = 0
        os.makedirs(self.path, exist_ok=True)
        self.call("git-init", self.git, "init", "-q")

    def step(self):
        self.call("write", self.change_file)
        self.call("git-add", self.git, "add", "-A")
        self.call("git-commit", self.git, "commit", "-q", "--allow-empty", "-m", str(self.next))
        self.acknowledged(self.call("git-log", self.git, "rev-parse", "HEAD"))
        self.next += 1

    def change_file(self):
        with open(f"{self.path}/file{self.next % 7}", "w") as file:
            file.write(pattern(f"{self.name} {self.next}", 2000).hex())

    def failed(self):
        for lock in glob.glob(self.path + "/.git/**/*.lock", recursive=True):
            try:
                os.unlink(lock)
            except OSError:
                pass

    @classmethod
    def check(cls, run, root):
        path = run.under(run.settings["path"], root)
        environment = {**os.environ, "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*"}
        result = subprocess.run(["git", "-C", path, "fsck", "--full", "--no-dangling"], capture_output=True, text=True, env=environment)
        yield result.returncode == 0, f"git fsck of {path}: {(result.stderr or result.stdout)[-300:]}"
        log = subprocess.run(["git", "-C", path, "rev-list", "HEAD"], capture_output=True, text=True, env=environment).stdout.split()
        for entry in run.manifest():
            yield entry[0] in log, f"commit {entry[0]} of {run.name} is not in its history"


class Still(Program):
    """Reads files that do not change; the driver made them and their sums."""

    def begin(self):
        self.files = [line.split() for line in open(self.settings["sums"])]

    def step(self):
        name, digest = self.random.choice(self.files)
        held = self.call("read", read_all, f"{self.path}/{name}")
        if hashlib.sha256(held).hexdigest() != digest:
            self.note("wrong", text=f"{name} has {len(held)} bytes that are not its own")

    @classmethod
    def check(cls, run, root):
        for line in open(run.settings["sums"]):
            name, digest = line.split()
            held = run.read(run.under(f"{run.settings['path']}/{name}", root))
            yield hashlib.sha256(held).hexdigest() == digest, f"{name} under {root} changed"


KINDS = {"records": Records, "blocks": Blocks, "mapped": MappedBlocks, "reader": BlockReader, "lines": Lines,
         "counter": Counter, "names": Names, "claims": Claims, "shaped": Shaped, "sql": Sql, "git": Git, "still": Still}


class Run:
    """What one program did, for the check: its settings and manifest, and those of the others."""

    def __init__(self, kind, name, settings, out, roots):
        self.kind, self.name, self.settings, self.out, self.roots = KINDS[kind], name, settings, out, roots
        self.others = []

    def manifest(self):
        return json_lines(f"{self.out}/{self.name}.manifest")

    def events(self):
        return json_lines(f"{self.out}/{self.name}.events")

    def under(self, path, root):
        """The same file as another mount shows it."""
        for own in self.roots:
            if path.startswith(own + "/"):
                return root + path[len(own):]
        raise ValueError(path)

    @staticmethod
    def read(path):
        try:
            return read_all(path)
        except OSError as error:
            return f"<{errno.errorcode.get(error.errno)}>".encode()


def check_all(runs):
    """(how many things were compared, what is wrong) on every mount; and what programs saw go wrong while they ran."""
    compared, wrong = 0, []
    for run in runs:
        run.others = runs
        wrong += [f"{run.name}: {event['text']}" for event in run.events() if event["what"] == "wrong"]
        if not hasattr(run.kind, "check"):
            continue
        for root in run.roots:
            try:
                for right, text in run.kind.check(run, root):
                    compared += 1
                    if not right:
                        wrong.append(f"{run.name} on {root}: {text}")
            except (OSError, ValueError, sqlite3.Error) as error:
                wrong.append(f"{run.name} on {root}: {error!r}")
    return compared, wrong


if __name__ == "__main__":
    if len(sys.argv) < 5:
        sys.exit(__doc__)
    kind, name, out, seed = sys.argv[1:5]
    KINDS[kind](name, out, seed, **dict(setting.split("=", 1) for setting in sys.argv[5:])).run()
