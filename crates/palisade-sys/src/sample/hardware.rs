//! What measures the machine itself: temperatures, memory errors, InfiniBand, disks' own records
//! (SMART) and graphics processors.
//!
//! Some drivers take milliseconds for one temperature and some programs seconds, so that a thread
//! of its own asks them: sensors and graphics processors once a minute, disks once an hour. A sample
//! takes what is there. Sources that the machine does not have cost nothing and are not named.

mod gpu;
mod program;
mod sensors;
mod smart;

pub use gpu::{Gpu, nvidia_parse};
pub use smart::{Smart, smart_parse};

use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

const SENSORS_EVERY: Duration = Duration::from_secs(60);
/// In rounds of [`SENSORS_EVERY`].
const DISKS_EVERY_ROUNDS: u64 = 60;

/// One thermometer.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Temperature {
    /// `coretemp Package id 0`.
    pub sensor: String,
    /// Degrees Celsius.
    pub celsius: f64,
}

/// What the machine says of itself; empty where it says nothing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Hardware {
    /// Every thermometer, at most 64.
    pub temperatures: Vec<Temperature>,
    /// Memory errors since the start that were corrected, and that were not (EDAC).
    pub memory_errors: Option<(u64, u64)>,
    /// True when a port of an InfiniBand card is not active; absent without such a card.
    pub infiniband_down: Option<bool>,
    /// Every disk that keeps a record, at most 64.
    pub disks: Vec<Smart>,
    /// The program that reads these records is there and could not read one: it needs rights to raw
    /// devices that a confined agent does not have.
    pub disks_closed: bool,
    /// Every graphics processor, at most 16.
    pub gpus: Vec<Gpu>,
}

impl Hardware {
    /// One look at everything. Takes seconds where there are many disks.
    pub fn look(root: &Path) -> Hardware {
        let mut hardware = Hardware::default();
        hardware.look_at_sensors(root);
        hardware.look_at_disks(root);
        hardware
    }

    /// The disks' own records. That of a disk which sleeps and is not woken stays as it was.
    pub fn look_at_disks(&mut self, root: &Path) {
        let before = std::mem::take(&mut self.disks);
        (self.disks, self.disks_closed) = smart::look(root);
        let is_there = |disk: &Smart| root.join("sys/block").join(&disk.device).exists();
        for disk in before.into_iter().filter(is_there) {
            if self.disks.iter().all(|new| new.device != disk.device) {
                self.disks.push(disk);
            }
        }
        self.disks_closed &= self.disks.is_empty();
    }

    /// Everything but the disks.
    pub fn look_at_sensors(&mut self, root: &Path) {
        self.temperatures = sensors::temperatures(root);
        self.memory_errors = sensors::memory_errors(root);
        self.infiniband_down = sensors::infiniband_down(root);
        self.gpus = gpu::look(root);
    }
}

/// Asks again and again, until it is dropped.
#[derive(Debug)]
pub struct Worker {
    newest: Arc<Mutex<Arc<Hardware>>>,
    /// Nothing is ever sent: the thread ends when this end is gone.
    _alive: Option<SyncSender<()>>,
}

impl Worker {
    /// Of the running system, from now on.
    pub fn start() -> Worker {
        let newest: Arc<Mutex<Arc<Hardware>>> = Arc::default();
        let into = Arc::clone(&newest);
        let (alive, ended) = sync_channel::<()>(0);
        let run = move || {
            let root = PathBuf::from("/");
            let mut hardware = Hardware::default();
            for round in 0_u64.. {
                hardware.look_at_sensors(&root);
                // with the first round only sensors: nobody waits an hour, nor for a disk that hangs
                if round % DISKS_EVERY_ROUNDS == 1 {
                    hardware.look_at_disks(&root);
                }
                *into.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(hardware.clone());
                if ended.recv_timeout(SENSORS_EVERY) != Err(RecvTimeoutError::Timeout) {
                    return;
                }
            }
        };
        let started = std::thread::Builder::new().name("hardware".to_owned()).spawn(run);
        if let Err(error) = &started {
            tracing::warn!(error = error.to_string(), "hardware is not measured: no thread");
        }
        Worker { newest, _alive: started.is_ok().then_some(alive) }
    }

    /// As of the last time that it was asked.
    pub fn newest(&self) -> Arc<Hardware> {
        Arc::clone(&self.newest.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
