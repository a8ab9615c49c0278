//! The modules that hold the same root, for redundancy and load: a token and its clones. A job goes to the one with the fewest waiting jobs, and when that one does not do
//! it, to the next: jobs may be run again from the beginning. What all of them can is settled when the vault opens; who can less and comes later is not taken.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError, RwLock,
    atomic::{AtomicUsize, Ordering},
};

use crate::{Abilities, Condition, Hsm, HsmError, Job};

/// The modules of one root.
pub(crate) struct Members {
    present: RwLock<Vec<Arc<dyn Hsm>>>,
    /// Those that did not open, and why.
    absent: Mutex<Vec<(Arc<dyn Hsm>, HsmError)>>,
    /// What all can.
    abilities: Abilities,
    /// Whose turn it is among those with as many waiting jobs.
    turn: AtomicUsize,
}

/// One of the modules that may hold the root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// By which its owner tells it from others.
    pub name: String,
    /// Whether it holds the root, and works with the others.
    pub is_in: bool,
    /// How it is doing. Of one that is not in, the trouble is why not.
    pub condition: Condition,
}

/// How a module is opened and shows that it holds the root.
pub(crate) type Opening<'a> = dyn Fn(&Arc<dyn Hsm>) -> Result<Abilities, HsmError> + Sync + 'a;

impl Member {
    /// Whether it holds the root, and did its last job.
    pub fn is_up(&self) -> bool {
        self.is_in && self.condition.trouble.is_none()
    }
}

impl Members {
    /// One module alone.
    pub(crate) fn one(hsm: &Arc<dyn Hsm>, abilities: Abilities) -> Self {
        Self::new(vec![hsm.clone()], Vec::new(), abilities)
    }

    fn new(present: Vec<Arc<dyn Hsm>>, absent: Vec<(Arc<dyn Hsm>, HsmError)>, abilities: Abilities) -> Self {
        Self { present: RwLock::new(present), absent: Mutex::new(absent), abilities, turn: AtomicUsize::new(0) }
    }

    /// Those that opened, and those that did not; `None` when none did.
    pub(crate) fn of(opened: Vec<(Arc<dyn Hsm>, Abilities)>, absent: Vec<(Arc<dyn Hsm>, HsmError)>) -> Option<Self> {
        let abilities = opened.iter().map(|(_, abilities)| abilities.clone()).reduce(|all, one| all.and(&one))?;
        Some(Self::new(opened.into_iter().map(|(hsm, _)| hsm).collect(), absent, abilities))
    }

    /// Whether each of these is one of those.
    pub(crate) fn are_among(&self, others: &Self) -> bool {
        let others = others.present();
        self.present().iter().all(|hsm| others.iter().any(|other| Arc::ptr_eq(hsm, other)))
    }

    pub(crate) fn abilities(&self) -> &Abilities {
        &self.abilities
    }

    /// Runs a job on one of them. When none does it, the error is that which may pass, if there is one.
    pub(crate) fn run(&self, job: &Job) -> Result<(), HsmError> {
        let mut told: Option<HsmError> = None;
        for hsm in self.in_turn() {
            match hsm.run(job.clone()) {
                Err(error) if error.is_of_one_module() => {
                    if told.as_ref().is_none_or(|told| !told.passes()) {
                        told = Some(error);
                    }
                }
                done => return done,
            }
        }
        Err(told.unwrap_or(HsmError::NoRoot))
    }

    /// In which order they are asked: those that work before those that failed a short while ago, and who has less to do first.
    fn in_turn(&self) -> Vec<Arc<dyn Hsm>> {
        let mut all = self.present();
        let first = self.turn.fetch_add(1, Ordering::Relaxed) % all.len().max(1);
        all.rotate_left(first);
        all.sort_by_cached_key(|hsm| {
            let condition = hsm.condition();
            (condition.rests, condition.waiting)
        });
        all
    }

    /// Looks after all: one that is in is let show that it works, by `prove`, when it failed or has done nothing since the last look; one that was away is opened, and
    /// taken in if it holds the root, by `open`.
    pub(crate) fn look_after(&self, idle: &dyn Fn(&dyn Hsm) -> bool, prove: &Job, open: &Opening<'_>) {
        let in_question: Vec<_> = self.present().into_iter().filter(|hsm| hsm.condition().trouble.is_some() || idle(hsm.as_ref())).collect();
        let away: Vec<_> = self.absent().iter().filter(|(_, why)| may_come(why)).map(|(hsm, _)| hsm.clone()).collect();
        // One that hangs keeps nobody from being looked after but itself.
        std::thread::scope(|scope| {
            for hsm in &in_question {
                scope.spawn(|| drop(hsm.run(prove.clone())));
            }
            for hsm in &away {
                scope.spawn(|| self.take_in(hsm, open(hsm)));
            }
        });
    }

    /// What became of one that was away.
    fn take_in(&self, hsm: &Arc<dyn Hsm>, opened: Result<Abilities, HsmError>) {
        let opened = opened.and_then(|abilities| if abilities.covers(&self.abilities) { Ok(()) } else { Err(falls_short()) });
        let mut absent = self.absent();
        let Some(at) = absent.iter().position(|(away, _)| Arc::ptr_eq(away, hsm)) else { return };
        match opened {
            Ok(()) => {
                let (hsm, _) = absent.remove(at);
                self.present.write().unwrap_or_else(PoisonError::into_inner).push(hsm);
            }
            Err(why) => absent[at].1 = why,
        }
    }

    /// All of them, and how each is doing.
    pub(crate) fn list(&self) -> Vec<Member> {
        let member = |hsm: &Arc<dyn Hsm>, is_in, condition| Member { name: hsm.name().to_owned(), is_in, condition };
        let mut all: Vec<Member> = self.present().iter().map(|hsm| member(hsm, true, hsm.condition())).collect();
        all.extend(self.absent().iter().map(|(hsm, why)| member(hsm, false, Condition { trouble: Some(why.clone()), rests: true, ..hsm.condition() })));
        all
    }

    /// Closes all, those that never opened, too: they know their PINs.
    pub(crate) fn close(&self) {
        let absent = self.absent().iter().map(|(hsm, _)| hsm.clone()).collect();
        let all = [self.present(), absent].concat();
        std::thread::scope(|scope| {
            for hsm in &all {
                scope.spawn(|| hsm.close());
            }
        });
    }

    fn present(&self) -> Vec<Arc<dyn Hsm>> {
        self.present.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn absent(&self) -> MutexGuard<'_, Vec<(Arc<dyn Hsm>, HsmError)>> {
        self.absent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether one that did not open is tried again by itself. A PIN that was refused is not: each try counts; and who holds another root will not hold this one soon.
fn may_come(why: &HsmError) -> bool {
    why.passes() || matches!(why, HsmError::NoToken { .. })
}

fn falls_short() -> HsmError {
    HsmError::Cannot {
        what: "can less than the modules that opened the vault".to_owned(),
        mend: "Compare them by `keystead doctor hsm`; when the server starts with all of them, it does what all can.".to_owned(),
    }
}
