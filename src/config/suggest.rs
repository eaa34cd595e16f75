//! "did you mean": the known word nearest to a misspelled one.

/// A hint naming the nearest of `known`, else all of them if they are few.
pub(super) fn hint<'a>(
    word: &str,
    known: impl IntoIterator<Item = &'a str>,
    what: &str,
) -> Option<String> {
    let mut known: Vec<&str> = known.into_iter().collect();
    known.sort_unstable();
    known.dedup();
    if let Some(nearest) = nearest(word, &known) {
        return Some(format!("did you mean `{nearest}`?"));
    }
    (1..=24).contains(&known.len()).then(|| format!("{what}: {}", known.join(", ")))
}

/// The word of `known` that `word` was probably meant to be.
pub(super) fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let plain = |text: &str| text.to_lowercase().replace(['-', ' '], "_");
    let word = plain(word);
    let ranked = known.iter().map(|other| (distance(&word, &plain(other)), *other));
    let (distance, nearest) = ranked.min_by_key(|(distance, _)| *distance)?;
    let longest = word.chars().count().max(nearest.chars().count());
    (distance <= (longest / 3).max(1)).then_some(nearest)
}

/// Edits between two words: insertion, deletion, replacement, swap of neighbours.
fn distance(a: &str, b: &str) -> usize {
    // Long words are not misspelled keys; the table would be as large as their product.
    const CHARS_MAX: usize = 64;
    let a: Vec<char> = a.chars().take(CHARS_MAX).collect();
    let b: Vec<char> = b.chars().take(CHARS_MAX).collect();
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replaced.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_nearest() {
        let known = ["receivers", "group_by", "group_wait", "match", "name"];
        for (word, expected) in [
            ("reciever", Some("receivers")),
            ("receiver", Some("receivers")),
            ("group-by", Some("group_by")),
            ("groupby", Some("group_by")),
            ("Match", Some("match")),
            ("nmae", Some("name")),
            ("colour", None),
        ] {
            assert_eq!(nearest(word, &known), expected, "{word}");
        }
        assert_eq!(hint("x", ["abc", "def"], "known"), Some("known: abc, def".into()));
        assert_eq!(hint("x", [], "known"), None);
    }
}
