//! Families of Regions: a replica is added, promoted and shown, and what is asked of a member that is the primary's to decide is refused by name (FT-046 to FT-050,
//! FT-054, FT-060, CM-015 lifted).

use keystead_domain::{
    Aliases, Custody, Event, Invalid, KeyId, KeyState, LineageId, Name, RegionRole, Tags, Timestamp, Verdict,
    key::family::{Reach, reach},
    verdict,
};
use keystead_identity::{Action, Principal};
use keystead_operations::{
    Saga,
    family::{PreparedCopy, ties_of_replica, unborn},
    saga::{add_replica::AddReplica, promote_replica::PromoteReplica, revert_key::RevertKey},
    stored::Stored,
};
use keystead_store::{StoreError, Tx, keys, keys::KeyRow, keystores, keystores::KeystoreRow, lineages::LineageRow, rotations, versions};

use super::{
    action_of,
    create::{check_description, insert_lineage},
    lifecycle::unchanged,
};
use crate::{App, Error, Request, Started, error::TxError, permit, request::Item, who};

/// A replica as it is asked for; what is left out is as the primary has it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewReplica {
    /// The keystore in the other Region, by id or name.
    pub keystore: String,
    /// Its name; left out, the primary's with the Region behind it.
    pub name: Option<Name>,
    /// Its aliases there.
    pub aliases: Option<Aliases>,
    /// Free text.
    pub description: Option<String>,
    /// Tags.
    pub tags: Option<Tags>,
}

/// A family: its primary, and the replicas that are not DELETED.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Family {
    /// The primary; of a single-Region key the key itself.
    pub primary: KeyRow,
    /// The replicas, in the order in which they were made.
    pub replicas: Vec<KeyRow>,
}

/// What the intent of a replica writes.
struct Rows {
    key: KeyRow,
    lineage: LineageRow,
    copies: Vec<PreparedCopy>,
    primary: KeyRow,
}

impl App {
    /// The family of a key.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn family(&self, principal: &Principal, id_or_name: &str) -> Result<Family, Error> {
        let key = self.key(principal, id_or_name).await?;
        let primary = self.primary_of(&key).await?.unwrap_or(key);
        let id = primary.id.clone();
        let replicas = self.store().read("keys.replicas_of", move |tx| keys::replicas_of(tx, &id)).await?;
        Ok(Family { primary, replicas })
    }

    /// The primary of a replica; `None` of every other key.
    pub(crate) async fn primary_of(&self, key: &KeyRow) -> Result<Option<KeyRow>, Error> {
        let Some(id) = key.ties.primary.clone().filter(|_| key.ties.role == RegionRole::Replica) else { return Ok(None) };
        Ok(self.store().read("keys.by_id", move |tx| keys::by_id(tx, &id)).await?)
    }

    /// Refuses what is to be asked of the primary, and the end of a primary before its last replica's. Answers the primary of a replica.
    pub(crate) async fn check_reach(&self, principal: &Principal, key: &KeyRow, event: Event) -> Result<Option<KeyRow>, Error> {
        match self.judge_reach(key, event).await? {
            Ok(primary) => Ok(primary),
            Err(error) => Err(self.refuse(principal, action_of(event), "family-in-step", key, error).await),
        }
    }

    /// The same without a word to the audit log: the refusal is the inner error.
    pub(crate) async fn judge_reach(&self, key: &KeyRow, event: Event) -> Result<Result<Option<KeyRow>, Error>, Error> {
        // Relatives of a virtual key are the cloud's to keep in step.
        if key.ties.custody == Custody::Native {
            return Ok(Ok(None));
        }
        let primary = self.primary_of(key).await?;
        Ok(Err(match reach(key.ties.role, event, primary.as_ref().map(|primary| primary.state)) {
            Reach::Alone | Reach::Family => return Ok(Ok(primary)),
            Reach::AskPrimary => self.ask_primary(key, event).await?,
            Reach::BehindReplicas => match self.living_replica(key).await? {
                None => return Ok(Ok(primary)),
                Some(replica) => Invalid::new(
                    "key",
                    format!("is the primary of the replica {}: AWS deletes a multi-Region primary only behind its last replica", replica.name),
                    format!("Remove it (`keystead key replica remove {0}`), or promote it (`keystead key replica promote {0}`).", replica.name),
                )
                .into(),
            },
        }))
    }

    /// A replica that does not count down to its deletion.
    async fn living_replica(&self, key: &KeyRow) -> Result<Option<KeyRow>, Error> {
        let id = key.id.clone();
        let replicas = self.store().read("keys.replicas_of", move |tx| keys::replicas_of(tx, &id)).await?;
        Ok(replicas.into_iter().find(|replica| replica.state != KeyState::PendingDeletion))
    }

    /// The refusal of what a replica does only with its primary.
    pub(crate) async fn ask_primary(&self, key: &KeyRow, event: Event) -> Result<Error, Error> {
        let primary = self.primary_of(key).await?;
        let (name, state) = primary.map_or_else(|| (String::new(), ""), |primary| (primary.name, primary.state.as_str()));
        let mend = match event {
            Event::CancelDeletion => format!("Cancel the deletion of the primary first: `keystead key cancel-deletion {name}`."),
            Event::Update => format!("Change expiry and policy of the primary: `keystead key update {name}`. The replicas follow."),
            _ => format!("Ask it of the primary, {name}: its replicas go along."),
        };
        Ok(Invalid::new("key", format!("is a replica of {name}, which is {state}: a family of Regions is kept in step"), mend).into())
    }

    /// Makes a replica in a keystore of another Region. The answer comes when its intent is durable; the operation then runs.
    ///
    /// # Errors
    /// [`Error::WrongState`], [`Error::Taken`], [`Error::Busy`], and [`Error::Invalid`] with the cloud's own rule.
    pub async fn add_replica(&self, principal: &Principal, request: &Request, id_or_name: &str, new: NewReplica) -> Result<Started, Error> {
        if let Some(earlier) = self.earlier(principal, request).await? {
            return Ok(earlier);
        }
        let primary = self.key(principal, id_or_name).await?;
        let keystore = self.active_keystore(principal, &new.keystore).await?;
        if let Err(error) = self.check_replica(&primary, &keystore).await {
            // The same request may have made it a moment ago.
            if let Some(earlier) = self.earlier(principal, request).await? {
                return Ok(earlier);
            }
            return Err(self.refuse(principal, action_of(Event::Replicate), "one-replica-a-region", &primary, error).await);
        }
        let rows = self.replica_rows(principal, &primary, &keystore, new).await?;
        self.begin_replica(principal, request, keystore, rows).await
    }

    /// What AWS would refuse, and what would not stay in step, before anything is made.
    pub(crate) async fn check_replica(&self, primary: &KeyRow, keystore: &KeystoreRow) -> Result<(), Error> {
        let id = primary.id.clone();
        check_part(primary, self.store().read("versions.is_bound", move |tx| versions::is_bound(tx, &id)).await?)?;
        if verdict(primary.state, Event::Replicate) != Verdict::Stay {
            return Err(Error::WrongState { key: primary.name.clone(), state: primary.state, event: Event::Replicate });
        }
        if !primary.enabled || !primary.material_present {
            let mend = format!("Bring it back first: `keystead key upload {}`.", primary.name);
            return Err(Invalid::new("key", "has no material in its own Region now, and a replica would have none either", mend).into());
        }
        self.catalog.check_multi_region(&keystore.cloud, &keystore.location)?;
        self.catalog.check_importable(&keystore.location, primary.spec)?;
        let id = primary.id.clone();
        let home = self.keystore_by_id(&primary.keystore_id).await?;
        check_place(&home, keystore, &self.partition(&home)?, &self.partition(keystore)?)?;
        let others = self.store().read("keys.replicas_of", move |tx| keys::replicas_of(tx, &id)).await?;
        check_region_is_free(&others, &keystore.location.region)
    }

    fn partition(&self, keystore: &KeystoreRow) -> Result<String, Error> {
        Ok(self.catalog.check_location(&keystore.cloud, &keystore.location)?)
    }

    async fn replica_rows(&self, principal: &Principal, primary: &KeyRow, keystore: &KeystoreRow, new: NewReplica) -> Result<Rows, Error> {
        let (now, by) = (self.now(), who(principal));
        if let Some(text) = &new.description {
            check_description(text)?;
        }
        let name = match new.name {
            Some(name) => name,
            None => suggested_name(&primary.name, &keystore.location.region)?,
        };
        let id = KeyId::new(now, self.random());
        let lineage = LineageRow {
            id: LineageId::new(now, self.random()),
            account_id: primary.account_id.clone(),
            keystore_id: keystore.id.clone(),
            name: name.to_string(),
            aliases: new.aliases.unwrap_or_else(|| primary.aliases.clone()),
            current_key_id: id.clone(),
            created_at: now,
        };
        let holder = primary.ties.source.clone().unwrap_or_else(|| primary.id.clone());
        let key = KeyRow {
            keystore_id: keystore.id.clone(),
            keystore_name: keystore.name.clone(),
            cloud: keystore.cloud.clone(),
            region: keystore.location.region.clone(),
            lineage_id: lineage.id.clone(),
            name: lineage.name.clone(),
            aliases: lineage.aliases.clone(),
            is_current: true,
            description: new.description.unwrap_or_else(|| primary.description.clone()),
            tags: new.tags.unwrap_or_else(|| primary.tags.clone()),
            ties: ties_of_replica(&primary.id, &holder, primary.ties.is_exportable),
            ..unborn(primary, id, &by, now)
        };
        let copies = self.engine.prepare_copies(primary, &key.id, &by, now).await?;
        Ok(Rows { key, lineage, copies, primary: primary.clone() })
    }

    async fn begin_replica(&self, principal: &Principal, request: &Request, keystore: KeystoreRow, rows: Rows) -> Result<Started, Error> {
        let saga = Saga::AddReplica(AddReplica {
            replica: Stored(rows.key.id.clone()),
            primary: Stored(rows.primary.id.clone()),
            lineage: Stored(rows.lineage.id.clone()),
            aliases: rows.lineage.aliases.clone().into(),
            expires: rows.key.expires_at.map(Into::into),
        });
        let proof = permit(principal, Action::ManageKeys, &keystore.account_id, saga)?;
        let intent = self
            .engine
            .intend(&proof.payload, &keystore, &who(principal), proof.rule, request.idempotency.clone())
            .detail("name", rows.key.name.clone())
            .detail("primary", rows.primary.id.to_string())
            .detail("region", rows.key.region.clone());
        let item = request.item.clone();
        let intent = item.iter().map(Item::told).fold(intent, |intent, (of, id)| intent.detail(of, id));
        let refusal = self.entry(principal, action_of(Event::Replicate), "names-are-unique").key(&rows.primary).detail("name", rows.key.name.clone());
        let (answer, holds) = (rows.key.clone(), [(rows.primary.id.to_string(), rows.primary.name.clone()), (keystore.id.to_string(), keystore.name.clone())]);
        let written = self
            .store()
            .write("keys.add_replica", move |tx| {
                insert(tx, &keystore, &rows)?;
                let operation = intent.write(tx)?;
                item.iter().try_for_each(|item| item.begin(tx, &operation.id))?;
                Ok::<_, TxError>(operation)
            })
            .await;
        match written {
            Ok(operation) => {
                self.engine.start(operation.clone());
                Ok(Started { operation: Some(operation), key: Some(answer) })
            }
            Err(error) => match self.not_begun(principal, request, error, &holds).await {
                Err(Error::Taken { field, value }) => Err(self.refuse_taken(refusal, field, value).await),
                Err(error) => Err(self.or_root_changed(error).await),
                begun => begun,
            },
        }
    }

    /// Makes a replica the primary of its family. The primary itself is told that it is so already.
    ///
    /// # Errors
    /// [`Error::WrongState`], [`Error::Busy`], and of a key that is no replica.
    pub async fn promote_replica(&self, principal: &Principal, request: &Request, id_or_name: &str) -> Result<Started, Error> {
        if let Some(earlier) = self.earlier(principal, request).await? {
            return Ok(earlier);
        }
        let key = self.key(principal, id_or_name).await?;
        let action = action_of(Event::Promote);
        let primary = match (key.ties.role, self.primary_of(&key).await?) {
            (RegionRole::Replica, Some(primary)) => primary,
            (RegionRole::Primary, _) => {
                if let Some(earlier) = self.earlier(principal, request).await? {
                    return Ok(earlier);
                }
                self.note_no_op(principal, action, &key).await?;
                return Ok(Started { operation: None, key: Some(key) });
            }
            _ => {
                let error = Invalid::new("key", "is a single-Region key and has no family", "Name a replica: `keystead key family` lists them.").into();
                return Err(self.refuse(principal, action, "replicas-are-promoted", &key, error).await);
            }
        };
        for member in [&key, &primary] {
            if verdict(member.state, Event::Promote) != Verdict::Stay {
                let error = Error::WrongState { key: member.name.clone(), state: member.state, event: Event::Promote };
                return Err(self.refuse(principal, action, "lifecycle-table", &key, error).await);
            }
        }
        let saga = Saga::PromoteReplica(PromoteReplica {
            replica: Stored(key.id.clone()),
            primary: Stored(primary.id.clone()),
            replica_lineage: Stored(key.lineage_id.clone()),
            primary_lineage: Stored(primary.lineage_id.clone()),
        });
        self.begin(principal, request, key, saga, unchanged(Some(primary), Box::new(|_| Ok(())))).await
    }

    /// A renewal is undone in every Region or in none: whoever of the old family is in use must get its alias back.
    pub(crate) async fn check_goes_back_whole(&self, saga: &RevertKey) -> Result<(), Error> {
        let (old, pairs) = (saga.predecessor.0.clone(), saga.clone());
        let left_out = self.store().read("keys.replicas_of", move |tx| left_out(tx, &old, &pairs)).await?;
        let Some(name) = left_out else { return Ok(()) };
        let reason = format!("was renewed together with the replica {name}, whose successor is not in use any more");
        Err(Invalid::new("key", reason, format!("Remove that replica of the predecessor first: `keystead key replica remove {name}`. Then revert.")).into())
    }
}

/// The name of a member of the predecessor's family that is in use and gets nothing back.
fn left_out(tx: &mut Tx<'_>, old: &KeyId, saga: &RevertKey) -> Result<Option<String>, StoreError> {
    let Some(row) = keys::by_id(tx, old)? else { return Ok(None) };
    let root = match &row.ties.primary {
        Some(primary) => keys::by_id(tx, primary)?.unwrap_or(row),
        None => row,
    };
    let mut members = keys::replicas_of(tx, &root.id)?;
    members.push(root);
    let goes_back = |id: &KeyId| saga.replicas.iter().chain([saga]).any(|one| one.predecessor.0 == *id);
    let in_use = |key: &&KeyRow| matches!(key.state, KeyState::Active | KeyState::Replaced);
    Ok(members.iter().filter(in_use).find(|key| !goes_back(&key.id)).map(|key| key.name.clone()))
}

/// Only of a primary can a replica be made, and only what may leave the vault is copied.
fn check_part(key: &KeyRow, is_bound: bool) -> Result<(), Invalid> {
    match key.ties.role {
        RegionRole::Primary if key.ties.is_exportable && !is_bound => Ok(()),
        RegionRole::Primary => {
            Err(Invalid::new("key", "has material that may not leave the vault as a copy", "Make another multi-Region key, whose material may."))
        }
        RegionRole::Replica => Err(Invalid::new(
            "key",
            "is a replica, and AWS makes replicas of a primary only",
            "Name the primary: `keystead key family` shows it. Or promote this replica first.",
        )),
        RegionRole::Single => Err(Invalid::new(
            "key",
            "is a single-Region key, and AWS cannot make a multi-Region key of it",
            "Make a new key with --multi-region (`multi_region`), and move to it.",
        )),
    }
}

/// A family has one AWS account and partition, and one key in each Region.
fn check_place(home: &KeystoreRow, there: &KeystoreRow, partition: &str, other: &str) -> Result<(), Invalid> {
    let refuse = |reason: String, mend: &str| Err(Invalid::new("keystore", reason, mend));
    let (from, to) = (&home.location, &there.location);
    if partition != other {
        return refuse(
            format!("is in the partition {other}, and the key in {partition}: a multi-Region key stays in one"),
            "Choose a keystore of the same partition.",
        );
    }
    if from.account != to.account {
        return refuse(
            format!("is in the AWS account {}, and the key in {}: all Regions of a key are in one account", to.account, from.account),
            "Choose a keystore of the same AWS account.",
        );
    }
    if from.region == to.region {
        return refuse(format!("is in {}, the key's own Region", to.region), "Choose a keystore in another Region.");
    }
    Ok(())
}

fn check_region_is_free(replicas: &[KeyRow], region: &str) -> Result<(), Error> {
    let Some(there) = replicas.iter().find(|replica| replica.region == region) else { return Ok(()) };
    let reason = format!("is in {region}, where the key has its replica {} ({}): AWS allows one in each Region", there.name, there.state.as_str());
    let mend = match there.state {
        KeyState::PendingDeletion => {
            format!("Keep that one: `keystead key cancel-deletion {0}`, then `keystead key activate {0}`. Or wait until it is gone.", there.name)
        }
        _ => "Choose a keystore in another Region.".to_owned(),
    };
    Err(Invalid::new("keystore", reason, mend).into())
}

/// `orders_us-east-1`.
pub(crate) fn suggested_name(primary: &str, region: &str) -> Result<Name, Invalid> {
    let text = format!("{primary}_{region}");
    Name::parse(&text).map_err(|_| Invalid::new("name", format!("would be {text}, which is no name"), "Give the replica a name of its own."))
}

fn insert(tx: &mut Tx<'_>, keystore: &KeystoreRow, rows: &Rows) -> Result<(), TxError> {
    if !keystores::hold_active(tx, &keystore.id)? {
        return Err(Error::NotFound { what: "keystore", name: keystore.name.clone() }.into());
    }
    // Since the look somebody may have changed the primary, or have made a replica.
    if keys::by_id(tx, &rows.primary.id)?.is_none_or(|now| now.revision != rows.primary.revision) {
        return Err(Error::MovedOn.into());
    }
    check_region_is_free(&keys::replicas_of(tx, &rows.primary.id)?, &rows.key.region)?;
    insert_lineage(tx, &rows.lineage)?;
    keys::insert(tx, &rows.key)?;
    rows.copies.iter().try_for_each(|copy| copy.write(tx))?;
    // Its material was last renewed when its primary's was: whoever is promoted goes on from there.
    let last: Option<Timestamp> = rows.primary.rotation.last;
    Ok(last.map_or(Ok(()), |last| rotations::rotated(tx, &rows.lineage.id, last))?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use keystead_domain::keystore::{AwsLocation, KeystoreState};

    fn keystore(account: &str, region: &str) -> KeystoreRow {
        let location = AwsLocation { region: region.into(), account: account.into(), role_arn: None, external_id: None };
        KeystoreRow {
            id: keystead_domain::KeystoreId::new(Timestamp::from_secs(1), [1; 10]),
            account_id: keystead_domain::AccountId::new(Timestamp::from_secs(1), [2; 10]),
            name: "eu".into(),
            cloud: "aws".into(),
            location,
            state: KeystoreState::Active,
            created_at: Timestamp::from_secs(1),
            created_by: "system".into(),
            deleted_at: None,
            swept_at: Timestamp::from_secs(1),
            alert_channels: keystead_domain::AlertChannels::All,
        }
    }

    #[test]
    fn a_replica_lives_in_another_region_of_the_same_account_and_partition_ft_047() {
        let home = keystore("123456789012", "eu-west-1");
        assert_eq!(check_place(&home, &keystore("123456789012", "us-east-1"), "aws", "aws"), Ok(()));
        for (there, partition, word) in [
            (keystore("123456789012", "eu-west-1"), "aws", "own Region"),
            (keystore("111122223333", "us-east-1"), "aws", "AWS account"),
            (keystore("123456789012", "cn-north-1"), "aws-cn", "partition"),
        ] {
            let refused = check_place(&home, &there, "aws", partition).expect_err(word);
            assert!(refused.field == "keystore" && refused.reason.contains(word), "{refused:?}");
        }
    }

    #[test]
    fn a_replica_is_named_after_its_primary_and_its_region() {
        assert_eq!(suggested_name("orders", "us-east-1").map(|name| name.to_string()), Ok("orders_us-east-1".to_owned()));
        assert_eq!(suggested_name(&"o".repeat(60), "us-east-1").expect_err("too long").field, "name");
    }
}
