//! Downloads from a server on loopback that behaves as the archive does: it lists by pages, has a listing and
//! a delisting, gives parts, breaks off, is busy, replaces files, and gives what does not fit its checksum.

use super::*;
use crate::data::layout::{Holds, classify};
use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What the server does wrong with a path, and how often.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    /// Sends so many bytes and hangs up.
    Break(usize),
    /// Answers 503, come back at once.
    Busy,
    /// Hangs up without an answer.
    Silent,
    /// Sends a byte at first and nothing more for a while, then hangs up.
    Stall,
    /// Answers 404 though it is listed.
    Gone,
    /// Gives other bytes than the checksum says.
    Spoiled,
}

#[derive(Default)]
struct State {
    files: HashMap<String, Vec<u8>>,
    lists: bool,
    faults: HashMap<String, (Fault, usize)>,
    asked: Vec<String>,
    at_once: usize,
    most: usize,
}

struct Server {
    state: Arc<Mutex<State>>,
    source: Source,
}

const PAGE: usize = 7;

fn listing(state: &State, query: &str) -> String {
    let decoded = query.replace("%2F", "/").replace('+', " ");
    let get = |name: &str| {
        decoded.split('&').find_map(|p| p.strip_prefix(name)?.strip_prefix('=')).unwrap_or_default().to_string()
    };
    let (prefix, marker) = (get("prefix"), get("marker"));
    let mut keys: Vec<&String> = state
        .files
        .keys()
        .filter(|k| k.starts_with(&prefix) && **k > marker && !k[prefix.len()..].contains('/'))
        .collect();
    keys.sort();
    let more = keys.len() > PAGE;
    keys.truncate(PAGE);
    let next = keys.last().filter(|_| more).map(|k| format!("<NextMarker>{k}</NextMarker>")).unwrap_or_default();
    let keys: String = keys.iter().map(|k| format!("<Contents><Key>{k}</Key><Size>1</Size></Contents>")).collect();
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
         <Name>x</Name><Prefix>{prefix}</Prefix>{next}<IsTruncated>{more}</IsTruncated>{keys}</ListBucketResult>"
    )
}

fn respond(state: &Mutex<State>, mut stream: TcpStream, question: Asked<'_>) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    let asked = lines.next().and_then(Result::ok).unwrap_or_default();
    let head: Vec<String> = lines.map_while(Result::ok).take_while(|l| !l.is_empty()).collect();
    let path = asked.split(' ').nth(1).unwrap_or("/").trim_start_matches('/').to_string();
    let range = head.iter().find_map(|l| l.to_lowercase().strip_prefix("range: bytes=").map(str::to_string));
    let from: usize = range.and_then(|r| r.trim_end_matches('-').parse().ok()).unwrap_or(0);
    let mut now = state.lock().unwrap();
    now.asked.push(path.clone());
    let fault = match now.faults.get_mut(&path) {
        Some((fault, left @ 1..)) => {
            *left -= 1;
            Some(*fault)
        }
        _ => None,
    };
    let file = |now: &State, name: &str| now.files.get(name).cloned();
    let (mut status, mut bytes) = match path.split_once('?') {
        Some((_, query)) if now.lists => ("200 OK", listing(&now, query).into_bytes()),
        Some(_) => ("404 Not Found", b"<html>no".to_vec()),
        None => match path.strip_suffix(".CHECKSUM") {
            Some(name) => match file(&now, name) {
                Some(bytes) => ("200 OK", format!("{}  {name}\n", Hash::of(&bytes)).into_bytes()),
                None => ("404 Not Found", Vec::new()),
            },
            None => match file(&now, &path) {
                None => ("404 Not Found", Vec::new()),
                Some(bytes) if from >= bytes.len() => ("416 Range Not Satisfiable", Vec::new()),
                Some(bytes) if from > 0 => ("206 Partial Content", bytes[from..].to_vec()),
                Some(bytes) => ("200 OK", bytes),
            },
        },
    };
    drop(now);
    let (mut extra, length) = ("", bytes.len());
    match fault {
        Some(Fault::Silent) => return,
        Some(Fault::Gone) => (status, bytes) = ("404 Not Found", Vec::new()),
        Some(Fault::Busy) => (status, extra, bytes) = ("503 Slow Down", "Retry-After: 0\r\n", Vec::new()),
        Some(Fault::Break(at)) => bytes.truncate(at),
        Some(Fault::Stall) => {
            let head = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n");
            let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&bytes[..1]));
            std::thread::sleep(Duration::from_secs(3));
            return;
        }
        Some(Fault::Spoiled) => bytes.iter_mut().for_each(|b| *b ^= 1),
        None => {}
    }
    let length = if matches!(fault, Some(Fault::Busy | Fault::Gone)) { 0 } else { length };
    let head = format!("HTTP/1.1 {status}\r\n{extra}Content-Length: {length}\r\nConnection: close\r\n\r\n");
    // Who has the answer may ask for the next file before this thread goes on.
    drop(question);
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&bytes));
}

/// A question that is not answered yet.
struct Asked<'a>(&'a Mutex<State>);

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        self.0.lock().unwrap().at_once -= 1;
    }
}

impl Server {
    fn start(lists: bool) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State { lists, ..State::default() }));
        let shared = state.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = shared.clone();
                std::thread::spawn(move || {
                    let mut now = shared.lock().unwrap();
                    now.at_once += 1;
                    now.most = now.most.max(now.at_once);
                    drop(now);
                    respond(&shared, stream, Asked(&shared));
                });
            }
        });
        let pause = Duration::from_millis(1);
        Server {
            state,
            source: Source {
                listing: base.clone(),
                base,
                connect: Duration::from_secs(5),
                pause,
                body: Duration::from_secs(30),
                attempts: 5,
            },
        }
    }

    /// Files of a symbol: months from a listing on, days of the last month.
    fn has(&self, symbol: &str, months: &[&str], days: &[&str]) -> Vec<String> {
        let mut out = Vec::new();
        for s in Series::of(&[symbol.into()], "1h") {
            out.extend(months.iter().map(|m| s.file(m)));
            out.extend(days.iter().filter(|_| s.has_days()).map(|d| s.file(d)));
        }
        let mut state = self.state.lock().unwrap();
        for path in &out {
            state.files.insert(path.clone(), path.repeat(50).into_bytes());
            state.files.insert(format!("{path}.CHECKSUM"), Vec::new());
        }
        out
    }

    fn fault(&self, path: &str, fault: Fault, times: usize) {
        self.state.lock().unwrap().faults.insert(path.into(), (fault, times));
    }

    fn fetch(&self, symbols: &[&str], span: (&str, &str), dir: &Path) -> Result<Fetched, DataError> {
        let symbols: Vec<String> = symbols.iter().map(|s| (*s).to_string()).collect();
        let (series, months) = (Series::of(&symbols, "1h"), months(span.0, span.1).unwrap());
        fetch(&self.source, &series, &months, dir, (4, false), &|_, _, _| (), &|| false)
    }

    fn whole(&self, path: &str, dir: &Path) -> bool {
        std::fs::read(dir.join(path)).ok().as_ref() == self.state.lock().unwrap().files.get(path)
    }
}

/// What is listed is had, whole, a few at a time, and can be imported; what is not there is said by rows; a
/// second time nothing is asked for but the listing.
#[test]
fn what_is_listed_is_had() {
    for lists in [true, false] {
        let (server, dir) = (Server::start(lists), tempfile::tempdir().unwrap());
        let young = ["2023-03", "2023-04", "2023-05", "2023-06", "2023-07", "2023-08", "2023-09", "2023-10"];
        let mut files = server.has("AUSDT", &young, &["2023-11-01", "2023-11-02"]);
        files.extend(server.has("BUSDT", &["2022-12", "2023-01", "2023-03"], &[]));
        let done = server.fetch(&["AUSDT", "BUSDT"], ("2022-12", "2023-11"), dir.path()).unwrap();
        if !lists {
            files.retain(|f| !f.contains("2023-11-0"));
        }
        assert_eq!((done.there, done.kept, done.listed), (files.len(), 0, lists));
        for path in &files {
            assert!(server.whole(path, dir.path()), "{path}");
            assert!(classify(Path::new(""), Path::new(path)).is_ok(), "{path} can be imported");
        }
        let told: Vec<String> = done.absent.iter().map(Absent::to_string).collect();
        let said = |words: &str| assert!(told.iter().any(|t| t.contains(words)), "{words}: {told:?}");
        said("AUSDT klines: nothing of 2022-12 to 2023-02, before its first file, of 2023-03");
        said("BUSDT fundingRate: nothing of 2023-02, though there are files before and after");
        said("BUSDT markPriceKlines: nothing of 2023-04 to 2023-11, after its last file, of 2023-03");
        let mut state = server.state.lock().unwrap();
        assert!((1..=4).contains(&state.most), "{} at once", state.most);
        let of_files = |state: &State| state.asked.iter().filter(|p| p.ends_with(".zip") && !p.contains('?')).count();
        let (before, absent) = (of_files(&state), 3 * 12 * 2 - files.len());
        assert_eq!(before, files.len() + if lists { 0 } else { absent });
        state.asked.clear();
        drop(state);
        let again = server.fetch(&["AUSDT", "BUSDT"], ("2022-12", "2023-11"), dir.path()).unwrap();
        assert_eq!((again.there, again.kept), (files.len(), files.len()));
        assert_eq!(of_files(&server.state.lock().unwrap()), if lists { 0 } else { absent });
    }
}

/// Whatever a network or a busy server does for a while: the files are had, whole.
#[test]
fn faults_that_pass() {
    let (server, dir) = (Server::start(true), tempfile::tempdir().unwrap());
    let files = server.has("AUSDT", &["2023-01", "2023-02"], &[]);
    let size = server.state.lock().unwrap().files[&files[0]].len();
    let faults =
        [Fault::Break(0), Fault::Break(1), Fault::Break(size - 1), Fault::Busy, Fault::Silent, Fault::Break(100)];
    for (path, fault) in files.iter().zip(faults) {
        server.fault(path, fault, 3);
        server.fault(&format!("{path}.CHECKSUM"), fault, if matches!(fault, Fault::Break(_)) { 0 } else { 1 });
    }
    let folder = Series::of(&["AUSDT".into()], "1h")[0].folder("monthly").replace('/', "%2F");
    server.fault(&format!("?delimiter=%2F&prefix={folder}&marker="), Fault::Busy, 2);
    let done = server.fetch(&["AUSDT"], ("2023-01", "2023-02"), dir.path()).unwrap();
    assert_eq!(done.there, files.len());
    assert!(files.iter().all(|path| server.whole(path, dir.path())));
    // Nothing stays of the way there.
    let parts = |p: &String| dir.path().join(p).with_extension("part").exists();
    assert!(!files.iter().any(parts));
}

/// A file that is listed and not there is no month without data.
#[test]
fn listed_and_not_there() {
    let (server, dir) = (Server::start(true), tempfile::tempdir().unwrap());
    let files = server.has("AUSDT", &["2023-01", "2023-02"], &[]);
    server.fault(&files[0], Fault::Gone, 1000);
    let told = server.fetch(&["AUSDT"], ("2023-01", "2023-02"), dir.path()).unwrap_err().to_string();
    assert!(told.contains(&files[0]) && told.contains("lists it, and does not have it"), "{told}");
}

/// A server that falls silent in the middle is left and asked again; pipes and folders are said.
#[test]
fn silence_and_pipes() {
    let (mut server, dir) = (Server::start(true), tempfile::tempdir().unwrap());
    server.source.body = Duration::from_millis(200);
    let files = server.has("AUSDT", &["2023-01"], &[]);
    server.fault(&files[0], Fault::Stall, 2);
    assert_eq!(server.fetch(&["AUSDT"], ("2023-01", "2023-01"), dir.path()).unwrap().there, files.len());
    assert!(server.whole(&files[0], dir.path()));
    let target = dir.path().join(&files[0]);
    for place in [target.clone(), target.with_extension("part")] {
        let _ = std::fs::remove_file(&target);
        std::process::Command::new("mkfifo").arg(&place).status().unwrap();
        let told = server.fetch(&["AUSDT"], ("2023-01", "2023-01"), dir.path()).unwrap_err().to_string();
        assert!(told.contains("is no file; remove it"), "{told}");
        std::fs::remove_file(&place).unwrap();
    }
}

/// What does not pass is an error that names the file; all others are had.
#[test]
fn faults_that_stay() {
    for fault in [Fault::Busy, Fault::Silent, Fault::Spoiled] {
        let (server, dir) = (Server::start(true), tempfile::tempdir().unwrap());
        let files = server.has("AUSDT", &["2023-01", "2023-02"], &[]);
        server.fault(&files[1], fault, 1000);
        let error = server.fetch(&["AUSDT"], ("2023-01", "2023-02"), dir.path()).unwrap_err().to_string();
        assert!(error.contains(&files[1]), "{error}");
        for (i, path) in files.iter().enumerate() {
            assert_eq!(dir.path().join(path).exists(), i != 1, "{fault:?} {path}");
        }
        server.fault(&files[1], fault, 0);
        let done = server.fetch(&["AUSDT"], ("2023-01", "2023-02"), dir.path()).unwrap();
        assert_eq!((done.there, done.kept), (files.len(), files.len() - 1));
    }
    let nobody = Source {
        base: "http://127.0.0.1:9".into(),
        listing: "http://127.0.0.1:9".into(),
        connect: Duration::from_secs(1),
        pause: Duration::from_millis(1),
        body: Duration::from_secs(5),
        attempts: 3,
    };
    let dir = tempfile::tempdir().unwrap();
    let series = Series::of(&["AUSDT".into()], "1h");
    assert!(fetch(&nobody, &series, &["2023-01".into()], dir.path(), (4, false), &|_, _, _| (), &|| false).is_err());
}

/// Cut off at any byte, a download goes on from there; a beginning of another version is thrown away; what was
/// damaged since is had again; links lead nowhere; one download at a time in a folder.
#[test]
fn it_goes_on_and_follows_no_link() {
    let (server, dir) = (Server::start(true), tempfile::tempdir().unwrap());
    let files = server.has("AUSDT", &["2023-01"], &[]);
    let (path, target) = (&files[0], dir.path().join(&files[0]));
    let get = || server.fetch(&["AUSDT"], ("2023-01", "2023-01"), dir.path());
    get().unwrap();
    let body = server.state.lock().unwrap().files[path].clone();
    for have in [1, body.len() / 2, body.len()] {
        std::fs::remove_file(&target).unwrap();
        std::fs::write(target.with_extension("part"), &body[..have]).unwrap();
        server.state.lock().unwrap().asked.clear();
        get().unwrap();
        assert!(server.whole(path, dir.path()), "after {have} bytes");
    }
    std::fs::remove_file(&target).unwrap();
    std::fs::write(target.with_extension("part"), "what the source had last year").unwrap();
    get().unwrap();
    assert!(server.whole(path, dir.path()));
    std::fs::write(&target, "damaged").unwrap();
    assert_eq!(get().unwrap().kept, files.len() - 1);
    assert!(server.whole(path, dir.path()));
    // What has no checksum is asked about; what the source replaced is had again when that is asked.
    std::fs::remove_file(checksum_path(&target)).unwrap();
    assert_eq!(get().unwrap().kept, files.len());
    std::fs::remove_file(checksum_path(&target)).unwrap();
    std::fs::write(&target, "cut").unwrap();
    assert_eq!(get().unwrap().kept, files.len() - 1);
    server.state.lock().unwrap().files.insert(path.clone(), b"another version".to_vec());
    assert_eq!(get().unwrap().kept, files.len());
    let series = Series::of(&["AUSDT".into()], "1h");
    let again =
        fetch(&server.source, &series, &["2023-01".into()], dir.path(), (4, true), &|_, _, _| (), &|| false).unwrap();
    assert_eq!(again.kept, files.len() - 1);
    assert!(server.whole(path, dir.path()));
    let held = RealDisk.lock_folder(dir.path(), Duration::ZERO).unwrap();
    assert!(get().unwrap_err().to_string().contains("is at work"));
    drop(held);
    std::fs::remove_file(&target).unwrap();
    std::fs::write(dir.path().join("precious"), "mine").unwrap();
    std::os::unix::fs::symlink(dir.path().join("precious"), target.with_extension("part")).unwrap();
    assert!(get().unwrap_err().to_string().contains("is a link"));
    assert_eq!(std::fs::read(dir.path().join("precious")).unwrap(), b"mine");
}

/// Letters beyond ASCII are asked for as the archive wants them, and whoever stops it is obeyed at once.
#[test]
fn odd_names_and_a_stop() {
    let (server, dir) = (Server::start(true), tempfile::tempdir().unwrap());
    assert!(server.fetch(&["币安人生USDT"], ("2023-01", "2023-01"), dir.path()).unwrap().absent.len() == 3);
    let asked = server.state.lock().unwrap().asked.join(" ");
    assert!(asked.contains("%E5%B8%81%E5%AE%89") && asked.is_ascii(), "{asked}");
    let held: Vec<Holds> = Series::of(&["AUSDT".into()], "4h")
        .iter()
        .filter_map(|s| classify(Path::new(""), Path::new(&s.file("2024-01"))).ok())
        .map(|f| f.holds)
        .collect();
    assert_eq!(held, [Holds::Klines, Holds::MarkKlines, Holds::Funding], "what is downloaded can be imported");
    let files = server.has("AUSDT", &["2023-01"], &[]);
    server.fault(&files[0], Fault::Busy, 1000);
    let (series, stop) = (Series::of(&["AUSDT".into()], "1h"), std::sync::atomic::AtomicBool::new(false));
    let waiting = Source { pause: Duration::from_secs(600), ..server.source.clone() };
    let progress = |done: usize, _, _: &str| stop.store(done > 0, Ordering::Relaxed);
    let done = fetch(&waiting, &series, &["2023-01".into()], dir.path(), (2, false), &progress, &|| {
        stop.load(Ordering::Relaxed)
    });
    assert!(done.unwrap().there < files.len());
}
