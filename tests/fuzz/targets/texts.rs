//! Texts that are hashed or signed: refused or read, never a panic; a canonical text is itself.

#![no_main]

use assay_shared::format::config::LiveConfig;
use assay_shared::policy::Policy;
use assay_shared::rulebook::Rulebook;
use assay_shared::strategy::Strategy;
use assay_shared::study::Study;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Ok(config) = LiveConfig::parse(data) {
        assert_eq!(config.text().as_bytes(), data);
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(s) = Strategy::parse(text) {
        assert_eq!(Strategy::recorded(s.canonical()).unwrap().hash(), s.hash());
    }
    if let Ok(s) = Strategy::recorded(text) {
        assert_eq!(s.canonical(), text);
    }
    if let Ok(s) = Study::parse(text) {
        assert_eq!(Study::recorded(&s.text()).unwrap().text(), s.text());
    }
    if let Ok(p) = Policy::parse(text) {
        Policy::parse(&p.text()).unwrap();
    }
    if let Ok(book) = Rulebook::parse(text) {
        assert_eq!(Rulebook::parse(&book.text()).unwrap().hash(), book.hash());
    }
});
