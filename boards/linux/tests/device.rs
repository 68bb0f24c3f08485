//! The whole device: signed images in a flash file, the loader, real payload processes, real kills.

mod support;

use nix::sys::signal::{Signal, kill};
use ota_board_linux::{FLASH_LEN, FileFlash, KeyRing, part};
use ota_boot::{Boot, BootControl, BootState, RollbackReason};
use ota_hal::{Journal, ResetCause, SharedJournal, SlotId};
use ota_tool::image::ImageSpec;
use ota_tool::keys::{KeyType, PrivateKey, Scheme};
use ota_verify::{Identity, Rules, Uuid, Version, verify_image};
use std::cell::RefCell;
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use support::{PATIENCE, Terminal, pid_of};

const IDENTITY: Identity = Identity { vendor: Uuid([1; 16]), class: Uuid([2; 16]) };

/// A board on the desk: one key, one flash file, perhaps power.
struct Desk {
    dir: tempfile::TempDir,
    key: PrivateKey,
    power: Option<Child>,
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.power_off();
    }
}

impl Desk {
    /// With image 1.0.0 in slot A.
    fn new() -> Self {
        let key = PrivateKey::generate(KeyType::Ed25519).unwrap();
        let desk = Self { dir: tempfile::tempdir().unwrap(), key, power: None };
        let blob = desk.key.public().unwrap().blob(Scheme::Pss).unwrap();
        fs::write(desk.path("key.pub"), blob).unwrap();
        desk.program("a", 1);
        desk
    }
    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
    fn board(&self) -> Command {
        Command::new(env!("CARGO_BIN_EXE_ota-board-linux"))
    }

    /// Factory programming of the probe as version 1.`minor`.0, security counter `minor`.
    fn program(&self, slot: &str, minor: u8) {
        self.program_for(slot, minor, IDENTITY);
    }
    fn program_for(&self, slot: &str, minor: u8, identity: Identity) {
        let spec = ImageSpec {
            version: Version { major: 1, minor, ..Version::default() },
            security_counter: minor.into(),
            identity,
            header_size: 512,
            rom_address: None,
        };
        let probe = fs::read(env!("CARGO_BIN_EXE_ota-board-probe")).unwrap();
        let image = self.path("image");
        fs::write(&image, spec.build(&probe, &self.key, Scheme::Pss).unwrap()).unwrap();
        let mut flash = self.board();
        flash.arg("flash").arg("--flash").arg(self.path("flash")).args(["--slot", slot]).arg(image);
        assert!(flash.stdout(Stdio::null()).status().unwrap().success());
    }

    fn run(&self) -> Command {
        let mut run = self.run_as(&IDENTITY.vendor.to_string(), &IDENTITY.class.to_string());
        run.arg("--console-socket").arg(self.path("uart")).args(["--watchdog-ms", "5000"]);
        run
    }
    fn run_as(&self, vendor: &str, class: &str) -> Command {
        let mut run = self.board();
        run.arg("run").arg("--flash").arg(self.path("flash")).arg("--keys").arg(self.path("key.pub"));
        run.args(["--vendor", vendor, "--class", class]);
        run.stdin(Stdio::null()).stdout(Stdio::null());
        run
    }
    /// Applies power; the terminal sees everything from the first `hello` on.
    fn power_on(&mut self) -> Terminal {
        let _ = fs::remove_file(self.path("uart"));
        self.power = Some(self.run().spawn().unwrap());
        let mut terminal = Terminal::connect(&self.path("uart"));
        // Its greeting may have come before the terminal was connected: the probe repeats it for a stranger's word.
        terminal.say("who");
        terminal
    }
    /// A power cut.
    fn power_off(&mut self) {
        if let Some(mut board) = self.power.take() {
            board.kill().unwrap();
            board.wait().unwrap();
        }
    }
    /// Runs a board that is expected to give up, and returns what it said.
    fn run_to_end(&self) -> Output {
        let mut run = self.run();
        // Should it start a program after all, the watchdog ends that.
        run.args(["--starts", "1"]).stdout(Stdio::piped()).stderr(Stdio::piped()).output().unwrap()
    }

    /// What an update agent does when the image in slot B is complete.
    fn stage_b(&self) {
        self.with_boot(SlotId::A, |flash, boot| {
            let keys = KeyRing::load([self.path("key.pub")]).unwrap();
            let rules = Rules { keys: &keys, identity: IDENTITY, floor: 0 };
            let proof = verify_image(&mut part::slot(flash, SlotId::B), SlotId::B, &rules).unwrap();
            boot.stage(proof).unwrap();
        });
    }
    fn with_boot<R>(
        &self,
        running: SlotId,
        action: impl FnOnce(&RefCell<FileFlash>, &mut Boot<'_, ota_hal::Shared<'_, FileFlash>>) -> R,
    ) -> R {
        let flash = RefCell::new(FileFlash::open(&self.path("flash"), FLASH_LEN).unwrap());
        let journal = RefCell::new(Journal::mount(part::journal(&flash)).unwrap());
        let mut boot = Boot::new(SharedJournal::new(&journal), running);
        action(&flash, &mut boot)
    }
    fn damage(&self, slot: SlotId) {
        let file = fs::File::options().write(true).open(self.path("flash")).unwrap();
        let at = u64::from(ota_board_linux::LAYOUT.slot(slot).start) + 10_000;
        file.write_all_at(b"a few other bytes", at).unwrap();
    }
}

#[test]
fn each_kind_of_reset_is_told_to_the_next_start() {
    let mut desk = Desk::new();
    let mut uart = desk.power_on();
    let first = uart.expect("probe: slot A cause 1 ");
    for (command, cause) in [("reset", 5), ("abort", 6), ("hang", 4), ("reset", 5)] {
        uart.say(command);
        uart.expect(&format!("probe: slot A cause {cause} "));
    }
    uart.say("who");
    let last = uart.expect("probe: slot A");
    assert_ne!(pid_of(&first), pid_of(&last));
    kill(pid_of(&last), Signal::SIGKILL).unwrap();
    uart.expect("last reset Pin");
}

#[test]
fn vendor_and_class_are_named_as_when_signing() {
    let desk = Desk::new();
    let identity = Identity::named("example.com", "sensor-1");
    desk.program_for("a", 1, identity);
    let boots = |vendor: &str, class: &str| {
        let mut run = desk.run_as(vendor, class);
        let end = run.args(["--starts", "1", "--watchdog-ms", "50"]).stdout(Stdio::piped()).output().unwrap();
        String::from_utf8_lossy(&end.stdout).contains("boot: slot A, version 1.1.0")
    };
    assert!(boots("example.com", "sensor-1"));
    assert!(boots(&identity.vendor.to_string(), "sensor-1"));
    assert!(boots("example.com", &identity.class.to_string()));
    assert!(!boots("example.org", "sensor-1"));
    assert!(!boots("example.com", "sensor-2"));
}

#[test]
fn a_power_cut_takes_the_program_along_and_one_flash_has_one_device() {
    let mut desk = Desk::new();
    let mut uart = desk.power_on();
    let program = pid_of(&uart.expect("probe: slot A"));
    let second = desk.run_to_end();
    assert!(!second.status.success());
    assert!(String::from_utf8_lossy(&second.stderr).contains("already running"), "{second:?}");

    // Busy with something that does not need its board: only the kernel can end it.
    uart.say("feed-forever");
    uart.expect("feeding");
    desk.power_off();
    let until = Instant::now() + PATIENCE;
    while kill(program, None).is_ok() {
        assert!(Instant::now() < until, "the program outlived its board");
        std::thread::sleep(Duration::from_millis(5));
    }
    desk.power_on().expect("probe: slot A cause 1 ");
}

#[test]
fn a_trial_that_only_crashes_ends_where_it_began() {
    let mut desk = Desk::new();
    desk.program("b", 2);
    desk.stage_b();
    let mut uart = desk.power_on();
    let mut last = None;
    for _ in 0..3 {
        last = Some(uart.greeting(last));
        uart.say("abort");
    }
    uart.expect("slot A, version 1.1.0, accepted, last reset Fault");
    desk.power_off();
    let state = desk.with_boot(SlotId::A, |_, boot| boot.state().unwrap());
    let (reason, last_reset) = (RollbackReason::AttemptsUsedUp, ResetCause::Fault);
    assert_eq!(state, BootState::RolledBack { running: SlotId::A, reason, last_reset });
}

#[test]
fn a_confirmed_image_stays_and_raises_the_floor() {
    let mut desk = Desk::new();
    desk.program("b", 2);
    desk.stage_b();
    desk.power_on().expect("probe: slot B cause 1 ");
    desk.power_off();
    desk.with_boot(SlotId::B, |_, boot| boot.confirm().unwrap());
    desk.power_on().expect("probe: slot B");
    desk.power_off();
    assert_eq!(desk.with_boot(SlotId::B, |_, boot| boot.security_floor().unwrap()), 2);
    // The image below the floor is no way back any more: a damaged slot B leaves nothing to start.
    desk.damage(SlotId::B);
    let end = desk.run_to_end();
    assert_eq!(end.status.code(), Some(3), "{end:?}");
    assert!(String::from_utf8_lossy(&end.stdout).contains("no slot holds an image"), "{end:?}");
}

#[test]
fn a_damaged_image_is_never_started() {
    let mut desk = Desk::new();
    desk.program("b", 1);
    desk.damage(SlotId::A);
    desk.power_on().expect("probe: slot B");
    desk.power_off();
    desk.damage(SlotId::B);
    let end = desk.run_to_end();
    assert_eq!(end.status.code(), Some(3), "{end:?}");
    assert!(String::from_utf8_lossy(&end.stdout).contains("no slot holds an image"), "{end:?}");
}
