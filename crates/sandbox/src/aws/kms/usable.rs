//! What every cryptographic operation asks of its key: that it may be used, for this, with this algorithm.

use super::super::call::Scene;
use super::super::errors::{AwsError, Code};
use super::key::{Key, LastUse};
use super::realm::Naming;
use super::spec::Usage;
use crate::secret::Secret;

impl Scene<'_> {
    /// The id of the key of a member, which must be in a state and of a usage for this call. `action` is the permission asked for.
    pub(crate) fn find_usable(&mut self, name: &str, usage: Usage, action: &str) -> Result<String, AwsError> {
        let (now, operation) = (self.now, self.call.operation.name);
        let key_id = self.find_named(name, Naming::AliasToo, action)?;
        let key = self.key(&key_id)?;
        if !key.lingers(now) {
            key.check(operation, now)?;
        }
        if key.usage == usage {
            return Ok(key_id);
        }
        let message = format!("{} key usage is {} which is not valid for {operation}.", key.arn(), key.usage.name());
        Err(AwsError::new(Code::InvalidKeyUsage, message))
    }

    /// Refuses the call of a dry run, after everything else was checked.
    pub(crate) fn end_dry_run(&self) -> Result<(), AwsError> {
        if self.request().flag("DryRun")? {
            return Err(AwsError::new(Code::DryRun, "The request would have succeeded, but the DryRun option is set."));
        }
        Ok(())
    }

    /// Notes a successful use.
    pub(crate) fn note_use(&mut self, key_id: &str) -> Result<(), AwsError> {
        let call = self.call;
        let used = LastUse { operation: call.operation.name, at: self.now, event_id: call.event_id.clone(), request_id: call.request_id.clone() };
        self.key(key_id)?.last_use = Some(used);
        Ok(())
    }
}

impl Key {
    /// Refuses an algorithm that does not go with this key.
    pub(crate) fn check_algorithm(&self, algorithm: &str) -> Result<(), AwsError> {
        if self.spec.algorithms(self.usage).contains(&algorithm) {
            return Ok(());
        }
        Err(AwsError::new(Code::InvalidKeyUsage, format!("Algorithm {algorithm} is incompatible with key spec {}.", self.spec.name)))
    }

    /// The current material. A key whose state lets it be used has it, unless the control plane forced that state.
    pub(crate) fn usable_bytes(&self) -> Result<&Secret, AwsError> {
        self.current_bytes().ok_or_else(|| AwsError::new(Code::InvalidState, format!("{} is pending import.", self.arn())))
    }
}
