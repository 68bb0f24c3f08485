//! The application on the device: it decides, checks its health and is told things.

use ota_service::{App, Decision, Gate, Health, Notice};
use ota_transport::Offer;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// What the application says, and what it was told.
#[derive(Clone)]
pub struct Product {
    /// The version it says it is.
    pub version: String,
    /// Its health gates.
    pub gates: Vec<Gate>,
    /// How each gate stands; all pass by themselves.
    pub health: Rc<RefCell<Vec<Health>>>,
    /// What it answers to the next offers; it accepts by itself.
    pub answers: Rc<RefCell<Vec<Decision>>>,
    /// How often it was asked.
    pub asked: Rc<Cell<u32>>,
    /// Whether a reset is welcome.
    pub ready: Rc<Cell<bool>>,
    /// How often that was asked.
    pub ready_asked: Rc<Cell<u32>>,
    /// What it was told.
    pub notices: Rc<RefCell<Vec<String>>>,
    /// Other components: name and version.
    pub components: Vec<(String, String)>,
    /// How often it was told that a long step is under way.
    pub worked: Rc<Cell<u32>>,
}

impl Default for Product {
    fn default() -> Self {
        Self {
            version: String::new(),
            gates: vec![],
            health: Rc::default(),
            answers: Rc::default(),
            asked: Rc::default(),
            ready: Rc::new(Cell::new(true)),
            ready_asked: Rc::default(),
            notices: Rc::default(),
            components: vec![],
            worked: Rc::default(),
        }
    }
}

impl App for Product {
    fn decide(&mut self, offer: &Offer<'_>) -> Decision {
        self.asked.set(self.asked.get() + 1);
        assert!(!offer.version.is_empty());
        let mut answers = self.answers.borrow_mut();
        if answers.is_empty() { Decision::Accept } else { answers.remove(0) }
    }
    fn notice(&mut self, notice: Notice<'_>) {
        if !matches!(notice, Notice::Downloading { .. }) {
            self.notices.borrow_mut().push(format!("{notice:?}"));
        }
    }
    fn working(&mut self) {
        self.worked.set(self.worked.get() + 1);
    }
    fn gates(&self) -> &[Gate] {
        &self.gates
    }
    fn check(&mut self, gate: usize) -> Health {
        self.health.borrow().get(gate).copied().unwrap_or(Health::Pass)
    }
    fn ready_to_reset(&mut self) -> bool {
        self.ready_asked.set(self.ready_asked.get() + 1);
        self.ready.get()
    }
    fn version(&self) -> &str {
        &self.version
    }
    fn component(&self, n: u8) -> Option<(ota_transport::Component<'_>, &str)> {
        let (module, version) = self.components.get(usize::from(n))?;
        Some((ota_transport::Component { device: 0, module }, version))
    }
}
