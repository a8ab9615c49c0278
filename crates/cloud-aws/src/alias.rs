//! Pointing an alias at a key, without taking it from anybody.
//!
//! AWS has no "move only if it points there": between our look and our move somebody else may act. The look comes right before, and `operations` lets only one
//! operation at a time change a key; what a person does in the same instant in the console is drift, and is found as such.

use keystead_cloud::{CloudError, CloudKeyId, Fault, Kind, Reply, Retry, Target};
use keystead_domain::Alias;

use crate::{client::AwsCloud, send::send};

impl AwsCloud {
    /// Creates the alias, or moves it from `from`.
    pub(crate) async fn point(&self, alias: &Alias, key: &CloudKeyId, from: Option<&CloudKeyId>) -> Result<Reply<()>, CloudError> {
        if from.is_none() {
            return self.create_or_find(alias, key, None).await;
        }
        let Reply { value: target, request_id } = self.target(alias).await?;
        match target {
            Target::Key(current) if current == *key => Ok(Reply { value: (), request_id }),
            Target::Key(current) if Some(&current) == from => self.move_alias(alias, key).await,
            Target::Key(_) => Err(taken(alias, request_id)),
            Target::Nobody | Target::Hidden => self.create_or_find(alias, key, from).await,
        }
    }

    /// Creating takes an alias from nobody, so that no look needs to come before it.
    async fn create_or_find(&self, alias: &Alias, key: &CloudKeyId, from: Option<&CloudKeyId>) -> Result<Reply<()>, CloudError> {
        match self.create_alias(alias, key).await {
            Err(error) if error.kind == Kind::AliasTaken => self.point_existing(alias, key, from, error).await,
            other => other,
        }
    }

    /// The alias was not to be seen, and yet it exists: made in the meantime, perhaps by our own call whose answer was lost. One more look decides; if it is
    /// still not to be seen, the look is repeated when AWS has caught up.
    async fn point_existing(&self, alias: &Alias, key: &CloudKeyId, from: Option<&CloudKeyId>, error: CloudError) -> Result<Reply<()>, CloudError> {
        let Reply { value: target, request_id } = self.target(alias).await?;
        match target {
            Target::Key(current) if current == *key => Ok(Reply { value: (), request_id }),
            Target::Key(current) if Some(&current) == from => self.move_alias(alias, key).await,
            Target::Key(_) | Target::Hidden => Err(error),
            Target::Nobody => Err(CloudError { retry: Retry::UntilVisible, ..error }),
        }
    }

    /// Removes the alias if it points at the key; if it points elsewhere or nowhere, nothing is to be done. If we may not look we cannot know, and say so.
    pub(crate) async fn unpoint(&self, alias: &Alias, key: &CloudKeyId) -> Result<Reply<()>, CloudError> {
        match self.metadata(&alias.with_prefix()).await {
            Ok(seen) if seen.value.key_id == key.0 => {}
            Ok(Reply { request_id, .. }) => return Ok(Reply { value: (), request_id }),
            Err(error) if error.kind == Kind::NotFound => return Ok(Reply { value: (), request_id: error.request_id }),
            Err(error) => return Err(error),
        }
        match send!(self, "DeleteAlias", self.kms.delete_alias().alias_name(alias.with_prefix())) {
            Err(error) if error.kind == Kind::NotFound => Ok(Reply { value: (), request_id: error.request_id }),
            other => Ok(other?.map(drop)),
        }
    }

    async fn create_alias(&self, alias: &Alias, key: &CloudKeyId) -> Result<Reply<()>, CloudError> {
        Ok(send!(self, "CreateAlias", self.kms.create_alias().alias_name(alias.with_prefix()).target_key_id(&key.0))?.map(drop))
    }

    async fn move_alias(&self, alias: &Alias, key: &CloudKeyId) -> Result<Reply<()>, CloudError> {
        Ok(send!(self, "UpdateAlias", self.kms.update_alias().alias_name(alias.with_prefix()).target_key_id(&key.0))?.map(drop))
    }

    /// DescribeKey takes an alias, and is asked with a permission that we have anyway; ListAliases would page through all of the account. What may not be looked at is at
    /// a key that is not ours, or at nothing, if AWS checks the permission before it looks for the alias.
    pub(crate) async fn target(&self, alias: &Alias) -> Result<Reply<Target>, CloudError> {
        match self.metadata(&alias.with_prefix()).await {
            Ok(reply) => Ok(reply.map(|key| Target::Key(CloudKeyId(key.key_id)))),
            Err(error) if error.kind == Kind::NotFound => Ok(Reply { value: Target::Nobody, request_id: error.request_id }),
            Err(error) if error.kind == Kind::AccessDenied => Ok(Reply { value: Target::Hidden, request_id: error.request_id }),
            Err(error) => Err(error),
        }
    }
}

fn taken(alias: &Alias, request_id: Option<String>) -> CloudError {
    let message = format!("{} points at a key that is not ours to move it from.", alias.with_prefix());
    CloudError { kind: Kind::AliasTaken, fault: Fault::Ours, retry: Retry::Never, call: "DescribeKey", code: "AliasTaken".into(), message, request_id }
}
