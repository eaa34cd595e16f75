//! Export and import: one line of JSON per record, each with a checksum, and a trailer that says that it is whole.
//!
//! Records are exported as they are stored, incident by incident, so that an export of a running store has each incident
//! in one state. An import marks the store until its trailer was checked: a store with that mark does not open.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::core::Core;
use super::embedded::Embedded;
use super::kv::{Kv, Pair, Span};
use super::record;
use super::staged::Staged;
use super::{Answer, Error, Retention, Upkeep, open, upkeep, verify};
use crate::domain::{Fingerprinter, Timestamp};
use crate::limits::UPKEEP_PAGE_MAX;

/// The layout of export lines.
const LAYOUT: u32 = 1;
/// Records of one write of an import.
const IMPORT_BATCH: usize = 500;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Line {
    Begin {
        layout: u32,
        format: u8,
    },
    Record {
        /// For people.
        name: String,
        key: String,
        value: String,
        sum: String,
    },
    End {
        records: u64,
        sum: String,
    },
}

/// A running checksum over all records.
#[derive(Clone, Debug, Default)]
struct Sum(String);

impl Sum {
    /// The checksum of one record, added to the whole.
    fn add(&mut self, key: &[u8], value: &[u8]) -> String {
        let mut one = Fingerprinter::default();
        one.field(key);
        one.field(value);
        let one = one.finish().to_string();
        let mut all = Fingerprinter::default();
        all.field(self.0.as_bytes());
        all.field(one.as_bytes());
        self.0 = all.finish().to_string();
        one
    }
}

/// Where an export stands.
#[derive(Clone, Debug)]
enum Place {
    /// At the incidents from this number on.
    Incidents(u64),
    /// At other records after this key.
    Others(Vec<u8>),
    End,
}

/// The next piece of an export.
fn page(staged: &Staged, place: &Place) -> Result<(Vec<Pair>, Place), Error> {
    match place {
        Place::Incidents(from) => {
            let span = Span::new(record::head_key(*from), record::head_key(u64::MAX));
            let Some((key, value)) = staged.scan(&span, 1)?.pop() else {
                return Ok((Vec::new(), Place::Others(vec![record::HISTORY])));
            };
            let number = record::number_in(&key).unwrap_or(u64::MAX - 1);
            let mut pairs = vec![(key, value)];
            for prefix in [record::MEMBER, record::BODY, record::ATTEMPT] {
                let span = Span::prefix(&record::of_incident(prefix, number));
                pairs.extend(staged.scan(&span, usize::MAX)?);
            }
            Ok((pairs, Place::Incidents(number + 1)))
        }
        Place::Others(after) => {
            let mut from = after.clone();
            from.push(0);
            let incidents = [record::HEAD, record::MEMBER, record::BODY, record::ATTEMPT];
            let pairs = staged.scan(&Span::new(from, vec![u8::MAX]), UPKEEP_PAGE_MAX)?;
            let next = match pairs.last() {
                Some((last, _)) if pairs.len() == UPKEEP_PAGE_MAX => Place::Others(last.clone()),
                _ => Place::End,
            };
            let other = |(key, _): &Pair| !key.first().is_some_and(|it| incidents.contains(it));
            Ok((pairs.into_iter().filter(other).collect(), next))
        }
        Place::End => Ok((Vec::new(), Place::End)),
    }
}

fn line(line: &Line) -> String {
    serde_json::to_string(line).expect("strings and numbers always have a JSON form")
}

fn record_line((key, value): &Pair, sum: &mut Sum) -> String {
    let sum = sum.add(key, value);
    let (name, key) = (record::show(key), STANDARD.encode(key));
    line(&Line::Record { name, key, value: STANDARD.encode(value), sum })
}

/// Every record of `kv` as a line of JSON with a checksum, also where a store would not open. Writes nothing.
pub fn export(kv: Box<dyn Kv>, sink: &mut dyn FnMut(String)) -> Result<u64, Error> {
    let staged = Staged::new(kv, "store".into());
    sink(line(&Line::Begin { layout: LAYOUT, format: record::FORMAT }));
    let (mut place, mut sum, mut records) = (Place::Incidents(0), Sum::default(), 0);
    while !matches!(place, Place::End) {
        let (pairs, next) = page(&staged, &place)?;
        place = next;
        records += pairs.len() as u64;
        for pair in &pairs {
            sink(record_line(pair, &mut sum));
        }
    }
    sink(line(&Line::End { records, sum: sum.0 }));
    Ok(records)
}

/// Reads export lines one by one.
#[derive(Default)]
struct Reader {
    line: usize,
    records: u64,
    sum: Sum,
    begun: bool,
    ended: bool,
}

impl Reader {
    fn wrong(&self, detail: impl Into<String>) -> Error {
        Error::Import { line: self.line, detail: detail.into() }
    }

    fn read(&mut self, text: &str) -> Result<Option<Pair>, Error> {
        self.line += 1;
        if text.is_empty() {
            return Ok(None);
        }
        if self.ended {
            return Err(self.wrong("there is more after the end"));
        }
        let line = serde_json::from_str(text).map_err(|error| self.wrong(error.to_string()))?;
        match line {
            Line::Begin { layout, format } => {
                if layout > LAYOUT || format > record::FORMAT {
                    return Err(self.wrong("it was written by a newer version"));
                }
                self.begun = true;
                Ok(None)
            }
            Line::Record { .. } if !self.begun => Err(self.wrong("it does not begin as an export")),
            Line::Record { key, value, sum, .. } => {
                let decode = |text: &str| {
                    STANDARD.decode(text).map_err(|error| self.wrong(error.to_string()))
                };
                let (key, value) = (decode(&key)?, decode(&value)?);
                if self.sum.add(&key, &value) != sum {
                    return Err(self.wrong("the checksum does not match"));
                }
                self.records += 1;
                Ok(Some((key, value)))
            }
            Line::End { records, sum } => {
                if records != self.records || sum != self.sum.0 {
                    return Err(self.wrong("records are missing"));
                }
                self.ended = true;
                Ok(None)
            }
        }
    }
}

/// Nothing but the marks of a fresh store.
fn begin_import(core: &mut Core) -> Result<(), Error> {
    if !core.staged.scan(&Span::new(vec![0], vec![record::META]), 1)?.is_empty()
        || core.staged.bytes(record::META_NEXT)?.is_some()
    {
        return Err(Error::NotEmpty);
    }
    core.staged.put(record::META_IMPORTING.to_vec(), &true);
    Ok(())
}

fn end_import(core: &mut Core) -> Result<(), Error> {
    core.instance = core.staged.need(record::META_INSTANCE)?;
    let now = core.opened_at;
    open::rebuild(core, now)?;
    core.staged.delete(record::META_IMPORTING.to_vec());
    Ok(())
}

impl Upkeep for Embedded {
    fn prune(&self, retention: Retention, limit: usize, now: Timestamp) -> Answer<'_, u64> {
        self.call(move |core| upkeep::prune(core, retention, limit, now))
    }

    fn verify(&self) -> Answer<'_, Vec<String>> {
        Box::pin(async move {
            let (mut problems, mut after) = (Vec::new(), Some(vec![0]));
            while let Some(key) = after {
                let checked = self.call(move |core| verify::page(&core.staged, &key)).await?;
                problems.extend(checked.problems);
                after = checked.last;
            }
            Ok(problems)
        })
    }

    fn export<'a>(&'a self, sink: &'a mut (dyn FnMut(String) + Send)) -> Answer<'a, u64> {
        Box::pin(async move {
            sink(line(&Line::Begin { layout: LAYOUT, format: record::FORMAT }));
            let (mut place, mut sum, mut records) = (Place::Incidents(0), Sum::default(), 0);
            while !matches!(place, Place::End) {
                let (pairs, next) = self.call(move |core| page(&core.staged, &place)).await?;
                place = next;
                records += pairs.len() as u64;
                for pair in &pairs {
                    sink(record_line(pair, &mut sum));
                }
            }
            sink(line(&Line::End { records, sum: sum.0 }));
            Ok(records)
        })
    }

    fn import<'a>(
        &'a self,
        lines: &'a mut (dyn Iterator<Item = String> + Send),
    ) -> Answer<'a, u64> {
        Box::pin(async move {
            self.call(begin_import).await?;
            let (mut reader, mut batch) = (Reader::default(), Vec::new());
            for text in lines {
                batch.extend(reader.read(&text)?);
                if batch.len() == IMPORT_BATCH {
                    let batch = std::mem::take(&mut batch);
                    self.call(put_all(batch)).await?;
                }
            }
            if !reader.ended {
                return Err(reader.wrong("the end is missing: the export is not whole"));
            }
            self.call(put_all(batch)).await?;
            self.call(end_import).await?;
            Ok(reader.records)
        })
    }
}

/// Stages a batch of imported records.
fn put_all(pairs: Vec<Pair>) -> impl FnOnce(&mut Core) -> Result<(), Error> {
    move |core| {
        for (key, value) in pairs {
            core.staged.put_bytes(key, value);
        }
        Ok(())
    }
}
