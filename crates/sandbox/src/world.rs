//! The simulated world, and the one lock around it. The lock is never held across private-key operations. Whatever time has decided (expired material,
//! ended countdowns, finished rotations) is carried out before anybody looks.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use crate::aws::call::Call;
use crate::aws::events::Trail;
use crate::aws::iam::Iam;
use crate::aws::kms::family::Family;
use crate::aws::kms::lifecycle;
use crate::aws::kms::realm::Realm;
use crate::aws::kms::token::Seal;
use crate::aws::quota::Quotas;
use crate::aws::regions::Place;
use crate::clock::{Micros, VirtualClock};
use crate::config::Settings;
use crate::fault::Plan;
use crate::pool::KeyPool;

/// All that there is.
pub(crate) struct World {
    pub(crate) settings: Settings,
    pub(crate) iam: Iam,
    pub(crate) realms: HashMap<Place, Realm>,
    /// Multi-Region keys by account and key id.
    pub(crate) families: HashMap<(String, String), Family>,
    pub(crate) trail: Trail,
    pub(crate) quotas: Quotas,
    pub(crate) faults: Plan,
    pub(crate) seal: Seal,
    /// Calls whose effect comes late, with the further calls to wait for.
    pub(crate) late: Vec<(u32, Arc<Call>)>,
    agenda: BTreeSet<(Micros, Place, String)>,
}

impl World {
    /// An empty world; `seal` closes import tokens and page markers.
    pub(crate) fn new(settings: Settings, iam: Iam, seal: Seal) -> Self {
        Self {
            settings,
            iam,
            seal,
            realms: HashMap::new(),
            families: HashMap::new(),
            trail: Trail::default(),
            quotas: Quotas::default(),
            faults: Plan::default(),
            late: Vec::new(),
            agenda: BTreeSet::new(),
        }
    }

    /// The keys of an account in a Region.
    pub(crate) fn realm_mut(&mut self, place: &Place) -> &mut Realm {
        self.realms.entry(place.clone()).or_default()
    }

    /// When an event that happens now arrives in a queue.
    fn arrives_at(&self, now: Micros) -> Micros {
        now.saturating_add(i64::try_from(self.settings.events_delay_ms).unwrap_or(i64::MAX).saturating_mul(1_000))
    }

    /// Records a call in the trail. `error` is code and message.
    pub(crate) fn record_call(&mut self, call: &Call, touched: &[String], error: Option<(String, String)>, now: Micros) {
        let seen_at = self.arrives_at(now);
        self.trail.record_call(call, touched, error, now, seen_at);
    }

    /// Records in the trail what the cloud did by itself to a key.
    pub(crate) fn record_service(&mut self, name: &str, place: &Place, key_id: &str, event_id: String, at: Micros) {
        let seen_at = self.arrives_at(at);
        self.trail.record_service(name, place, key_id, event_id, at, seen_at);
    }

    /// Asks for a look at a key at that time. Looking too often does no harm: the key itself knows what is due.
    pub(crate) fn look_at(&mut self, at: Micros, place: &Place, key_id: &str) {
        self.agenda.insert((at, place.clone(), key_id.to_owned()));
    }

    /// Carries out what time has decided, oldest first.
    pub(crate) fn settle(&mut self, now: Micros) {
        while self.agenda.first().is_some_and(|(at, ..)| *at <= now) {
            if let Some((at, place, key_id)) = self.agenda.pop_first() {
                lifecycle::settle(self, &place, &key_id, at);
            }
        }
    }

    /// Counts one further call and returns the late effects that are due now.
    pub(crate) fn due_late(&mut self) -> Vec<Arc<Call>> {
        for (calls, _) in &mut self.late {
            *calls = calls.saturating_sub(1);
        }
        let (due, waiting): (Vec<_>, Vec<_>) = self.late.drain(..).partition(|(calls, _)| *calls == 0);
        self.late = waiting;
        due.into_iter().map(|(_, call)| call).collect()
    }
}

/// What every handler shares.
pub(crate) struct Shared {
    pub(crate) clock: VirtualClock,
    pub(crate) pool: KeyPool,
    world: Mutex<World>,
}

impl Shared {
    pub(crate) fn new(clock: VirtualClock, pool: KeyPool, world: World) -> Self {
        Self { clock, pool, world: Mutex::new(world) }
    }

    /// Moves the clock forward and carries out what became due.
    pub(crate) fn advance(&self, micros: u64) {
        self.clock.advance(micros);
        self.with_world(|_, _| ());
    }

    /// Looks at the world as it is now.
    pub(crate) fn with_world<T>(&self, look: impl FnOnce(&mut World, Micros) -> T) -> T {
        let mut world = self.world.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.now_micros();
        world.settle(now);
        look(&mut world, now)
    }
}
