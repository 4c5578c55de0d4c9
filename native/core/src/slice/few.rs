//! A vector whose first items need no allocation.

/// Items kept in place: the fields of most rows.
const FEW: usize = 32;

/// A growing sequence: up to [`FEW`] items stand in it, more in a vector.
#[derive(Debug)]
pub struct Few<T> {
    few: [T; FEW],
    /// All items, once they are too many for `few`.
    many: Vec<T>,
    len: usize,
}

impl<T: Copy + Default> Few<T> {
    /// An empty sequence.
    #[inline]
    pub fn new() -> Few<T> {
        Few {
            few: [T::default(); FEW],
            many: Vec::new(),
            len: 0,
        }
    }

    /// Adds one item at the end.
    #[inline]
    pub fn push(&mut self, item: T) {
        match self.few.get_mut(self.len) {
            Some(place) => *place = item,
            None => self.push_behind(item),
        }
        self.len += 1;
    }

    #[cold]
    fn push_behind(&mut self, item: T) {
        if self.many.is_empty() {
            self.many.extend_from_slice(&self.few);
        }
        self.many.push(item);
    }

    /// How many items there are.
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// All items, in the order in which they were added.
    #[inline]
    pub fn as_slice(&self) -> &[T] {
        self.few.get(..self.len).unwrap_or(&self.many)
    }
}

impl<T: Copy + Default> Default for Few<T> {
    fn default() -> Few<T> {
        Few::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_every_item_in_order_wherever_it_stands() {
        for count in [0, 1, FEW - 1, FEW, FEW + 1, 5 * FEW] {
            let mut items = Few::new();
            (0..count).for_each(|item| items.push(item));
            assert_eq!(items.as_slice(), (0..count).collect::<Vec<_>>());
        }
    }
}
