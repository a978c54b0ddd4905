//! Golden bytes and refusals.

use super::*;
use crate::event::codec::Real;

#[allow(clippy::too_many_lines, reason = "one sample of every kind")]
pub(crate) fn samples() -> Vec<Event> {
    let fold = Fold { in_sample: Some(Real(1.5)), out_of_sample: None, is_trades: 12, oos_trades: 0 };
    let params = vec![("fast".into(), ParamValue::Int(5)), ("stop".into(), ParamValue::Float(Real(0.05)))];
    let params_v2 = vec![
        ("fast".into(), ParamV2::Int(-5)),
        ("stop".into(), ParamV2::Float(Real(0.05))),
        ("on".into(), ParamV2::Truth(true)),
        ("kind".into(), ParamV2::Text("ema".into())),
    ];
    let fold_v2 = FoldV2 {
        in_sample: vec![Some(Real(1.5)), None],
        out_of_sample: vec![None, Some(Real(2.0))],
        is_trades: 12,
        oos_trades: 0,
    };
    let block = BlockV2 {
        bars: 100,
        active: 40,
        powers: [Real(0.1), Real(0.02), Real(-0.003), Real(0.0004)],
        lagged: Real(-0.001),
    };
    let environment = EnvironmentV1 {
        engine_version: "0.1.0".into(),
        source_commit: "c".into(),
        lock_hash: "l".into(),
        rustc: "r".into(),
        target: "t".into(),
        talib_version: "0.8.3".into(),
    };
    let (study_id, h) = ([1; 16], [2; 32]);
    let consents = vec![Consent { key: [5; 32], signature: [6; 64] }];
    vec![
        LabCreated { lab: "lab".into(), founder: "ana".into(), key: h, log_key: h, engine_version: "0.1.0".into() }
            .into(),
        KeyAdded { person: "ben".into(), roles: vec!["reviewer".into()], key: h }.into(),
        KeyRevoked { key: h, reason: "lost".into() }.into(),
        KeyRotated { old: h, new: [3; 32], proof: [4; 64] }.into(),
        RulebookRegistered { hash: h, name: "n".into(), source: "s".into() }.into(),
        SnapshotRegistered {
            data_hash: h,
            file_sha256: h,
            symbols: vec!["BTCUSDT".into()],
            interval_ms: 3_600_000,
            first_ms: 0,
            last_ms: 1,
            bars: 2,
            generated: true,
            source: "s".into(),
            treatments: vec![],
            findings: 3,
        }
        .into(),
        SnapshotRegisteredV2 {
            data_hash: h,
            file_sha256: h,
            rulebook_hash: [3; 32],
            symbols: vec!["BTCUSDT".into()],
            interval_ms: 3_600_000,
            first_ms: 0,
            last_ms: 1,
            bars: 2,
            generated: true,
            source: "s".into(),
            treatments: vec!["gap=hold".into()],
            assumptions: vec!["fees".into()],
            findings: 3,
            files: 2,
            vendor_checked: 1,
            files_sha256: [4; 32],
        }
        .into(),
        StrategyRegistered { name: "trend".into(), hash: h, canonical: "text".into() }.into(),
        StudyOpened {
            study_id,
            name: "s".into(),
            strategy: "trend".into(),
            strategy_hash: h,
            data_hash: h,
            rulebook_hash: h,
            settings: "{}".into(),
            environment,
            generated: false,
        }
        .into(),
        TrialCompleted {
            study_id,
            number: 7,
            params: params.clone(),
            identity: h,
            score: Real(-0.5),
            constraints: vec![Real(0.0)],
            folds: vec![fold.clone()],
            metrics: vec![("sharpe".into(), Real(1.0))],
            blocks: vec![(Real(0.1), Real(0.02))],
            stream_hash: h,
        }
        .into(),
        TrialPruned {
            study_id,
            number: 8,
            params: params.clone(),
            identity: h,
            folds: vec![fold.clone()],
            reason: "r".into(),
        }
        .into(),
        TrialFailed { study_id, number: 9, params, identity: h, reason: "r".into() }.into(),
        StudyClosed { study_id, trials: 10, best: Some(7), statistics: vec![("dsr".into(), Real(0.9))] }.into(),
        WalkForwardCompleted { study_id, number: 7, folds: vec![fold], metrics: vec![], stream_hash: h }.into(),
        ParityVerified { study_id, number: 7, data_hash: h, bars: 100, research_stream: h, production_stream: h }
            .into(),
        PromotionProposed {
            strategy: "trend".into(),
            version: 1,
            core_sha256: h,
            replaces_sha256: h,
            study_id,
            number: 7,
        }
        .into(),
        RollbackProposed {
            strategy: "trend".into(),
            version: 2,
            core_sha256: h,
            replaces_sha256: h,
            restores_version: 1,
            reason: "r".into(),
        }
        .into(),
        ApprovalRecorded { strategy: "trend".into(), version: 1, config_sha256: h, person: "ben".into(), key: h }
            .into(),
        PromotionDeployed {
            strategy: "trend".into(),
            version: 1,
            config_sha256: h,
            commit: "c".into(),
            policy_sha256: h,
        }
        .into(),
        DriftDetected { strategy: "trend".into(), detail: "d".into(), at_ms: 5 }.into(),
        DriftHealed { strategy: "trend".into(), version: 1, at_ms: 5 }.into(),
        HaltSaid {
            strategy: "trend".into(),
            word: "halt".into(),
            at_us: 5,
            person: "ben".into(),
            statement: "s".into(),
            signature: String::new(),
        }
        .into(),
        KeyThresholdSet { admins: 2 }.into(),
        KeyAddedV2 { person: "ben".into(), roles: vec!["admin".into()], key: h, consents: consents.clone() }.into(),
        KeyRevokedV2 { key: h, reason: "lost".into(), consents: consents.clone() }.into(),
        KeyRotatedV2 { old: h, new: [3; 32], proof: [4; 64], consents }.into(),
        LogFollowed { origin: "o.example/old".into(), log_key: h, size: 300, root: h }.into(),
        PayloadErased { entry: 3, digest: h, reason: "contract ended".into() }.into(),
        StudyOpenedV2 {
            study_id,
            name: "s".into(),
            strategy: "trend".into(),
            strategy_hash: h,
            data_hash: h,
            rulebook_hash: h,
            text: "format = 2".into(),
            environment: EnvironmentV2 {
                engine_version: "0.2.0".into(),
                source_commit: "c".into(),
                lock_hash: "l".into(),
                rustc: "r".into(),
                target: "t".into(),
                talib_version: "0.8.3".into(),
                results: 2,
            },
            generated: false,
            seed: SeedGrade::Witnessed,
        }
        .into(),
        TrialCompletedV2 {
            study_id,
            number: 7,
            params: params_v2.clone(),
            identity: h,
            scores: vec![Real(-0.5), Real(2.0)],
            constraints: vec![Real(0.0)],
            folds: vec![fold_v2.clone()],
            metrics: vec![(MetricCode(15), Real(1.0))],
            blocks: vec![block.clone()],
            stream_hash: h,
        }
        .into(),
        TrialPrunedV2 {
            study_id,
            number: 8,
            params: params_v2.clone(),
            identity: h,
            folds: vec![fold_v2.clone()],
            blocks: vec![block.clone()],
            reason: "r".into(),
        }
        .into(),
        StudySeeded {
            study_id: [3; 16],
            witness: "w.example/a+b1bc5f73+BAECAwQ=".into(),
            note: "assay/study-seed/v1\nl.example/x\nAQID\n\n— w.example/a AQIDBA==\n".into(),
        }
        .into(),
        StudyExtended { study_id, round: 1, trials: 50, points: vec![params_v2.clone()] }.into(),
        StudyClosedV2 { study_id, round: 1, trials: 60, best: Some(55), statistics: vec![("dsr".into(), Real(0.9))] }
            .into(),
        TrialsDeclared {
            symbols: vec!["BTCUSDT".into()],
            first_ms: 8,
            last_ms: 9,
            trials: 1000,
            source: "Optuna".into(),
            file_sha256: h,
        }
        .into(),
        VaultOpened {
            study_id,
            number: 7,
            first_ms: 8,
            last_ms: 9,
            bars: 16,
            metrics: vec![(MetricCode(1), Real(0.5))],
            blocks: vec![block.clone()],
            stream_hash: h,
        }
        .into(),
        ForwardRunCompleted {
            study_id,
            number: 7,
            data_hash: h,
            rulebook_hash: h,
            environment: EnvironmentV2 {
                engine_version: "0.3.0".into(),
                source_commit: "c".into(),
                lock_hash: "l".into(),
                rustc: "r".into(),
                target: "t".into(),
                talib_version: "0.8.3".into(),
                results: 3,
            },
            first_ms: 8,
            last_ms: 9,
            bars: 16,
            metrics: vec![(MetricCode(1), Real(0.5))],
            blocks: vec![block.clone()],
            stream_hash: h,
        }
        .into(),
        PrunedTrialFinished {
            study_id,
            number: 8,
            identity: h,
            folds: vec![fold_v2.clone()],
            blocks: vec![block],
            stream_hash: h,
            reason: Some("r".into()),
        }
        .into(),
        TrialFailedV2 { study_id, number: 9, params: params_v2, identity: h, folds: vec![fold_v2], reason: "r".into() }
            .into(),
    ]
}

/// L-20: golden bytes of every event version ever written.
#[test]
fn l20_golden_bytes() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/event/golden.txt");
    let lines: Vec<String> = samples()
        .iter()
        .map(|e| format!("{} {} {}", e.kind(), e.version(), assay_ledger::format::hash::hex(&e.encode().unwrap())))
        .collect();
    if std::env::var_os("ASSAY_BLESS").is_some() {
        std::fs::write(path, lines.join("\n") + "\n").unwrap();
    }
    assert_eq!(std::fs::read_to_string(path).unwrap().lines().collect::<Vec<_>>(), lines);
}

/// L-18, L-19, L-20: only canonical bytes, no NaN, unknown kinds stop the replay.
#[test]
fn l18_l19_l20_refusals() {
    for e in samples() {
        let bytes = e.encode().unwrap();
        assert_eq!(Event::decode(e.kind(), e.version(), &bytes).unwrap(), e);
        let longer = [&bytes[..], &[0]].concat();
        assert!(Event::decode(e.kind(), e.version(), &longer).is_err());
        assert!(Event::decode(e.kind(), e.version(), &bytes[..bytes.len() - 1]).is_err());
        assert!(matches!(Event::decode(e.kind(), 99, &bytes), Err(EventError::Unsupported { version: 99, .. })));
    }
    let of = |x: f64| {
        let statistics = vec![("x".into(), Real(x))];
        Event::from(StudyClosed { study_id: [0; 16], trials: 1, best: None, statistics })
    };
    for x in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert!(of(x).encode().is_err(), "{x}");
        // Nor may it stand in bytes that somebody else wrote: the number is the last field.
        let mut bytes = of(1.0).encode().unwrap();
        let at = bytes.len() - 8;
        bytes[at..].copy_from_slice(&x.to_bits().to_be_bytes());
        assert!(Event::decode("StudyClosed", 1, &bytes).is_err(), "{x}");
    }
    let zero = of(0.0).encode().unwrap();
    assert_eq!(of(-0.0).encode().unwrap(), zero, "minus zero is written as zero");
    let mut minus = zero.clone();
    let at = minus.len() - 8;
    minus[at] = 0x80;
    assert!(Event::decode("StudyClosed", 1, &minus).is_err(), "and read as nothing");
    // 251 as a three-byte varint: the same number in a longer spelling.
    assert!(Event::decode("KeyRevoked", 1, &[&[0; 32][..], &[251, 0, 1], b"a"].concat()).is_err());
}

/// L-20, L-21: a later release with a second version of a kind reads both; this one verifies the
/// second as opaque bytes and stops at it.
#[test]
fn l20_l21_a_second_version_beside_the_first() {
    mod later {
        use super::super::codec::{self, Decode, Encode};
        use super::super::{EventError, KeyRevoked, malformed};

        /// A later version of the kind, with one field more.
        #[derive(Debug, Clone, PartialEq, Encode, Decode, serde::Serialize)]
        pub struct KeyRevokedV3 {
            pub key: [u8; 32],
            pub reason: String,
            pub by_ticket: u64,
        }

        events! {
            KeyRevoked = "KeyRevoked" 1,
            KeyRevokedV3 = "KeyRevoked" 3,
        }
    }
    let old = KeyRevoked { key: [2; 32], reason: "lost".into() };
    let bytes = Event::from(old.clone()).encode().unwrap();
    assert_eq!(later::Event::decode("KeyRevoked", 1, &bytes).unwrap(), later::Event::KeyRevoked(old));
    let new = later::KeyRevokedV3 { key: [2; 32], reason: "lost".into(), by_ticket: 7 };
    let event = later::Event::from(new);
    assert_eq!((event.kind(), event.version()), ("KeyRevoked", 3));
    assert_eq!(event.to_json()["by_ticket"], 7);
    assert_eq!(later::Event::KINDS, ["KeyRevoked", "KeyRevoked"]);
    let bytes = event.encode().unwrap();
    assert_eq!(later::Event::decode("KeyRevoked", 3, &bytes).unwrap(), event);
    assert!(matches!(Event::decode("KeyRevoked", 3, &bytes), Err(EventError::Unsupported { version: 3, .. })));
}

proptest::proptest! {
    #[test]
    fn l34_junk_never_panics(junk: Vec<u8>, which in 0usize..20) {
        let all = samples();
        let _ = Event::decode(all[which].kind(), 1, &junk);
    }
}
