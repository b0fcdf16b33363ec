# Hostile bytes at every server, with and without a certificate: refused, the connection closed, nobody crashes or grows.
. "$(dirname "$0")/harness.bash"
own_cluster
conclave up --mount "$M"
echo kept > "$M/file" && sync "$M/file"
pids=$(processes | awk '{print $1}' | sort)

python3 - "$CONCLAVE_DIR" <<'PYTHON'
import json, os, random, re, socket, ssl, struct, sys, glob
folder = sys.argv[1]
cluster = open(folder + "/cluster.toml").read()
id_hex = re.search(r'id = "(\w+)"', cluster)[1]
servers = {k: int(p) for k, p in re.findall(r'^(dir|lock|vault) = ".*:(\d+)"', cluster, re.M)}
names = {k: f"{k}-1.{id_hex}.conclave" for k in servers}
for toml in glob.glob(folder + "/fileserver-*/fileserver.toml"):
    text = open(toml).read()
    name = re.search(r'name = "(\d+)"', text)[1]
    for port in set(re.findall(r'= "127\.0\.0\.1:(\d+)"', text)):
        servers[f"file-{port}"] = int(port)
        names[f"file-{port}"] = f"file-{name}.{id_hex}.conclave"
assert len(servers) >= 7, servers
rng = random.Random(11)

def whole(out):
    """A reply with its length is whole: who keeps the connection for the next request need not be waited for."""
    head, found, body = out.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
    return found and length and len(body) >= int(length[1])

def talk(sock, data):
    """What it answers before it closes (or for two seconds)."""
    sock.settimeout(2)
    out = b""
    try:
        sock.sendall(data)
    except OSError:
        pass                # refused before all was sent: what was answered can still be read
    try:
        while len(out) < 100000 and not whole(out):
            piece = sock.recv(65536)
            if not piece:
                return out, True
            out += piece
    except (TimeoutError, socket.timeout):
        return out, False
    except OSError:
        return out, True
    return out, False

def plain(port): return socket.create_connection(("127.0.0.1", port), 5)

def tls(server, stem=None, version=None):
    context = ssl.create_default_context(cafile=folder + "/ca.pem")
    if version: context.maximum_version = version
    if stem: context.load_cert_chain(folder + stem + ".pem", folder + stem + ".key")
    return context.wrap_socket(plain(servers[server]), server_hostname=names[server])

def post(path, body, extra=b"", length=None):
    return (b"POST " + path + b" HTTP/1.1\r\nHost: x\r\nContent-Type: application/proto\r\n" + extra +
            b"Content-Length: " + str(len(body) if length is None else length).encode() + b"\r\n\r\n" + body)

paths = {"dir": b"/conclave.dir.v1.DirService/", "lock": b"/conclave.lock.v1.LockService/",
         "vault": b"/conclave.vault.v1.VaultService/"}
for server, port in servers.items():
    # No TLS: never an answer in HTTP to a plain request.
    for data in (b"GET / HTTP/1.1\r\n\r\n", rng.randbytes(3000), b"\x16\x03\x01\xff\xff" + rng.randbytes(500), b""):
        with plain(port) as s:
            out, closed = talk(s, data) if data else (b"", True)
            assert b"HTTP/1.1 200" not in out, (server, out)
    # TLS without a certificate, and TLS 1.2, get nothing.
    for attempt in (dict(), dict(stem="/mount/host", version=ssl.TLSVersion.TLSv1_2)):
        try:
            with tls(server, **attempt) as s:
                out, closed = talk(s, post(b"/conclave.dir.v1.DirService/Health", b""))
                assert out == b"", (server, attempt, out[:100])
        except (ssl.SSLError, OSError):
            pass
    # With this host's certificate: malformed, oversized, unknown, and random.
    path = paths.get(server, b"/conclave.file.v1.FileService/")
    requests = [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x00" * 5000,
        b"POST / HTTP/9.9\r\n\r\n",
        post(b"/", b""),
        post(path + b"NoSuch", b"x"),
        post(path + b"Health", rng.randbytes(500)),
        post(path + b"Health", b"\xff" * 100),
        post(path + b"Health", b"{" * 100000, b""),
        post(path + b"Health", b"", b"X-Long: " + b"y" * 60000 + b"\r\n"),
        post(path + b"Health", b"", b"".join(b"X-%d: y\r\n" % i for i in range(5000))),
        post(path + b"Health", b"short", length=1 << 40),
        post(path + b"Health", b"short", length=-1),
        post(path + b"Health", b"z" * (6 << 20)),
        post(path + b"../../etc/passwd", b""),
        post(path + b"Health", b"", b"Connect-Timeout-Ms: 99999999999999999999\r\n"),
        post(path + b"Health", b"", b"Conclave-Op: " + b"-" * 300 + b"\r\nConclave-Pass: !!!\r\n"),
        b"POST " + path + b"Health HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\n",
    ]
    methods = {"dir": b"Lookup GetAttr SetAttr Create Rename ReadDir Place Commit Register Heartbeat Seal".split(),
               "lock": b"OpenSession Renew Acquire Return SetLock Sync Opens Events".split(),
               "vault": b"Join Login PutRoster PutPolicy PutSecret FileRequest Approve Release Events".split()}
    for method in methods.get(server, b"Write Read Commit Apply".split()):
        requests += [post(path + method, rng.randbytes(rng.randrange(1, 2000))) for _ in range(5)]
        requests.append(post(path + method, b""))
    for request in requests:
        try:
            with tls(server, "/mount/host") as s:
                out, closed = talk(s, request)
        except OSError:
            continue
        line = out.split(b"\r\n", 1)[0]
        assert not out or line.startswith(b"HTTP/1.1 "), (server, request[:80], out[:80])
        assert b"Sanitizer" not in out and b".cc:" not in out, out[:500]
        if out and b" 200 " not in line and b"application/json" in out:
            body = out.split(b"\r\n\r\n", 1)[1]
            if body and b"\r\ntransfer-encoding" not in out.lower():
                assert "code" in json.loads(body), body[:200]
# Many connections that say nothing, at once.
held = [plain(port) for port in servers.values() for _ in range(60)]
for s in held: s.close()
PYTHON

[ "$(processes | awk '{print $1}' | sort)" = "$pids" ] || fail "a server died"
conclave status > /dev/null || fail "a server does not answer any more"
[ "$(cat "$M/file")" = kept ]
echo more > "$M/more" && [ "$(cat "$M/more")" = more ]
[ "$(ls "$M" | tr '\n' ' ' | sed 's/\(sensors\|secrets\|chat\) //g')" = "file more " ] || fail "something was stored: $(ls "$M")"
memory_within_limit
finish_own_cluster warnings
