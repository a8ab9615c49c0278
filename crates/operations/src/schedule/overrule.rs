//! A person's word counts more than a drill (FT-019): who wants a key out of use that a drill has killed just now finds it so, and the drill does not bring it back.

use keystead_domain::{
    DrillId, KeyId, OperationId,
    drill::{self, DrillState, Next, Stands},
};
use keystead_store::{StoreError, Tx, drills, keys::KeyRow};

use super::drills::{Standing, standing};
use crate::Engine;

impl Engine {
    /// Ends every drill that has taken one of these keys out of use and would bring it back, in the transaction of a person's word. Answers the key and the operation, when
    /// one is brought back at this very moment: then it is not out of use for long, and the person has to come again.
    ///
    /// # Errors
    /// What the store says; [`StoreError::MovedOn`] when the drill has gone on since.
    pub fn overrule_drills(&self, tx: &mut Tx<'_>, keys: &[KeyId], name: &str) -> Result<Option<(KeyRow, OperationId)>, StoreError> {
        for id in keys {
            for row in drills::open_with(tx, id)? {
                let Some(standing) = readable(standing(tx, &row), &row.id)? else { continue };
                match drill::next(row.state, Stands::read(&standing.operation.state)) {
                    Next::Wait if row.state == DrillState::Restoring => return Ok(Some((standing.key, standing.operation.id))),
                    Next::Restore => self.overrule(tx, standing, name)?,
                    _ => {}
                }
            }
        }
        Ok(None)
    }

    fn overrule(&self, tx: &mut Tx<'_>, standing: Standing, name: &str) -> Result<(), StoreError> {
        let why = format!("{name} has overruled it: what it had killed shall be out of use, and stays so.");
        self.write_end_of_drill(tx, &standing, DrillState::Failed, &why)
    }
}

/// One that cannot be read is brought back by nobody, and holds up no kill.
fn readable(standing: Result<Standing, StoreError>, drill: &DrillId) -> Result<Option<Standing>, StoreError> {
    match standing {
        Err(StoreError::Corrupt(what)) => {
            tracing::error!(%drill, what, "a drill cannot be read, and is left out");
            Ok(None)
        }
        other => other.map(Some),
    }
}
