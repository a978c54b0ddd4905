//! Records what a result depends on: source commit, whether the tree was clean, compiler, target.

use std::process::Command;

fn output(program: &str, args: &[&str]) -> Option<String> {
    let out = Command::new(program).args(args).output().ok()?;
    out.status.success().then(|| String::from_utf8_lossy(&out.stdout).trim().to_string())
}

fn main() {
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".into());
    let commit = output("git", &["rev-parse", "HEAD"]).unwrap_or_else(|| "unknown".into());
    // Only what is built counts: docs, tests and configs that are not compiled in may be in work.
    let built = ["status", "--porcelain", "--", ":/src", ":/ledger/src", ":/Cargo.toml", ":/Cargo.lock", ":/configs"];
    let clean = output("git", &built).is_some_and(|changes| changes.is_empty());
    let commit = if clean || commit == "unknown" { commit } else { format!("{commit}-dirty") };
    let version = output(&rustc, &["--version"]).unwrap_or_else(|| "unknown".into());
    println!("cargo:rustc-env=ASSAY_COMMIT={commit}");
    println!("cargo:rustc-env=ASSAY_RUSTC={version}");
    println!("cargo:rustc-env=ASSAY_TARGET={}", std::env::var("TARGET").unwrap_or_default());
    let root = "../..";
    for path in
        ["Cargo.lock", "Cargo.toml", "src", "ledger/src", "configs", ".git/HEAD", ".git/refs/heads", ".git/index"]
    {
        let path = format!("{root}/{path}");
        if std::path::Path::new(&path).exists() {
            println!("cargo:rerun-if-changed={path}");
        }
    }
}
