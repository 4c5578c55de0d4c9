//! Tables that are text: a line for each entry, sorted, its key and what it stands for with a space between.

/// The value of `key` in `table`.
pub(crate) fn find(table: &'static str, key: &[u8]) -> Option<&'static str> {
    let (mut low, mut high) = (0, table.len());
    while low < high {
        // The line that the middle is in.
        let middle = low + (high - low) / 2;
        let start = table[low..middle]
            .rfind('\n')
            .map_or(low, |before| low + before + 1);
        let end = table[middle..high]
            .find('\n')
            .map_or(high, |len| middle + len);
        let (found, value) = table[start..end].split_once(' ')?;
        match key.cmp(found.as_bytes()) {
            std::cmp::Ordering::Equal => return Some(value),
            std::cmp::Ordering::Less => high = start,
            std::cmp::Ordering::Greater => low = (end + 1).min(high),
        }
    }
    None
}

/// Every entry of `table` is found, and nothing else.
#[cfg(all(test, not(loom)))]
pub(crate) fn check(table: &'static str) {
    let mut last = "";
    for line in table.lines() {
        let (key, value) = line.split_once(' ').unwrap_or_default();
        assert!(table.is_ascii() && last < key, "{line}");
        last = key;
        assert_eq!(find(table, key.as_bytes()), Some(value));
        for absent in [
            format!("{key}!"),
            format!("{key}~"),
            key[..key.len() - 1].to_owned(),
        ] {
            let is_entry = table
                .lines()
                .any(|line| line.split(' ').next() == Some(&absent));
            assert_eq!(find(table, absent.as_bytes()).is_some(), is_entry);
        }
    }
    assert_eq!(find(table, b""), None);
    assert_eq!(find(table, &[0xFF; 100]), None);
}
