"""Verifies exported ledgers. Written from ledger/FORMAT.md alone, sharing no code with assay.

Usage: verify.py [--vkey KEY] DIR...
Prints one line of JSON for each folder: {"findings": [[seq, reason], ...]}.
Exit code 0 when all are good, 1 when something was found, 3 when a file could not be read. Needs the package `cryptography`.
"""

import base64
import hashlib
import json
import os
import struct
import sys

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

# Where no file stands: that is wrong with the log. Any other error is wrong with the reading.
NO_FILE = (FileNotFoundError, IsADirectoryError, NotADirectoryError)
# A checkpoint may claim any size.
MAX_BAD_BUNDLES = 1000

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = (-121665 * pow(121666, P - 2, P)) % P


def sha(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def point(encoded):
    """The curve point of 32 bytes, or None."""
    n = int.from_bytes(encoded, "little")
    sign, y = n >> 255, n & (2**255 - 1)
    y %= P
    u, v = (y * y - 1) % P, (D * y * y + 1) % P
    x = u * pow(v, 3, P) * pow(u * pow(v, 7, P), (P - 5) // 8, P) % P
    if (v * x * x - u) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
        if (v * x * x - u) % P:
            return None
    if x % 2 != sign:
        x = -x % P
    return x, y


SMALL_ORDER = {
    bytes.fromhex(h)
    for h in (
        *("01" + "00" * 31, "ec" + "ff" * 30 + "7f", "00" * 32, "00" * 31 + "80"),
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    )
}
GOOD_KEYS = {}


def good_key(raw):
    """Whether 32 bytes are a point of the curve that is not of small order."""
    if raw not in GOOD_KEYS:
        p = point(raw)
        GOOD_KEYS[raw] = p is not None and (p[1] | (p[0] & 1) << 255).to_bytes(32, "little") not in SMALL_ORDER
    return GOOD_KEYS[raw]


def signed(key, signature, message):
    """Strict ed25519: canonical s, neither A nor R of small order, no cofactor."""
    if len(signature) != 64 or int.from_bytes(signature[32:], "little") >= L or not good_key(key):
        return False
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    # It verified, so R is in its canonical encoding: eight of those are of small order.
    return signature[:32] not in SMALL_ORDER


class Bad(Exception):
    pass


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, n):
        if self.at + n > len(self.data):
            raise Bad("short")
        out = self.data[self.at : self.at + n]
        self.at += n
        return out

    def uint(self, n):
        return int.from_bytes(self.take(n), "big")

    def end(self):
        if self.at != len(self.data):
            raise Bad("bytes after the end")

    def varint(self):
        first = self.uint(1)
        if first < 251:
            return first
        if first > 253:
            raise Bad("no length")
        value = self.uint({251: 2, 252: 4, 253: 8}[first])
        if value < {251: 251, 252: 2**16, 253: 2**32}[first]:
            raise Bad("a longer spelling")
        return value

    def text(self):
        try:
            return self.take(self.varint()).decode("utf-8")
        except UnicodeDecodeError as e:
            raise Bad(str(e))


def printable(b):
    return all(0x21 <= c <= 0x7E for c in b)


class Entry:
    def __init__(self, data):
        if len(data) > 65535:
            raise Bad("too long")
        r = Reader(data)
        if r.take(4) != b"ASY1":
            raise Bad("marker")
        self.origin = r.take(r.uint(1))
        self.seq = r.uint(8)
        self.prev = r.take(32)
        self.id = r.take(16)
        self.kind = r.take(r.uint(1))
        self.version = r.uint(2)
        self.time = r.uint(8)
        self.author = r.take(32)
        self.payload = r.take(r.uint(4))
        self.content = data[: r.at]
        self.signature = r.take(64)
        r.end()
        if not self.origin or not printable(self.origin) or self.seq > 2**63 - 1:
            raise Bad("origin or number")
        if not 1 <= len(self.kind) <= 64 or not printable(self.kind):
            raise Bad("kind")
        self.kind = self.kind.decode("ascii")


CHANGES = set("KeyAdded KeyRevoked KeyRotated".split())
ADMIN = CHANGES | set("LabCreated KeyThresholdSet LogFollowed".split())
TWO_VERSIONS = CHANGES | set("StudyOpened StudyClosed TrialCompleted TrialPruned TrialFailed".split())
DEPLOYER = set("ApprovalRecorded PromotionDeployed DriftDetected DriftHealed".split())
RESEARCHER = set(
    "RulebookRegistered SnapshotRegistered StrategyRegistered StudyOpened TrialCompleted TrialPruned TrialFailed "
    "PrunedTrialFinished StudySeeded StudyExtended StudyClosed WalkForwardCompleted VaultOpened ForwardRunCompleted TrialsDeclared ParityVerified PromotionProposed RollbackProposed PayloadErased".split()
)


def key_id(raw):
    return sha(struct.pack(">I", 11), b"ssh-ed25519", struct.pack(">I", 32), raw)


class Refused(Exception):
    pass


class Roster:
    """Who may record what, position by position."""

    def __init__(self):
        self.keys = {}  # id -> [raw, roles, counts, person]
        self.log_key = None
        self.threshold = 0

    def fields(self, entry):
        r = Reader(entry.payload)
        try:
            if entry.kind == "LabCreated":
                out = r.text(), r.text(), r.take(32), r.take(32), r.text()
            elif entry.kind == "KeyAdded":
                out = r.text(), [r.text() for _ in range(r.varint())], r.take(32)
            elif entry.kind == "KeyRevoked":
                out = r.take(32), r.text()
            elif entry.kind == "KeyThresholdSet":
                out = (r.varint(),)
            elif entry.kind == "LogFollowed":
                out = r.text(), r.take(32), r.varint(), r.take(32)
            elif entry.kind == "PayloadErased":
                out = r.varint(), r.take(32), r.text()
            else:
                out = r.take(32), r.take(32), r.take(64)
            if entry.version == 2:
                out += ([(r.take(32), r.take(64)) for _ in range(r.varint())],)
            r.end()
        except Bad:
            raise Refused("bad-payload")
        return out

    def key(self, raw):
        if not good_key(raw):
            raise Refused("bad-payload")
        return raw

    def admit(self, entry):
        if entry.seq == 0:
            if (entry.kind, entry.version) != ("LabCreated", 1):
                raise Refused("bad-payload")
            _, founder, key, log_key, _ = self.fields(entry)
            if key_id(self.key(key)) != entry.author:
                raise Refused("unknown-key")
            self.keys[entry.author] = [key, {"admin", "researcher", "deployer"}, True, founder]
            self.log_key = log_key
            return key
        known = entry.version == 1 or (entry.version == 2 and entry.kind in TWO_VERSIONS)
        about_keys = known and entry.kind in ADMIN | {"PayloadErased"}
        fields = self.fields(entry) if about_keys else None
        if entry.author not in self.keys:
            raise Refused("unknown-key")
        raw, roles, counts, _ = self.keys[entry.author]
        if not counts:
            raise Refused("revoked-key")
        role = None
        if known:
            role = next((r for r, kinds in (("admin", ADMIN), ("deployer", DEPLOYER), ("researcher", RESEARCHER)) if entry.kind in kinds), None)
        own = about_keys and entry.kind in ("KeyRevoked", "KeyRotated") and fields[0] == raw
        if role and role not in roles and not own:
            raise Refused("role-not-allowed")
        if about_keys and entry.kind in CHANGES:
            before = {k: list(m) for k, m in self.keys.items()}
            self.observe(entry, fields)
            after, self.keys = self.keys, before
            self.agreed(entry, fields)
            self.keys = after
        elif about_keys:
            self.observe(entry, fields)
        return raw

    def admins(self):
        return {m[3] for m in self.keys.values() if m[2] and "admin" in m[1]}

    def agreed(self, entry, fields):
        """Enough admins agree to a change of keys: its author, and those whose consents stand in it."""
        admins = self.admins()
        need = min(self.threshold, len(admins))
        if entry.kind == "KeyAdded":
            weighty = "admin" in fields[1]
            words = "add %s %s %s" % (fields[2].hex(), fields[0], ",".join(fields[1]))
            plain = all(t and all(0x21 <= ord(c) <= 0x7E and c != "," for c in t) for t in [fields[0], *fields[1]])
        elif entry.kind == "KeyRevoked":
            weighty, plain = key_id(fields[0]) != entry.author, True
            words = "revoke %s" % fields[0].hex()
        else:
            old = key_id(fields[0])
            weighty, plain = "admin" in self.keys[old][1] or old != entry.author, True
            words = "rotate %s %s" % (fields[0].hex(), fields[1].hex())
        if need <= 1 or not weighty:
            return
        people = {self.keys[entry.author][3]}
        text = ("assay/key-change/v1\n%s\n%s\n" % (entry.origin.decode(), words)).encode()
        string = lambda b: struct.pack(">I", len(b)) + b
        data = b"SSHSIG" + b"".join(map(string, (b"key-change@assay", b"", b"sha512", hashlib.sha512(text).digest())))
        for key, signature in fields[-1] if entry.version == 2 and plain else []:
            member = self.keys.get(key_id(key))
            if member and member[2] and "admin" in member[1] and signed(key, signature, data):
                people.add(member[3])
        if len(people & admins) < need:
            raise Refused("role-not-allowed")

    def observe(self, entry, fields):
        if entry.kind == "LabCreated":
            raise Refused("bad-payload")
        if entry.kind == "KeyThresholdSet":
            if fields[0] < max(self.threshold, 1) or fields[0] > len(self.admins()):
                raise Refused("bad-payload")
            self.threshold = fields[0]
        elif entry.kind in ("LogFollowed", "PayloadErased"):
            pass
        elif entry.kind == "KeyAdded":
            person, roles, raw = fields[:3]
            if key_id(self.key(raw)) in self.keys:
                raise Refused("bad-payload")
            self.keys[key_id(raw)] = [raw, set(roles) & {"admin", "researcher", "deployer"}, True, person]
        elif entry.kind == "KeyRevoked":
            this = key_id(self.key(fields[0]))
            others = any(k != this and counts and "admin" in roles for k, (_, roles, counts, _) in self.keys.items())
            if this not in self.keys or not others:
                raise Refused("bad-payload")
            self.keys[this][2] = False
        else:
            old, new, proof = self.key(fields[0]), self.key(fields[1]), fields[2]
            message = b"assay/key-rotation/v1\0" + struct.pack(">Q", len(entry.origin)) + entry.origin + old + new
            if not signed(new, proof, message) or key_id(new) in self.keys:
                raise Refused("bad-payload")
            member = self.keys.get(key_id(old))
            if member is None or not member[2]:
                raise Refused("bad-payload")
            self.keys[key_id(new)] = [new, member[1], True, member[3]]
            member[2] = False


def root(hashes):
    """The RFC 6962 root over leaf hashes or over roots of equal full subtrees."""
    if not hashes:
        return sha(b"")
    if len(hashes) == 1:
        return hashes[0]
    split = 1
    while split * 2 < len(hashes):
        split *= 2
    return sha(b"\1", root(hashes[:split]), root(hashes[split:]))


def tile_path(kind, n, width):
    groups = ["%03d" % (n % 1000)]
    while n >= 1000:
        n //= 1000
        groups.insert(0, "x%03d" % (n % 1000))
    return "tile/%s/%s%s" % (kind, "/".join(groups), "" if width == 256 else ".p/%d" % width)


def b64(text):
    data = base64.b64decode(text, validate=True)
    if base64.b64encode(data).decode() != text:
        raise Bad("base64")
    return data


def parse_vkey(text):
    name, digest, key = text.strip().split("+", 2)
    key = b64(key)
    if len(key) != 33 or key[0] != 1 or not good_key(key[1:]) or sha(name.encode(), b"\n", key)[:4].hex() != digest:
        raise Bad("verifier key")
    return name, key[1:]


def parse_checkpoint(data, name, key):
    text = data.decode("utf-8")
    at = text.rindex("\n\n")
    body, lines = text[: at + 1], text[at + 2 : -1].split("\n")
    if any(ord(c) < 0x20 and c != "\n" for c in text) or text[-1] != "\n" or len(data) > 1_000_000 or len(lines) > 100:
        raise Bad("note")
    own = sha(name.encode(), b"\n\1", key)[:4]
    found = False
    for line in lines:
        dash, signer, payload = line.split(" ")
        payload = b64(payload)
        if dash != "\u2014" or len(payload) < 5:
            raise Bad("signature line")
        if signer == name and payload[:4] == own and not found:
            if not signed(key, payload[4:], body.encode()):
                raise Bad("signature")
            found = True
    origin, size, digest, *extensions = body[:-1].split("\n")
    if "" in extensions:
        raise Bad("extension line")
    if not found or origin != name or not size.isascii() or not size.isdigit() or str(int(size)) != size or int(size) >= 2**63:
        raise Bad("checkpoint")
    digest = b64(digest)
    if len(digest) != 32:
        raise Bad("root")
    return int(size), digest


class Judge:
    def __init__(self, folder, vkey):
        self.folder, self.vkey, self.findings = folder, vkey, []

    def read(self, path):
        with open(os.path.join(self.folder, path), "rb") as f:
            return f.read()

    def bundle(self, n, size):
        width = min(256, size - 256 * n)
        try:
            r = Reader(self.read(tile_path("entries", n, width)))
            out = [r.take(r.uint(2)) for _ in range(width)]
            r.end()
        except (*NO_FILE, Bad):
            return None
        return out

    def run(self):
        try:
            name, key = parse_vkey(self.vkey or self.read("log.vkey").decode())
            size, expected = parse_checkpoint(self.read("checkpoint"), name, key)
        except (Bad, ValueError, *NO_FILE, UnicodeDecodeError):
            return [(0, "bad-checkpoint")]
        roster, ids, leaves = Roster(), set(), []
        n, prev, time, whole, missing = 0, bytes(32), 0, True, 0
        for number in range((size + 255) // 256):
            entries = self.bundle(number, size)
            if entries is None:
                self.findings.append((n, "bad-tile"))
                missing += 1
                if missing > MAX_BAD_BUNDLES:
                    self.findings.append((n, "shorter-than-checkpoint"))
                    whole = False
                    break
                n, prev, whole = min(size, 256 * (number + 1)), None, False
                continue
            for data in entries:
                leaves.append(sha(b"\0", data))
                prev, time = self.entry(data, n, name, prev, time, ids, roster)
                n += 1
        if whole and root(leaves) != expected:
            self.findings.append((size, "root-mismatch"))
        if whole:
            self.tiles(leaves)
        if roster.log_key is not None and roster.log_key != key:
            self.findings.append((0, "bad-checkpoint"))
        return sorted(self.findings)

    def entry(self, data, n, name, prev, time, ids, roster):
        try:
            e = Entry(data)
        except Bad:
            self.findings.append((n, "bad-encoding"))
            return None, time
        content = sha(e.content)
        if e.origin != name.encode():
            self.findings.append((n, "wrong-origin"))
        if e.seq != n:
            self.findings.append((n, "wrong-sequence"))
        if prev is not None and e.prev != prev:
            self.findings.append((n, "chain-break"))
        if e.time < time:
            self.findings.append((n, "time-regressed"))
        if e.id in ids:
            self.findings.append((n, "duplicate-id"))
        ids.add(e.id)
        try:
            key = roster.admit(e)
            if not signed(key, e.signature, b"assay/entry/v1\0" + content):
                self.findings.append((n, "bad-signature"))
        except Refused as refused:
            self.findings.append((n, str(refused)))
        return content, max(time, e.time)

    def tiles(self, leaves):
        level, row = 0, leaves
        while row:
            for n in range((len(row) + 255) // 256):
                hashes = row[256 * n : 256 * (n + 1)]
                try:
                    good = self.read(tile_path(level, n, len(hashes))) == b"".join(hashes)
                except NO_FILE:
                    good = False
                if not good:
                    self.findings.append((256 * n * 256**level, "bad-tile"))
            row = [root(row[256 * i : 256 * (i + 1)]) for i in range(len(row) // 256)]
            level += 1


def main(args):
    vkey = None
    if args[:1] == ["--vkey"]:
        vkey, args = args[1], args[2:]
    bad = False
    for folder in args or sys.exit(__doc__):
        try:
            findings = Judge(folder, vkey).run()
        except OSError as error:
            print(error, file=sys.stderr)
            return 3
        bad = bad or bool(findings)
        print(json.dumps({"findings": findings}), flush=True)
    return int(bad)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
