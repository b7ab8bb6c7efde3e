//! A list whose entries, with the memory that they own, are used again for the next sample.

use std::ops::Deref;

/// Rows of one sample; reads as a slice.
#[derive(Debug, Clone)]
pub struct Rows<T> {
    slots: Vec<T>,
    used: usize,
}

impl<T> Default for Rows<T> {
    fn default() -> Rows<T> {
        Rows { slots: Vec::new(), used: 0 }
    }
}

impl<T: Default> Rows<T> {
    /// No rows; the memory stays.
    pub fn clear(&mut self) {
        self.used = 0;
    }

    /// One row more. It holds what an earlier sample left in it: set every field.
    pub fn add(&mut self) -> &mut T {
        if self.used == self.slots.len() {
            self.slots.push(T::default());
        }
        self.used += 1;
        &mut self.slots[self.used - 1]
    }

    /// Takes the row back that was added last.
    pub fn drop_last(&mut self) {
        self.used = self.used.saturating_sub(1);
    }

    /// The rows, to sort them.
    pub fn as_mut_slice(&mut self) -> &mut [T] {
        &mut self.slots[..self.used]
    }
}

impl<T> Deref for Rows<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.slots[..self.used]
    }
}

impl<T> From<Vec<T>> for Rows<T> {
    fn from(slots: Vec<T>) -> Rows<T> {
        let used = slots.len();
        Rows { slots, used }
    }
}
