//! A module before a module: it passes the calls of PKCS#11 on to a soft token, and fails or delays those that a test names (`shim.c`). It is compiled by `cc`, where
//! the token lies.

use std::{
    cell::Cell,
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

/// The file by which the shim is told what to do.
const PLAN: &str = "KEYSTEAD_SHIM_PLAN";
/// The library behind it.
const MODULE: &str = "KEYSTEAD_SHIM_MODULE";
/// Which token's calls alone are meant, by its label.
pub const TOKEN: &str = "KEYSTEAD_SHIM_TOKEN";
/// In the place of a function's number: every one of them.
pub const EVERY: u8 = 99;
/// How many sessions it allows.
pub const SESSIONS: &str = "KEYSTEAD_SHIM_SESSIONS";

/// A shim, and the file by which it is told what to do.
pub struct Shim {
    /// The library to load in the place of the token's.
    pub library: PathBuf,
    plan: PathBuf,
    module: PathBuf,
    serial: Cell<u32>,
}

impl Shim {
    /// Compiles it into a directory.
    ///
    /// # Panics
    /// When there is no `cc`.
    pub fn build(home: &Path, module: &Path) -> Self {
        let (shim, source) = (Self::at(home, module), home.join("shim.c"));
        fs::write(&source, include_str!("shim.c")).expect("written");
        let built = Command::new("cc").args(["-shared", "-fPIC", "-O1", "-w", "-o"]).arg(&shim.library).arg(&source).args(["-ldl", "-lpthread"]).status();
        assert!(built.expect("cc is installed").success(), "the shim is compiled");
        shim
    }

    fn at(home: &Path, module: &Path) -> Self {
        Self { library: home.join("shim.so"), plan: home.join("plan"), module: module.to_owned(), serial: Cell::new(0) }
    }

    /// The one of this process, if it was started with [`environment`](Self::environment).
    pub fn of_this_process(home: &Path, module: &Path) -> Option<Self> {
        env::var_os(PLAN).map(|_| Self::at(home, module))
    }

    /// What it reads from the environment.
    pub fn environment(&self) -> [(&'static str, PathBuf); 2] {
        [(PLAN, self.plan.clone()), (MODULE, self.module.clone())]
    }

    /// From now on this function (its number in CK_FUNCTION_LIST) answers `value` so many times (-1: always), after a pause; 0 lets the module answer.
    /// Of C_GetTokenInfo the value is flags that the token gets beyond its own.
    ///
    /// # Panics
    /// When the plan cannot be written.
    pub fn fails(&self, function: u8, value: u32, times: i32, pause: Duration) {
        self.plan(function, value, times, pause, 0);
    }

    /// The same, but so many calls pass before it.
    ///
    /// # Panics
    /// When the plan cannot be written.
    pub fn fails_behind(&self, spared: u32, function: u8, value: u32, times: i32) {
        self.plan(function, value, times, Duration::ZERO, spared);
    }

    fn plan(&self, function: u8, value: u32, times: i32, pause: Duration, spared: u32) {
        self.serial.set(self.serial.get() + 1);
        let line = format!("{} {function} {value:x} {times} {} {spared}\n", self.serial.get(), pause.as_millis());
        let fresh = self.plan.with_extension("fresh");
        fs::write(&fresh, line).and_then(|()| fs::rename(&fresh, &self.plan)).expect("written");
    }

    /// From now on everything passes.
    ///
    /// # Panics
    /// When the plan cannot be written.
    pub fn works(&self) {
        self.fails(u8::MAX, 0, 0, Duration::ZERO);
    }
}
