//! All units up to a point, on all cores.

use crate::{Options, parts};
use ota_sweep::geometry::GEOMETRIES;
use ota_sweep::plan;
use ota_sweep::seen::Seen;
use ota_sweep::story::{Materials, Story};
use ota_sweep::tally::Tally;
use ota_sweep::unit::Shared;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

/// What a sweep came to.
pub(crate) struct Swept {
    /// By unit, so that what is shown does not depend on threads.
    pub(crate) units: BTreeMap<usize, Tally>,
    pub(crate) seconds: f64,
    pub(crate) threads: usize,
}

/// Images and packages, made once for each geometry and story.
#[derive(Default)]
struct Store(Mutex<BTreeMap<(usize, String), Kept>>);
type Kept = Arc<OnceLock<Materials>>;

impl Store {
    fn with<T>(&self, geometry: usize, story: Story, work: impl FnOnce(&Materials) -> T) -> T {
        let cell = match self.0.lock() {
            Ok(mut all) => Arc::clone(all.entry((geometry, story.name())).or_default()),
            Err(_) => Arc::default(),
        };
        work(cell.get_or_init(|| Materials::new(&GEOMETRIES[geometry], story)))
    }
}

struct Work<'o> {
    options: &'o Options,
    shared: Shared,
    store: Store,
    next: AtomicUsize,
    begin: Instant,
    done: Mutex<BTreeMap<usize, Tally>>,
}

impl Work<'_> {
    /// The next unit, unless it is time to stop.
    fn take(&self) -> Option<usize> {
        if self.shared.is_late() {
            return None;
        }
        let n = self.next.fetch_add(1, Relaxed);
        self.options.units.is_none_or(|units| n < units).then_some(n)
    }

    fn work(&self) {
        while let Some(n) = self.take() {
            let unit = plan::unit(n, self.options.seed);
            let geometry = &GEOMETRIES[unit.geometry];
            if self.options.geometry.as_ref().is_some_and(|name| name != geometry.name) {
                continue;
            }
            let tally = self.store.with(unit.geometry, unit.story, |materials| {
                (parts::code(geometry).run)(geometry, materials, &unit, &self.shared)
            });
            if let Ok(mut done) = self.done.lock() {
                done.insert(n, tally);
            }
        }
    }

    fn progress(&self) {
        let Ok(done) = self.done.lock() else { return };
        let (scenarios, failures) =
            done.values().fold((0, 0), |(scenarios, failures), t| (scenarios + t.scenarios, failures + t.failures));
        let seconds = self.begin.elapsed().as_secs_f64();
        eprintln!(
            "{seconds:4.0} s: {} units, {scenarios} scenarios, {:.0} a second, {failures} failures",
            done.len(),
            scenarios as f64 / seconds
        );
    }
}

/// Sweeps as the options say.
pub(crate) fn sweep(options: &Options) -> Swept {
    // The message of a failing check is kept by who catches it.
    std::panic::set_hook(Box::new(|_| {}));
    let keys = options.keys();
    let begin = Instant::now();
    let until = options.units.is_none().then_some(begin + Duration::from_secs(options.budget));
    let shared = Shared { seen: Seen::default(), keys, until };
    let (next, store) = (AtomicUsize::new(0), Store::default());
    let work = Work { options, shared, store, next, begin, done: Mutex::default() };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..options.threads).map(|_| scope.spawn(|| work.work())).collect();
        let mut shown = Instant::now();
        while workers.iter().any(|worker| !worker.is_finished()) {
            std::thread::sleep(Duration::from_millis(50));
            if shown.elapsed() >= Duration::from_secs(5) {
                shown = Instant::now();
                work.progress();
            }
        }
    });
    let seconds = begin.elapsed().as_secs_f64();
    Swept { units: work.done.into_inner().unwrap_or_default(), seconds, threads: options.threads }
}
