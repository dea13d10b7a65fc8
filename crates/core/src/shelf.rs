//! A map that knows what changed in it since it was last written down.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Deref,
};

use serde::{Deserialize, Serialize};

/// What stands at an id from now on; none where nothing does.
pub(crate) type Changes<T> = BTreeMap<String, Option<T>>;

/// Things by id. Reads are those of the map; every way to change it is noted.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Shelf<T> {
    items: BTreeMap<String, T>,
    #[serde(skip)]
    changed: BTreeSet<String>,
}

impl<T> Default for Shelf<T> {
    fn default() -> Self {
        Self { items: BTreeMap::new(), changed: BTreeSet::new() }
    }
}

impl<T> Deref for Shelf<T> {
    type Target = BTreeMap<String, T>;

    fn deref(&self) -> &Self::Target {
        &self.items
    }
}

impl<T> Shelf<T> {
    /// Puts or replaces.
    pub(crate) fn insert(&mut self, id: String, item: T) {
        self.changed.insert(id.clone());
        self.items.insert(id, item);
    }

    /// What is there, or this.
    pub(crate) fn get_or_insert_with(&mut self, id: &str, item: impl FnOnce() -> T) -> &T {
        self.items.entry(id.to_owned()).or_insert_with(|| {
            self.changed.insert(id.to_owned());
            item()
        })
    }

    /// Takes away.
    pub(crate) fn remove(&mut self, id: &str) {
        if self.items.remove(id).is_some() {
            self.changed.insert(id.to_owned());
        }
    }

    /// Keeps those.
    pub(crate) fn retain(&mut self, keep: impl Fn(&str) -> bool) {
        let changed = &mut self.changed;
        self.items.retain(|id, _| {
            let keep = keep(id);
            if !keep {
                changed.insert(id.clone());
            }
            keep
        });
    }

    /// What is not written down yet.
    pub(crate) fn changes(&self) -> Changes<T>
    where
        T: Clone,
    {
        self.changed.iter().map(|id| (id.clone(), self.items.get(id).cloned())).collect()
    }

    /// All of it is written down.
    pub(crate) fn written(&mut self) {
        self.changed.clear();
    }

    /// What was written down of a change.
    pub(crate) fn apply(&mut self, changes: Changes<T>) {
        for (id, item) in changes {
            match item {
                Some(item) => self.items.insert(id, item),
                None => self.items.remove(&id),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_change_it_is_noted_once_and_comes_back() {
        let mut shelf = Shelf::default();
        for id in ["a", "b", "c", "d"] {
            shelf.insert(id.to_owned(), 1);
        }
        let mut copy = read(&shelf);
        shelf.written();
        assert!(shelf.changes().is_empty());

        shelf.insert("a".into(), 2);
        shelf.remove("b");
        shelf.remove("not there");
        shelf.retain(|id| id != "c");
        shelf.get_or_insert_with("d", || 9);
        shelf.get_or_insert_with("e", || 3);
        let changes = [("a", Some(2)), ("b", None), ("c", None), ("e", Some(3))];
        assert_eq!(shelf.changes(), changes.map(|(id, item)| (id.to_owned(), item)).into());
        copy.apply(shelf.changes());
        assert_eq!(*copy, *shelf);
        assert!(copy.changes().is_empty(), "what was read is written already");
    }

    fn read(shelf: &Shelf<i32>) -> Shelf<i32> {
        serde_json::from_str(&serde_json::to_string(shelf).unwrap()).unwrap()
    }
}
