//! The tables compiled in.

use std::sync::LazyLock;

use super::{Table, TableKind};

/// Name and text of a table of `sources/`.
macro_rules! table {
    ($name:literal) => {
        ($name, include_str!(concat!("../../../../sources/", $name, ".toml")))
    };
}

/// One line each, in alphabetical order.
const BUILTIN: &[(&str, &str)] =
    &[table!("newrelic"), table!("pingdom"), table!("site24x7"), table!("uptimerobot")];

/// The built-in table kinds.
pub(in crate::ingest::kinds) fn builtin() -> &'static [TableKind] {
    static KINDS: LazyLock<Vec<TableKind>> = LazyLock::new(|| {
        let parse = |(name, source): &(&str, &str)| {
            TableKind(Table::parse(source, name).expect("built-in tables are tested"))
        };
        BUILTIN.iter().map(parse).collect()
    });
    &KINDS
}
