//! PostgreSQL as it is run in earnest: roles with few rights, encryption as `sslmode` means it, servers that keep silent.

use crate::desk::{Desk, Postgres};
use assay_production::deploy::{Roles, init, look, open};
use std::io::Write as _;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// What each role may do.
const RIGHTS: [(&str, &str, bool); 13] = [
    ("wren", "CREATE TABLE assay.more (a int)", false),
    ("wren", "TRUNCATE assay.config_history", false),
    ("wren", "DELETE FROM assay.config_history", false),
    ("wren", "UPDATE assay.identity SET identity = ''", false),
    ("rhea", "SELECT strategy FROM active_configs", true),
    ("rhea", "SELECT strategy FROM halted", true),
    ("rhea", "DELETE FROM assay.active_configs", false),
    (
        "rhea",
        "INSERT INTO assay.halts (strategy, word, at_us, person, statement, signature) VALUES ('','','1','','','')",
        false,
    ),
    ("otto", "DELETE FROM assay.active_configs", false),
    // Nobody chooses the place of a row, and whoever is on call lets nothing go on.
    (
        "otto",
        "INSERT INTO assay.halts (id, strategy, word, at_us, person, statement, signature) VALUES (9223372036854775807, 't', 'halt', 1, '', '', '')",
        false,
    ),
    (
        "otto",
        "INSERT INTO assay.halts (strategy, word, at_us, person, statement, signature) VALUES ('t', 'resume', 1, '', '', '')",
        false,
    ),
    (
        "otto",
        "INSERT INTO assay.halts (strategy, word, at_us, person, statement, signature) VALUES ('t', 'vote', 1, '', '', '')",
        true,
    ),
    (
        "wren",
        "INSERT INTO assay.halts (strategy, word, at_us, person, statement, signature) VALUES ('t', 'resume', 1, '', '', '')",
        true,
    ),
];

/// Nothing but `deploy init` makes or alters tables; each role has the rights for what it does and no more, and a
/// reader that keeps a transaction open stops nobody.
#[test]
fn each_role_does_its_own() {
    let pg = Postgres::start();
    let desk = Desk::new();
    desk.demo(16, &[]).ok();
    let gate = desk.path("lab/deploy.git/assay/gate.toml");
    let text = std::fs::read_to_string(&gate).unwrap();
    let old = text.lines().find(|l| l.starts_with("live")).unwrap().to_string();
    let as_role = |role: &str| pg.url().replace("//assay@", &format!("//{role}@"));
    std::fs::write(&gate, text.replace(&old, &format!("live = '{}'", as_role("wren")))).unwrap();
    desk.assay(&["reconcile"]).fails(3, "role");
    let owner = pg.url();
    let grant = ["deploy", "init", "--owner", &owner, "--writer", "wren", "--reader", "rhea", "--stopper", "otto"];
    desk.assay(&grant[..4]).ok();
    desk.assay(&["reconcile"]).fails(3, "role");
    desk.assay(&["deploy", "init", "--owner", &owner, "--reader", "x; drop"]).fails(3, "no plain name of a role");
    desk.assay(&grant).ok();
    desk.assay(&grant).ok();
    let mut reading = Command::new(pg.bin("psql"))
        .args(["-X", "-q", "-U", "rhea", "-d", "postgres", "-h"])
        .arg(pg.dir())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut orders = reading.stdin.take().unwrap();
    orders
        .write_all(b"BEGIN; SELECT count(*) FROM active_configs; SELECT pg_advisory_lock(x'617373617901'::bigint);\n")
        .unwrap();
    crate::desk::wait_for("the reader's transaction", || {
        pg.psql("SELECT count(*) FROM pg_stat_activity WHERE usename = 'rhea' AND state = 'idle in transaction'")
            .1
            .trim()
            == "1"
    });
    desk.assay(&["reconcile"]).ok();
    desk.assay(&["deploy", "init", "--owner", &owner]).fails(3, "lock");
    drop(orders);
    assert!(reading.wait().unwrap().success());
    assert_eq!(pg.psql("SELECT count(*) FROM active_configs").1.trim(), "1");
    for (role, sql, may) in RIGHTS {
        let said = pg.psql_as(role, sql);
        assert_eq!(said.0, may, "{role}: {sql}: {}", said.1);
    }
    // D-08: whoever may do more than write is named.
    assert!(!desk.assay(&["doctor"]).ok().out.contains("the role"));
    let text = std::fs::read_to_string(&gate).unwrap();
    std::fs::write(&gate, text.replace("//wren@", "//assay@")).unwrap();
    let said = desk.assay(&["doctor"]).ok().out;
    assert!(said.contains("the role assay is a superuser") && said.contains("deploy init --writer"), "{said}");
    std::fs::write(&gate, text.replace("//wren@", "//otto@")).unwrap();
    desk.assay(&["halt", "trend", "--reason", "on call"]).ok();
    desk.assay(&["active"]).ok();
    std::fs::write(&gate, text.replace("//wren@", "//rhea@")).unwrap();
    desk.assay(&["active"]).ok();
    desk.assay(&["halt", "trend", "--reason", "a reader"]).fails(3, "permission denied");
}

/// A database without tables is empty for a question, and says what to do for an order.
#[test]
fn without_tables() {
    let pg = Postgres::start();
    assert!(look(&pg.url(), "x").unwrap().rows().unwrap().is_empty());
    let e = open(&pg.url(), "x").err().unwrap();
    assert!(e.to_string().contains("no tables of this release") && e.hint().contains("assay deploy init"), "{e}");
    // Tables of a release before the halts.
    init(&pg.url(), "x", &Roles::default()).unwrap();
    assert!(pg.psql("DROP VIEW public.halted, public.halts; DROP TABLE assay.halts").0);
    assert!(open(&pg.url(), "x").is_err());
    init(&pg.url(), "x", &Roles::default()).unwrap();
    open(&pg.url(), "x").unwrap();
    assert!(init(&pg.url(), "y", &Roles::default()).unwrap_err().to_string().contains("another deployment"));
}

/// A server that takes a connection and then says nothing is given up after a bounded time, encrypted or not.
#[test]
fn a_silent_server_is_given_up() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let mut kept = Vec::new();
        while let Ok((stream, _)) = silent.accept() {
            kept.push(stream);
        }
    });
    let start = Instant::now();
    let e = open(&format!("postgres://a@127.0.0.1:{port}/d?sslmode=disable"), "x").err().unwrap();
    assert!(e.to_string().contains("did not let us in within 10 s"), "{e}");
    assert!(start.elapsed() < Duration::from_secs(60));
}

fn openssl(dir: &Path, args: &str) {
    let done = Command::new("openssl").args(args.split(' ')).current_dir(dir).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

/// A certificate authority `NAME.crt`, and with `of` a server's certificate for 127.0.0.1 by it.
fn certificates(dir: &Path) {
    for name in ["ca", "other"] {
        openssl(
            dir,
            &format!("req -x509 -newkey rsa:2048 -nodes -days 9 -subj /CN={name} -keyout {name}.key -out {name}.crt"),
        );
    }
    std::fs::write(dir.join("san"), "subjectAltName=IP:127.0.0.1\n").unwrap();
    openssl(dir, "req -newkey rsa:2048 -nodes -subj /CN=server -keyout server.key -out server.csr");
    openssl(
        dir,
        "x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 9 -extfile san -out server.crt",
    );
    Command::new("chmod").arg("600").arg(dir.join("server.key")).status().unwrap();
}

/// Each `sslmode` with a server that only takes encrypted connections, and with one that has no encryption.
#[test]
fn encryption_as_libpq_means_it() {
    let port = free_port();
    let tcp = |port: u16| vec!["listen_addresses=127.0.0.1".to_string(), format!("port={port}")];
    let pg = Postgres::start_with(|dir| {
        certificates(dir);
        let hba = "local all all trust\nhostssl all all 127.0.0.1/32 trust\nhostnossl all all 127.0.0.1/32 reject\n";
        std::fs::write(dir.join("data/pg_hba.conf"), hba).unwrap();
        let file = |name: &str| dir.join(name).display().to_string();
        let ssl = [format!("ssl_cert_file={}", file("server.crt")), format!("ssl_key_file={}", file("server.key"))];
        [tcp(port), vec!["ssl=on".into()], ssl.to_vec()].concat()
    });
    let root = |name: &str| format!("&sslrootcert={}", pg.dir().join(name).display());
    let (ca, other) = (root("ca.crt"), root("other.crt"));
    let cases: [(&str, &str, &str, Result<(), &str>); 12] = [
        ("127.0.0.1", "disable", "", Err("pg_hba.conf")),
        ("127.0.0.1", "allow", "", Ok(())),
        ("127.0.0.1", "prefer", "", Ok(())),
        ("127.0.0.1", "require", "", Ok(())),
        ("127.0.0.1", "require", &other, Err("UnknownIssuer")),
        ("127.0.0.1", "verify-ca", "", Err("sslrootcert")),
        ("127.0.0.1", "verify-ca", &other, Err("UnknownIssuer")),
        ("127.0.0.1", "verify-ca", &ca, Ok(())),
        ("localhost", "verify-ca", &ca, Ok(())),
        ("127.0.0.1", "verify-full", &ca, Ok(())),
        ("localhost", "verify-full", &ca, Err("not valid for name")),
        ("127.0.0.1", "verify-full", &root("none.crt"), Err("none.crt")),
    ];
    for (host, mode, more, expected) in cases {
        let url = format!("postgres://assay@{host}:{port}/postgres?sslmode={mode}{more}");
        match (init(&url, "x", &Roles::default()), expected) {
            (Ok(_), Ok(())) => {}
            (Err(e), Err(words)) if e.to_string().contains(words) => {}
            (got, expected) => panic!("{url}: {got:?}, not {expected:?}"),
        }
    }
    let other = free_port();
    let plain = Postgres::start_with(|_| tcp(other));
    for (mode, works) in [("disable", true), ("allow", true), ("prefer", true), ("require", false)] {
        let url = format!("postgres://assay@127.0.0.1:{other}/postgres?sslmode={mode}");
        assert_eq!(init(&url, "x", &Roles::default()).is_ok(), works, "{mode}");
    }
    // A socket is not encrypted, and libpq ignores what is said of it.
    init(&format!("{}&port={other}&sslmode=require", plain.url()), "x", &Roles::default()).unwrap();
}
