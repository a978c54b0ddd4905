//! The one integration-test binary: the program as a user runs it, real git, real PostgreSQL, real
//! Optuna. Each linked test binary costs a link of polars, so there is only one.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod account;
mod ages;
mod attacks;
mod begin;
mod clones;
mod database;
mod deploy;
mod desk;
mod docs;
mod extend;
mod faults;
mod gate;
mod golden;
mod golden_orders;
mod guide;
mod help;
mod import;
mod judge;
mod kernels;
mod keys;
mod kills;
mod language;
mod ledger;
mod live;
mod memory;
mod mirror;
mod newcomer;
mod notify;
mod optuna;
mod outputs;
mod pages;
mod peers;
mod place;
mod pushes;
mod readonly;
mod reproduction;
mod rules;
mod schemas;
mod seeds;
mod sources;
mod stop;
mod study;
mod three;
mod tidy;
mod trust;
mod unreachable;
mod upgrade;
mod vault;
mod vectors;
mod watch;
mod whole_way;
mod witness;
mod wrong_input;
