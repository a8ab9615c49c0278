//! The dry run: what an action would do to which keys, how long it takes under the quotas, and what it costs. It changes nothing.

use std::collections::BTreeMap;

use keystead_cloud::{Capabilities, Prices};
use keystead_domain::{KeyId, KeystoreId, Selector};
use keystead_identity::{Action, Principal};
use keystead_operations::{
    Problem,
    effort::{Calls, Effort},
    step::Step,
};
use keystead_store::keys::KeyRow;

use super::{
    BatchAction,
    begin::digest_of,
    foresee::Foreseen,
    words::{already_so, problem_of},
};
use crate::{
    App, Error,
    keys::dependants::{Dependants, LOOKED_AT_MAX},
    permit,
};

/// How many keys a plan shows by name, of those that it is about and of those that would be refused.
const SHOWN_MAX: usize = 100;

/// What would become of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// An operation changes it.
    Changes,
    /// Nothing has to be done.
    AlreadySo,
    /// It is refused.
    Refused,
}

impl Verdict {
    /// The word in API and command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Changes => "changes",
            Self::AlreadySo => "already-so",
            Self::Refused => "refused",
        }
    }
}

/// A key that a plan is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedKey {
    /// Id.
    pub id: KeyId,
    /// Name.
    pub name: String,
    /// Name of its keystore.
    pub keystore: String,
    /// What would become of it.
    pub verdict: Verdict,
    /// Why nothing would be done.
    pub problem: Option<Problem>,
}

/// A keystore in a plan.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Place {
    /// Its name.
    pub keystore: String,
    /// How many keys would change.
    pub changes: u64,
    /// How many are already so.
    pub already_so: u64,
    /// How many would be refused.
    pub refused: u64,
    /// How long its own changes take under the quotas, in microseconds.
    pub micros: i64,
    /// What its cloud would charge more, or less, for a month, in US cents; `None` where nobody says.
    pub cents_month: Option<i64>,
}

/// What an action would do.
#[derive(Debug, Clone)]
pub struct Plan {
    /// How many keys it is about.
    pub keys: u64,
    /// The digest of these keys: a batch that is begun with it is about them and no others.
    pub digest: String,
    /// By keystore, in the order of their names.
    pub places: Vec<Place>,
    /// How long all of it takes under the quotas, in microseconds: keystores of one cloud account and Region share them.
    pub micros: i64,
    /// What the clouds would charge more, or less, for a month, in US cents, as far as somebody says.
    pub cents_month: i64,
    /// Where the prices come from.
    pub prices: Option<Prices>,
    /// The first keys.
    pub first: Vec<PlannedKey>,
    /// The first of those that would be refused.
    pub refused: Vec<PlannedKey>,
    /// Who depends on the keys that would change; of actions that take keys out of use.
    pub dependants: Option<Dependants>,
}

impl App {
    /// Says what an action on many keys would come to.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a selector that says nothing, [`Error::NotFound`] for what it names and is not there.
    pub async fn plan_batch(&self, principal: &Principal, action: &BatchAction, selector: &Selector) -> Result<Plan, Error> {
        permit(principal, Action::Read, &principal.account, ())?;
        if let BatchAction::Update(change) = action {
            change.check()?;
        }
        let (mut drawn, mut ending) = (Drawing::default(), Vec::new());
        for key in self.select(principal, selector, action.event()).await? {
            let foreseen = self.foresee(principal, &key, action).await?;
            if let Foreseen::Changes(work) = &foreseen {
                for (keystore, _) in &work.steps {
                    self.look_up(&mut drawn, keystore).await?;
                }
                if action.takes_out_of_use() && ending.len() < LOOKED_AT_MAX {
                    ending.push(key.clone());
                }
            }
            drawn.add(&key, action, foreseen);
        }
        let dependants = if action.takes_out_of_use() { Some(self.dependants(ending).await?) } else { None };
        Ok(Plan { dependants, ..drawn.done() })
    }

    /// What a keystore's cloud can do, once a plan.
    async fn look_up(&self, drawn: &mut Drawing, keystore: &KeystoreId) -> Result<(), Error> {
        if !drawn.capabilities.contains_key(keystore) {
            let found = self.engine.capabilities_of(keystore).await?;
            drawn.capabilities.insert(keystore.clone(), found);
        }
        Ok(())
    }
}

/// A plan that is being drawn.
#[derive(Default)]
struct Drawing {
    capabilities: BTreeMap<KeystoreId, Option<Capabilities>>,
    places: BTreeMap<KeystoreId, Place>,
    /// The calls to each keystore's place that the changes of each keystore's keys make.
    calls: BTreeMap<(KeystoreId, KeystoreId), Calls>,
    first: Vec<PlannedKey>,
    refused: Vec<PlannedKey>,
    prices: Option<Prices>,
    ids: Vec<KeyId>,
}

impl Drawing {
    fn add(&mut self, key: &KeyRow, action: &BatchAction, foreseen: Foreseen) {
        self.ids.push(key.id.clone());
        let place = self.places.entry(key.keystore_id.clone()).or_insert_with(|| Place { keystore: key.keystore_name.clone(), ..Place::default() });
        let (verdict, problem) = match foreseen {
            Foreseen::Changes(work) => {
                place.changes += 1;
                self.charge(key, work.keys_charged);
                work.steps.iter().for_each(|(at, step)| self.count(key, at, step));
                (Verdict::Changes, None)
            }
            Foreseen::AlreadySo => {
                place.already_so += 1;
                (Verdict::AlreadySo, Some(already_so(key, action.event())))
            }
            Foreseen::Refused(error) => {
                place.refused += 1;
                (Verdict::Refused, Some(problem_of(&error)))
            }
        };
        let planned = PlannedKey { id: key.id.clone(), name: key.name.clone(), keystore: key.keystore_name.clone(), verdict, problem };
        if verdict == Verdict::Refused && self.refused.len() < SHOWN_MAX {
            self.refused.push(planned.clone());
        }
        if self.first.len() < SHOWN_MAX {
            self.first.push(planned);
        }
    }

    fn count(&mut self, key: &KeyRow, at: &KeystoreId, step: &Step) {
        self.calls.entry((key.keystore_id.clone(), at.clone())).or_default().add_step(step);
    }

    fn charge(&mut self, key: &KeyRow, keys: i64) {
        let prices = self.capabilities.get(&key.keystore_id).and_then(Option::as_ref).and_then(|capabilities| capabilities.prices);
        let Some((prices, place)) = prices.zip(self.places.get_mut(&key.keystore_id)) else { return };
        *place.cents_month.get_or_insert(0) += keys * i64::from(prices.key_month_cents);
        self.prices = Some(prices);
    }

    fn done(mut self) -> Plan {
        let mut whole = Effort::default();
        for (id, place) in &mut self.places {
            let mut own = Effort::default();
            for ((_, at), calls) in self.calls.iter().filter(|((of, _), _)| of == id) {
                if let Some(Some(capabilities)) = self.capabilities.get(at) {
                    own.add(capabilities, calls);
                    whole.add(capabilities, calls);
                }
            }
            place.micros = own.micros();
        }
        let mut places: Vec<Place> = self.places.into_values().collect();
        places.sort_by(|one, other| one.keystore.cmp(&other.keystore));
        Plan {
            keys: places.iter().map(|place| place.changes + place.already_so + place.refused).sum(),
            micros: whole.micros(),
            cents_month: places.iter().filter_map(|place| place.cents_month).sum(),
            digest: digest_of(&self.ids),
            places,
            prices: self.prices,
            first: self.first,
            refused: self.refused,
            dependants: None,
        }
    }
}
