//! The house: walls between crates, one room for each outside crate, no circles, lengths, tests
//! beside the code, and maps that are not allowed to rot.

mod circles;
mod maps;
mod rooms;
mod source;

use source::{all, code, files, is_test, product, test_lines};

#[test]
fn no_file_is_over_400_lines_and_each_says_what_it_is_for() {
    for (name, text) in all() {
        let lines = text.lines().count();
        assert!(lines <= 400, "{name} has {lines} lines");
        assert!(text.starts_with("//!"), "{name} does not begin with what it is for");
        assert!(name.starts_with("tests/tidy") || !code(&text).contains("todo!("), "{name}");
    }
}

/// Errors are types: nothing public fails with a mere string.
#[test]
fn errors_are_types() {
    for (name, text) in files("ledger/src").into_iter().chain(files("src")).filter(|(n, _)| !is_test(n)) {
        for line in product(&text).lines().map(str::trim_start).filter(|l| l.starts_with("pub fn")) {
            assert!(!line.contains("Result<") || !line.ends_with(", String> {"), "{name}: {line}");
        }
    }
}

/// Test code is at least half as long as code in each of the crates that decide something, the
/// integration tests shared out by what they test being the lab's and the command line's.
#[test]
fn there_is_a_line_of_test_for_two_lines_of_code() {
    let lines = |code: &str| code.lines().filter(|l| !l.trim().is_empty()).count();
    let integration: usize = files("tests").iter().map(|(_, t)| lines(&code(t))).sum();
    let (mut tests, mut products) = (integration, 0);
    for folder in ["src/shared", "src/research", "src/production", "src/lab"] {
        for (name, text) in files(folder) {
            if is_test(&name) {
                tests += lines(&code(&text));
            } else {
                tests += test_lines(&text);
                products += lines(&product(&text));
            }
        }
    }
    let share = tests as f64 / products as f64;
    assert!(share >= 0.5, "test / code is {tests} / {products}");
}
