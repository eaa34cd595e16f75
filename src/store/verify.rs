//! Checks every record and its relations, a page at a time. Works on any four calls, also where a store would not open.

use super::kv::{Kv, KvError, Span};
use super::record::{self, History, Tombstone, Unreadable};
use super::staged::Staged;
use super::{Attempt, Error, Kept};
use crate::domain::{Body, Head, Member};
use crate::limits::UPKEEP_PAGE_MAX;

/// Problems found in one page, and the key to go on after.
pub(super) struct Checked {
    pub problems: Vec<String>,
    pub last: Option<Vec<u8>>,
}

/// Checks the records after the key `after`.
pub(super) fn page(staged: &Staged, after: &[u8]) -> Result<Checked, Error> {
    let mut from = after.to_vec();
    from.push(0);
    let pairs = staged.scan(&Span::new(from, vec![u8::MAX]), UPKEEP_PAGE_MAX)?;
    let mut problems = Vec::new();
    for (key, bytes) in &pairs {
        if let Err(problem) = check(staged, key, bytes)? {
            problems.push(format!("{}: {problem}", record::show(key)));
        }
    }
    let last = pairs.last().filter(|_| pairs.len() == UPKEEP_PAGE_MAX).map(|(key, _)| key.clone());
    Ok(Checked { problems, last })
}

/// Every problem of the records in `kv`, in words. Writes nothing.
pub fn verify(kv: Box<dyn Kv>) -> Result<Vec<String>, KvError> {
    let staged = Staged::new(kv, "store".into());
    let failed = |error: Error| -> KvError { std::sync::Arc::new(error) };
    let mut problems = Vec::new();
    match staged.bytes(record::META_FORMAT).map_err(failed)?.as_deref() {
        Some([found, ..]) if *found > record::FORMAT => {
            problems.push(format!("zformat: format {found} is newer than this build"));
            return Ok(problems);
        }
        Some([found, ..]) if *found > 0 => {}
        _ => problems.push("zformat: it is missing or damaged".to_owned()),
    }
    if staged.bytes(record::META_IMPORTING).map_err(failed)?.is_some() {
        problems.push("zimporting: an import did not finish".to_owned());
    }
    let mut after = Some(vec![0]);
    while let Some(key) = after {
        let checked = page(&staged, &key).map_err(failed)?;
        problems.extend(checked.problems);
        after = checked.last;
    }
    Ok(problems)
}

type Verdict = Result<(), String>;

/// The outer result is about reading, the inner about the record.
fn check(staged: &Staged, key: &[u8], bytes: &[u8]) -> Result<Verdict, Error> {
    Ok(match key.first() {
        Some(&record::HEAD) => match read::<Head>(bytes) {
            Ok(head) => check_head(staged, key, &head)?,
            Err(problem) => Err(problem),
        },
        Some(&record::MEMBER) => match read::<Member>(bytes) {
            Ok(member) => check_member(staged, key, &member)?,
            Err(problem) => Err(problem),
        },
        Some(&record::BODY) => match (read::<Body>(bytes), record::number_in(key)) {
            (Ok(_), Some(number)) => {
                let ordinal = record::ordinal_in(key).unwrap_or(0);
                let member = staged.bytes(&record::member_key(number, ordinal))?;
                member.map(drop).ok_or_else(|| "its member is missing".to_owned())
            }
            (Ok(_), None) => Err("its key is damaged".to_owned()),
            (Err(problem), _) => Err(problem),
        },
        Some(&record::ATTEMPT) => match read::<Attempt>(bytes) {
            Ok(attempt) => {
                let head = staged.bytes(&record::head_key(attempt.number))?;
                head.map(drop).ok_or_else(|| "its incident is missing".to_owned())
            }
            Err(problem) => Err(problem),
        },
        Some(&record::HISTORY) => read::<History>(bytes).map(drop),
        Some(&record::KEPT) => read::<Kept>(bytes).map(drop),
        Some(&record::TOMBSTONE) => read::<Tombstone>(bytes).map(drop),
        Some(&record::META) => match key {
            record::META_INSTANCE => read::<String>(bytes).map(drop),
            record::META_NEXT => read::<u64>(bytes).map(drop),
            _ => Ok(()),
        },
        _ => Err("it is no record of ours".to_owned()),
    })
}

fn read<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    record::decode(bytes).map_err(|unreadable| match unreadable {
        Unreadable::TooNew(found) => format!("format {found} is newer than this build"),
        Unreadable::Damaged(detail) => format!("damaged: {detail}"),
    })
}

fn check_head(staged: &Staged, key: &[u8], head: &Head) -> Result<Verdict, Error> {
    if record::number_in(key) != Some(head.number) {
        return Ok(Err(format!("it says that it is number {}", head.number)));
    }
    let (mut firing, mut acknowledged) = ([0_u32; 5], 0);
    let mut span = Span::prefix(&record::of_incident(record::MEMBER, head.number));
    loop {
        let pairs = staged.scan(&span, UPKEEP_PAGE_MAX)?;
        for (_, bytes) in &pairs {
            // Unreadable members are reported under their own key.
            if let Ok(member) = read::<Member>(bytes)
                && member.firing
            {
                firing[member.severity as usize] += 1;
                acknowledged += u32::from(member.acknowledged);
            }
        }
        match pairs.last() {
            Some((last, _)) if pairs.len() == UPKEEP_PAGE_MAX => {
                span.from.clone_from(last);
                span.from.push(0);
            }
            _ => break,
        }
    }
    if firing != head.firing {
        let counted = head.firing;
        return Ok(Err(format!("it counts {counted:?} firing members, there are {firing:?}")));
    }
    if acknowledged != head.acknowledged {
        let counted = head.acknowledged;
        return Ok(Err(format!("it counts {counted} acknowledged, there are {acknowledged}")));
    }
    let fires = head.firing_count() > 0;
    let consistent = fires != head.state.is_resolved();
    Ok(consistent.then_some(()).ok_or_else(|| "its state and its members disagree".to_owned()))
}

fn check_member(staged: &Staged, key: &[u8], member: &Member) -> Result<Verdict, Error> {
    let number = record::number_in(key).unwrap_or(0);
    if record::ordinal_in(key) != Some(member.ordinal) {
        return Ok(Err(format!("it says that it is member {}", member.ordinal)));
    }
    let head = staged.bytes(&record::head_key(number))?.map(|bytes| read::<Head>(&bytes));
    let Some(head) = head else { return Ok(Err("its incident is missing".to_owned())) };
    if head.is_ok_and(|head| member.ordinal >= head.next_ordinal) {
        return Ok(Err("its incident does not know of it".to_owned()));
    }
    let body = staged.bytes(&record::body_key(number, member.ordinal))?;
    if body.is_none() && member.firing {
        return Ok(Err("its alert is missing".to_owned()));
    }
    Ok(Ok(()))
}
