//! The states that were lived from already.

use crate::life::State;
use std::collections::HashSet;
use std::hash::{BuildHasherDefault, DefaultHasher, Hash, Hasher};
use std::sync::Mutex;

/// Hashes that are spread already.
#[derive(Debug, Default)]
struct AsIs(u64);

impl Hasher for AsIs {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, _: &[u8]) {}
    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

/// The same number for the same value, in every run.
pub fn hash_of(value: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// Shared by all threads. How many states it holds does not depend on who came first.
#[derive(Debug, Default)]
pub struct Seen {
    shards: [Mutex<HashSet<u64, BuildHasherDefault<AsIs>>>; 16],
}

impl Seen {
    /// Whether this is the first time; `purpose` keeps geometries and uses apart.
    pub fn is_new<const W: usize, const E: u8>(&self, purpose: u64, state: &State<W, E>) -> bool {
        self.first(hash_of((purpose, state.flash.fingerprint(), &state.model, &state.heard)))
    }

    /// Whether this number comes for the first time.
    pub fn first(&self, hash: u64) -> bool {
        let shard = &self.shards[(hash >> 60) as usize];
        shard.lock().is_ok_and(|mut shard| shard.insert(hash))
    }
}
