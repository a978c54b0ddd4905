//! Expressions of a strategy: an answer for every text, in time and memory that its length bounds.

#![no_main]

use assay_shared::strategy::Strategy;
use assay_shared::strategy::space::defaults;

libfuzzer_sys::fuzz_target!(|data: &str| {
    let mut lines = data.splitn(3, '\n').map(|l| l.replace(['"', '\\'], ""));
    let (a, b, entry) = (lines.next(), lines.next(), lines.next());
    let text = format!(
        "name = \"x\"\ndescription = \"\"\ninterval = \"1h\"\nsymbols = [\"AUSDT\", \"BUSDT\"]\n[parameters]\n\
         n = {{ type = \"int\", low = 1, high = 50, default = 5 }}\n[indicators]\na = \"{}\"\nb = \"{}\"\n[signals]\n\
         long_entry = \"{}\"\n[sizing]\nmargin_fraction = 0.1\nleverage = 2\n[risk]\nmargin_mode = \"cross\"\n\
         max_concurrent_positions = 1\n",
        a.unwrap_or_default(),
        b.unwrap_or_default(),
        entry.unwrap_or_default()
    );
    if let Ok(s) = Strategy::parse(&text) {
        let params = defaults(&s.file.parameters);
        assert_eq!(s.allows(&params), s.bind(&params).is_ok_and(|b| b.violated.is_none()));
    }
});
