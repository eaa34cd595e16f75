//! The kind `auto`: asks every kind whether a payload is surely its sender's, and leaves it to that one.
//!
//! A header that only one vendor sets is a surer sign than fields. Of two kinds with the same sign one wins only if it
//! says that it is the special form of the other ([`SourceKind::over`]); else the payload is refused with the names of
//! both, because a wrong guess would be noticed by nobody. What nobody knows is read by the kind `generic`.

use std::sync::Arc;

use super::table::TableKind;
use super::{Error, Normalized, Payload, Seen, Sign, SourceKind, builtin, generic, tree};

/// The kind `auto` with the user's own tables; one that is called as a built-in kind replaces it.
#[derive(Debug, Default)]
pub struct Auto {
    own: Vec<Arc<TableKind>>,
}

/// The kind `auto` of a configuration without tables of its own.
pub(super) static BUILT_IN: Auto = Auto { own: Vec::new() };

impl Auto {
    /// Its name in `kind = "auto"`.
    pub const NAME: &str = "auto";

    /// Chooses among the built-in kinds and `own`.
    pub fn new(own: Vec<Arc<TableKind>>) -> Self {
        Self { own }
    }

    fn kinds(&self) -> impl Iterator<Item = &dyn SourceKind> {
        let own = self.own.iter().map(|kind| &**kind as &dyn SourceKind);
        let is_own = |name: &str| self.own.iter().any(|kind| kind.name() == name);
        own.chain(builtin().iter().copied().filter(move |kind| !is_own(kind.name())))
    }

    /// The kind that reads `payload`.
    fn choose(&self, payload: &Payload<'_>) -> Result<&dyn SourceKind, Error> {
        let tree = tree::parse(payload)?;
        let seen = Seen { payload, tree: &tree };
        let mut surest: Option<Sign> = None;
        let mut found: Vec<&dyn SourceKind> = Vec::new();
        for kind in self.kinds().filter(|kind| kind.methods().contains(&payload.method)) {
            let sign = kind.recognizes(&seen);
            if sign.is_some() && sign > surest {
                surest = sign;
                found.clear();
            }
            if sign.is_some() && sign == surest {
                found.push(kind);
            }
        }
        let is_special =
            |one: &&dyn SourceKind| !found.iter().any(|other| other.over().contains(&one.name()));
        let special: Vec<&dyn SourceKind> = found.iter().copied().filter(is_special).collect();
        match special[..] {
            [] => Ok(&generic::Generic),
            [one] => Ok(one),
            [..] => {
                let mut candidates: Vec<String> =
                    special.iter().map(|kind| kind.name().to_owned()).collect();
                candidates.sort_unstable();
                Err(Error::Ambiguous { candidates })
            }
        }
    }
}

impl SourceKind for Auto {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn methods(&self) -> &[&'static str] {
        &["POST", "GET", "PUT"]
    }

    fn reader<'a>(&'a self, payload: &Payload<'_>) -> Result<Option<&'a dyn SourceKind>, Error> {
        self.choose(payload).map(Some)
    }

    fn normalize(&self, payload: &Payload<'_>) -> Result<Normalized, Error> {
        self.choose(payload)?.normalize(payload)
    }
}

#[cfg(test)]
mod tests {
    use super::super::normalize;
    use super::super::table::Table;
    use super::*;
    use crate::domain::Timestamp;

    fn own(name: &str, text: &str) -> Arc<TableKind> {
        Arc::new(TableKind(Table::parse(text, name).expect("a good table")))
    }

    fn tables() -> Auto {
        let head = "key = \"/id\"\ntitle = \"/what\"\n";
        Auto::new(vec![
            own("boiler", &format!("recognize = [\"/bar\"]\n{head}")),
            own("chiller", &format!("recognize = [\"/kelvin\"]\n{head}")),
            own("signed", &format!("auto = [\"@header/x-boiler\"]\n{head}")),
            own("template", &format!("auto = false\n{head}")),
        ])
    }

    fn check(headers: &[(&str, &str)], body: &str, expected: Result<&str, &str>) {
        let auto = tables();
        let headers: Vec<(String, String)> =
            headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let payload = Payload {
            method: "POST",
            path: "/hooks/any",
            query: "",
            headers: &headers,
            body: body.as_bytes(),
            received_at: Timestamp::default(),
        };
        let read = normalize(&auto, &payload);
        match (read, expected) {
            (Ok(read), Ok(expected)) => {
                let taken = read.taken.expect("auto says which kind it took");
                assert_eq!(taken.kind, expected, "{body}");
                assert_eq!(read.alerts[0].labels["alertbridge_kind"], expected, "{body}");
            }
            (Err(error), Err(expected)) => {
                assert!(error.to_string().starts_with(expected), "{error} / {expected}");
            }
            (read, expected) => panic!("{body}: {read:?} / {expected:?}"),
        }
    }

    #[test]
    fn the_surest_sign_wins_and_a_tie_is_refused() {
        check(&[], r#"{"bar": 9, "id": 1, "what": "Pressure"}"#, Ok("boiler"));
        check(&[("x-boiler", "1")], r#"{"bar": 9, "id": 1, "what": "Pressure"}"#, Ok("signed"));
        check(&[], r#"{"title": "Pressure", "id": 1, "what": "Pressure"}"#, Ok("generic"));
        let both = r#"{"bar": 9, "kelvin": 301, "id": 1, "what": "Pressure"}"#;
        check(&[], both, Err("payload may be one of boiler, chiller: set the kind of the source"));
        check(&[], "{\"bar\"", Err("body is not valid JSON"));
    }

    #[test]
    fn the_special_form_wins() {
        let grafana = r#"{"receiver": "r", "status": "firing", "orgId": 1, "groupKey": "{}", "groupLabels": {},
            "commonLabels": {}, "title": "[FIRING:1]", "state": "alerting",
            "alerts": [{"status": "firing", "labels": {"alertname": "A"}, "valueString": "[ a=1 ]"}]}"#;
        check(&[], grafana, Ok("grafana"));
        check(&[("user-agent", "Alertmanager/0.28.1")], grafana, Ok("alertmanager"));
    }
}
