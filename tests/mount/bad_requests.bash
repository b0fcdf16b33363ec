# Hostile bytes at every server, with no certificate, a stranger's, and those of a host, a user, a guest and a file server:
# refused with an error, the connection closed where it cannot go on, nothing stored or left open, nobody crashes or grows.
. "$(dirname "$0")/harness.bash"
own_cluster
conclave up --mount "$M"
conclave account create alice
conclave policy set /secrets/team --approvers alice --quorum 1
conclave login alice
echo kept > "$M/file" && sync "$M/file"
echo -n sealed > "$M/secrets/team/one"
conclave down   # file servers take from their journals into the chunks
conclave up --mount "$M"
pids=$(processes | awk '{print $1}' | sort)

# What the servers hold: their own counts, every file of theirs with its size (but the logs, and how far a scrubber is), and
# what the mount shows.
stored() {
  conclave status --json | python3 -c '
import json, sys
s = json.load(sys.stdin)
print("dir", {k: s["dir"][k] for k in ("inodes", "chunks", "orphans", "commits", "operations")})
print("vault", s["vault"])
print("lock", s["lock"]["epoch"], sorted((x["label"], x["locks"]) for x in s["lock"]["sessions"]))
print("servers", [x["name"] for x in s["servers"]], "healthy", s["healthy"])'
  (cd "$CONCLAVE_DIR" && find . -path ./log -prune -o -path ./run -prune -o -type f ! -name 'scrub*' -printf '%P %s\n' | sort)
  (cd "$M" && find . -path ./.conclave -prune -o -printf '%P %y %m %s\n' | sort)
}
descriptors() {  # of each server, but of chunks: the scrubber opens them
  local server
  for server in $(servers); do
    echo "$server $(find "/proc/$(pid_of "$server")/fd" -type l ! -lname '*/chunks/*' 2> /dev/null | wc -l)"
  done
}
# Until two looks a second apart are the same: a mount sends what it has a second after it was written.
settled() { local one; one=$(stored; descriptors) && sleep 1 && [ "$one" = "$(stored; descriptors)" ]; }
eventually 20 settled
stored > "$ROOT/stored-before"
descriptors > "$ROOT/descriptors-before"
log_bytes=$(cat "$CONCLAVE_DIR"/log/*.log | wc -c)

# A user's and a guest's certificate, of the cluster's own issuer, and one that names the cluster and is a stranger's.
certificates=$ROOT/certificates
mkdir "$certificates"
id=$(sed -n 's/^id = "\(.*\)"/\1/p' "$CONCLAVE_DIR/cluster.toml")
kid=$(tail -c 80 "$CONCLAVE_DIR/vault/roster-1" | head -c 16 | od -An -tx1 | tr -d ' \n')  # who signed version 1
issue() {  # NAME URI CA
  openssl genpkey -algorithm ed25519 -out "$certificates/$1.key" 2> /dev/null
  openssl req -new -key "$certificates/$1.key" -subj "/CN=$1" -out "$certificates/$1.csr" 2> /dev/null
  printf 'basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=clientAuth\n
subjectAltName=URI:%s\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n' "$2" > "$certificates/extensions"
  openssl x509 -req -in "$certificates/$1.csr" -CA "$3.pem" -CAkey "$3.key" -days 1 -set_serial 7 \
    -extfile "$certificates/extensions" -out "$certificates/$1.pem" 2> /dev/null
  cat "$3.pem" >> "$certificates/$1.pem"
}
openssl req -x509 -newkey ed25519 -nodes -subj "/CN=conclave CA $id" -days 1 -keyout "$certificates/ca.key" \
  -out "$certificates/ca.pem" 2> /dev/null
issue user "conclave://user.$id/$(id -un)?uid=0&gid=0&device=$kid" "$CONCLAVE_DIR/vault/issuer"
issue guest "conclave://user.$id/guest" "$CONCLAVE_DIR/vault/issuer"
issue stranger "conclave://host.$id/vm" "$certificates/ca"
issue pretender "conclave://host.$id/vm" "$CONCLAVE_DIR/vault/issuer"

step "the requests"
python3 - "$CONCLAVE_DIR" "$certificates" <<'PYTHON'
import collections, glob, json, random, re, socket, ssl, sys, time
folder, made = sys.argv[1:]
cluster = open(folder + "/cluster.toml").read()
id_hex = re.search(r'id = "(\w+)"', cluster)[1]
servers = {k: int(p) for k, p in re.findall(r'^(dir|lock|vault) = ".*:(\d+)"', cluster, re.M)}
names = {k: f"{k}-1.{id_hex}.conclave" for k in servers}
for toml in glob.glob(folder + "/fileserver-*/fileserver.toml"):
    text = open(toml).read()
    name = re.search(r'name = "(\d+)"', text)[1]
    for key in ("listen", "back"):
        servers[f"file-{name}-{key}"] = int(re.search(key + r' = "127\.0\.0\.1:(\d+)"', text)[1])
        names[f"file-{name}-{key}"] = f"file-{name}.{id_hex}.conclave"
assert len(servers) >= 7, servers
# Who asks, with which certificate.
callers = {"host": folder + "/mount/host", "file": folder + "/fileserver-1/server",
           "user": made + "/user", "guest": made + "/guest"}
strangers = {"nobody": None, "of another CA": made + "/stranger", "host of the users' issuer": made + "/pretender"}
status_of = {"canceled": 499, "invalid_argument": 400, "deadline_exceeded": 504, "not_found": 404, "already_exists": 409,
             "permission_denied": 403, "resource_exhausted": 429, "failed_precondition": 400, "aborted": 409,
             "out_of_range": 400, "unimplemented": 501, "internal": 500, "unavailable": 503, "data_loss": 500,
             "unauthenticated": 401}

def whole(out):
    """A reply with its length is whole: who keeps the connection for the next request need not be waited for."""
    head, found, body = out.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
    return found and length and len(body) >= int(length[1])

def talk(sock, data, until_closed=False):
    """What is answered, and whether the connection was then closed. Nothing is waited for longer than five seconds."""
    sock.settimeout(5)
    out = b""
    try:
        sock.sendall(data)
    except OSError:
        pass                # refused before all was sent: what was answered can still be read
    try:
        while len(out) < 100000 and (until_closed or not whole(out)):
            piece = sock.recv(65536)
            if not piece:
                return out, True
            out += piece
    except (TimeoutError, socket.timeout):
        return out, False
    except OSError:
        return out, True
    return out, False

def plain(port):
    sock = socket.create_connection(("127.0.0.1", port), 5)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # else what follows the handshake waits for a delayed ACK
    return sock

contexts = {}
def tls(server, stem=None, version=None):
    if (stem, version) not in contexts:
        context = contexts[stem, version] = ssl.create_default_context(cafile=folder + "/ca.pem")
        if version: context.maximum_version = version
        if stem: context.load_cert_chain(stem + ".pem", stem + ".key")
    return contexts[stem, version].wrap_socket(plain(servers[server]), server_hostname=names[server])

def post(path, body, extra=b"", length=None, kind=b"application/proto"):
    return (b"POST " + path + b" HTTP/1.1\r\nHost: x\r\nContent-Type: " + kind + b"\r\n" + extra +
            b"Content-Length: " + str(len(body) if length is None else length).encode() + b"\r\n\r\n" + body)

def error_in(text):
    """Connect's code in an error's JSON, which must be one."""
    error = json.loads(text)
    assert isinstance(error["code"], str) and error["details"][0]["type"] == "conclave.base.v1.ErrorDetail", error
    assert not re.search(r"Sanitizer|\.cc:|terminate called", error.get("message", "")), error
    return error["code"]

def check_refused(server, caller, request, must_close):
    with tls(server, callers[caller]) as s:
        out, closed = talk(s, request, must_close)
    where = (server, caller, request[:120], out[:300])
    head, found, body = out.partition(b"\r\n\r\n")
    line = re.match(rb"HTTP/1\.1 (\d+) ", head)
    assert line and found, ("no answer", *where)
    status = int(line[1])
    assert re.search(rb"(?i)\r\ncontent-type: application/json", head), ("not JSON", *where)
    code = error_in(body)
    assert status != 200 and status == status_of[code], ("status and code", *where)
    if must_close:
        assert closed and re.search(rb"(?i)\r\nconnection: close", head), ("left open", *where)
    return code

def check_stream_refused(server, caller, path, body, kind):
    """A stream is always answered 200; its end holds the error, and it is closed."""
    with tls(server, callers[caller]) as s:
        out, closed = talk(s, post(path, body, kind=kind), True)
    head, found, rest = out.partition(b"\r\n\r\n")
    size, _, rest = rest.partition(b"\r\n")
    envelope = rest[:int(size or b"0", 16)]
    assert closed and b" 200 " in head and envelope[:1] == b"\x02", (server, caller, body[:80], out[:300])
    code = error_in(json.dumps(json.loads(envelope[5:])["error"]))
    assert code in status_of, code

paths = {"dir": b"/conclave.dir.v1.DirService/", "lock": b"/conclave.lock.v1.LockService/",
         "vault": b"/conclave.vault.v1.VaultService/"}
methods = {"dir": b"Lookup GetAttr SetAttr Create Rename ReadDir Remove Link Place Commit Sync Register Heartbeat Seal".split(),
           "lock": b"OpenSession CloseSession Renew Acquire Return SetLock Sync Opens".split(),
           "vault": b"Join Login Invite Logout PutRoster PutPolicy PutSecret FileRequest Approve Deny Release".split()}
file_methods = b"Write Read Append Commit Zero Copy Stat Apply CommitBack Fetch".split()
seen = collections.Counter()

for server, port in servers.items():
    rng = random.Random(server)
    # No TLS: never an answer in HTTP to a plain request, and the end at once.
    for data in (b"GET / HTTP/1.1\r\n\r\n", rng.randbytes(3000), b"\x16\x03\x01\xff\xff" + rng.randbytes(500)):
        with plain(port) as s:
            out, closed = talk(s, data, True)
            assert b"HTTP/" not in out and closed, (server, data[:20], out, closed)
    # TLS 1.2, and certificates that count for nothing, get nothing: an alert, or at most what is wrong with them.
    path = paths.get(server, b"/conclave.file.v1.FileService/")
    old = ("TLS 1.2", callers["host"], ssl.TLSVersion.TLSv1_2)
    for caller, stem, version in [*((c, s, None) for c, s in strangers.items()), old]:
        try:
            with tls(server, stem, version) as s:
                out, closed = talk(s, post(path + b"Health", b""), True)
        except (ssl.SSLError, ConnectionError):
            out, closed = b"", True
        assert closed and (not out or b" 401 " in out.split(b"\r\n")[0]), (server, caller, out[:200], closed)
    # Malformed: the connection cannot go on.
    malformed = [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"PUT " + path + b"Health HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc",
        b"\x00" * 5000,
        b"POST / HTTP/9.9\r\n\r\n",
        b"POST " + path + b"Health HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 7\r\n\r\nshorter",
        b"POST " + path + b"Health HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\n",
        b"POST " + path + b"Health HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"10000\r\n" + b"z" * 65536 + b"\r\n7FFFFFFF\r\n" + b"z" * (2 << 20),
        post(path + b"Health", b"", b"X-Long: " + b"y" * 60000 + b"\r\n"),
        post(path + b"Health", b"", b"".join(b"X-%d: y\r\n" % i for i in range(5000))),
        post(path + b"Health", b"short", length=1 << 40),
        post(path + b"Health", b"short", length=-1),
        post(path + b"Health", b"z" * (6 << 20)),
    ]
    # Well-formed, and wrong.
    wrong = [
        post(b"/", b""),
        post(path + b"NoSuch", b"x"),
        post(path + b"../../etc/passwd", b""),
        post(path + b"Health", rng.randbytes(500)),
        post(path + b"Health", b"\xff" * 100),
        post(path + b"Health", b"{" * 100000),
        post(path + b"Health", b"{" * 100000, kind=b"application/json"),
        post(path + b"Health", b'{"a":' * 20000 + b"1" + b"}" * 20000, kind=b"application/json"),
        post(path + b"Health", b"", kind=b"text/html"),
        post(path + b"Health", b"", b"Content-Encoding: gzip\r\n"),
        post(path + b"Health", b"", b"Connect-Timeout-Ms: 99999999999999999999\r\n"),
        post(path + b"Health", b"", b"Conclave-Op: " + b"-" * 300 + b"\r\n"),
        post(path + b"Health", b"", b"Conclave-Pass: !!!\r\n"),
    ]
    for method in methods.get(server, file_methods):
        wrong += [post(path + method, rng.randbytes(rng.randrange(1, 2000))) for _ in range(2)]
        raw = method in (b"Write", b"Read", b"Append", b"Apply")
        wrong.append(post(path + method, rng.randbytes(70000),
                          b"Conclave-Op: 1-1-1-1\r\nConclave-Token: AAAA\r\nConclave-Permit: AAAA\r\n"
                          b"Conclave-Offset: 0\r\nConclave-Length: 1\r\nConclave-Crc32c: 0\r\n",
                          kind=b"application/octet-stream" if raw else b"application/proto"))
        if method != b"OpenSession":
            wrong.append(post(path + method, b"", kind=b"application/json"))  # not even "{}"
    for caller in callers:
        for request in malformed:
            seen[check_refused(server, caller, request, True)] += 1
        for request in wrong:
            seen[check_refused(server, caller, request, False)] += 1
        if server in ("lock", "vault"):
            for body, kind in ((b"", b"application/proto"), (rng.randbytes(300), b"application/connect+proto"),
                               (b"\x00\xff\xff\xff\xff", b"application/connect+proto")):
                check_stream_refused(server, caller, path + b"Events", body, kind)
    # What a caller may not ask is refused for who it is.
    for caller, method in {"dir": [("guest", b"Lookup"), ("host", b"Register"), ("user", b"Seal"), ("file", b"Create")],
                           "lock": [("guest", b"OpenSession"), ("file", b"Acquire")],
                           "vault": [("guest", b"PutPolicy"), ("host", b"Approve"), ("file", b"Health"),
                                     ("user", b"Join")]}.get(
                               server, [("guest", b"Read"), ("host", b"Fetch"), ("user", b"Apply")]):
        code = check_refused(server, caller, post(path + method, b""), False)
        allowed = ("permission_denied", "unimplemented") if server.startswith("file") else ("permission_denied",)
        assert code in allowed, (server, caller, method, code)
    # After all that, and on one connection after a refusal, who is known is served.
    with tls(server, callers["file" if server.endswith("back") else "host"]) as s:
        assert b" 501 " in talk(s, post(path + b"NoSuch", b"x"))[0].split(b"\r\n")[0]
        if not server.endswith("back"):
            assert b" 200 " in talk(s, post(path + b"Health", b""))[0].split(b"\r\n")[0], server
    for caller, method in (("user", b"Health"), ("guest", b"GetRoster")):
        if server == "vault" or (caller == "user" and not server.endswith("back")):
            with tls(server, callers[caller]) as s:
                out = talk(s, post(path + method, b""))[0]
                assert b" 200 " in out.split(b"\r\n")[0], (server, caller, out[:300])

# Many connections that say nothing, at once: each is ended after the handshake's five seconds.
held = [plain(port) for port in servers.values() for _ in range(60)]
end = time.monotonic() + 12
for s in held:
    s.settimeout(max(0.1, end - time.monotonic()))
    try:
        assert s.recv(100) == b"", "something was said to who said nothing"
    except ConnectionError:
        pass
    s.close()
print(sum(seen.values()), "requests were refused:", dict(seen))
assert {"invalid_argument", "unimplemented", "permission_denied", "resource_exhausted"} <= set(seen), seen
PYTHON

step "nobody died, nothing is stored, nothing is open that was not"
[ "$(processes | awk '{print $1}' | sort)" = "$pids" ] || fail "a server died"
same_descriptors() { diff "$ROOT/descriptors-before" <(descriptors) > "$ROOT/descriptors"; }
for _ in {1..100}; do
  ! same_descriptors || break
  sleep 0.1
done
same_descriptors || fail "descriptors before and after: $(cat "$ROOT/descriptors")"
diff "$ROOT/stored-before" <(stored) || fail "something was stored"
# A line of a log for each refusal is the most that is written.
grown=$(($(cat "$CONCLAVE_DIR"/log/*.log | wc -c) - log_bytes))
[ "$grown" -lt 1000000 ] || fail "the logs grew by $grown bytes"
[ "$(cat "$M/file")" = kept ]
echo more > "$M/more" && [ "$(cat "$M/more")" = more ]
memory_within_limit
finish_own_cluster warnings
