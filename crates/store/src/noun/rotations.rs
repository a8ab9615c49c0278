//! Rotation: the policies, and what is planned for each lineage.

use keystead_domain::{
    AccountId, KeyId, KeystoreId, LineageId, Timestamp,
    rotation::{Scope, Strategy, Wish},
};

use super::{
    keys::{self, KeyRow},
    page::{Listed, Page},
    readable,
};
use crate::{Row, StoreError, Tx};

/// A policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyRow {
    /// Account.
    pub account_id: AccountId,
    /// What it is for.
    pub scope: Scope,
    /// The name of that key or keystore; empty for the default.
    pub name: String,
    /// What it says.
    pub wish: Wish,
    /// When set.
    pub set_at: Timestamp,
    /// By whom.
    pub set_by: String,
}

/// The id under which a policy lies: of the lineage, the keystore or the account.
fn subject<'a>(account: &'a AccountId, scope: &'a Scope) -> &'a str {
    match scope {
        Scope::Key(lineage) => lineage.as_str(),
        Scope::Keystore(keystore) => keystore.as_str(),
        Scope::Default => account.as_str(),
    }
}

const COLUMNS: &str = "SELECT p.subject_id, p.account_id, p.scope, COALESCE(l.name, s.name, ''), p.is_off, p.every, p.cron, p.zone, p.start_at, p.maintenance,
  p.notice, p.grace, p.strategy, p.set_at, p.set_by
  FROM rotation_policies p LEFT JOIN lineages l ON l.id = p.subject_id LEFT JOIN keystores s ON s.id = p.subject_id";

fn read(row: Row) -> Result<PolicyRow, StoreError> {
    let mut row = row.read();
    let subject = row.text()?;
    let account_id = row.id()?;
    let scope = match row.text()?.as_str() {
        "key" => Scope::Key(LineageId::parse(&subject)?),
        "keystore" => Scope::Keystore(KeystoreId::parse(&subject)?),
        "default" => Scope::Default,
        other => return Err(StoreError::Corrupt(format!("rotation scope {other}"))),
    };
    Ok(PolicyRow {
        account_id,
        scope,
        name: row.text()?,
        wish: Wish {
            off: row.flag()?,
            every: row.opt_int()?,
            cron: row.opt_text()?,
            zone: row.opt_text()?,
            start: row.opt_time()?,
            window: row.opt_text()?,
            notice: row.opt_int()?,
            grace: row.opt_int()?,
            strategy: Strategy::parse(&row.text()?)?,
        },
        set_at: row.time()?,
        set_by: row.text()?,
    })
}

/// Sets a policy, in the place of the one that was there.
pub fn set(tx: &mut Tx<'_>, policy: &PolicyRow) -> Result<(), StoreError> {
    let wish = &policy.wish;
    tx.execute(
        "INSERT INTO rotation_policies (subject_id, account_id, scope, is_off, every, cron, zone, start_at, maintenance, notice, grace, set_at, set_by, strategy)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
         ON CONFLICT (subject_id) DO UPDATE SET is_off = excluded.is_off, every = excluded.every, cron = excluded.cron, zone = excluded.zone,
           start_at = excluded.start_at, maintenance = excluded.maintenance, notice = excluded.notice, grace = excluded.grace, set_at = excluded.set_at,
           set_by = excluded.set_by, strategy = excluded.strategy",
        &[
            subject(&policy.account_id, &policy.scope).into(),
            policy.account_id.as_str().into(),
            policy.scope.as_str().into(),
            wish.off.into(),
            wish.every.into(),
            wish.cron.as_deref().into(),
            wish.zone.as_deref().into(),
            wish.start.into(),
            wish.window.as_deref().into(),
            wish.notice.into(),
            wish.grace.into(),
            policy.set_at.into(),
            (&policy.set_by).into(),
            wish.strategy.as_str().into(),
        ],
    )?;
    replan(tx, &policy.account_id, &policy.scope)
}

/// Takes a policy away; `false` when there was none.
pub fn clear(tx: &mut Tx<'_>, account: &AccountId, scope: &Scope) -> Result<bool, StoreError> {
    let values = [subject(account, scope).into(), account.as_str().into()];
    let gone = tx.execute("DELETE FROM rotation_policies WHERE subject_id = $1 AND account_id = $2", &values)?;
    replan(tx, account, scope)?;
    Ok(gone == 1)
}

/// The policy that was set for exactly this.
pub fn of(tx: &mut Tx<'_>, account: &AccountId, scope: &Scope) -> Result<Option<PolicyRow>, StoreError> {
    let values = [subject(account, scope).into(), account.as_str().into()];
    tx.query_opt(&format!("{COLUMNS} WHERE p.subject_id = $1 AND p.account_id = $2"), &values)?.map(read).transpose()
}

/// The policy that counts for a key: its lineage's, its keystore's, or the default.
pub fn nearest(tx: &mut Tx<'_>, key: &KeyRow) -> Result<Option<PolicyRow>, StoreError> {
    let sql = format!(
        "{COLUMNS} WHERE p.subject_id IN ($1, $2, $3) AND p.account_id = $3 ORDER BY CASE p.scope WHEN 'key' THEN 0 WHEN 'keystore' THEN 1 ELSE 2 END LIMIT 1"
    );
    tx.query_opt(&sql, &[key.lineage_id.as_str().into(), key.keystore_id.as_str().into(), key.account_id.as_str().into()])?.map(read).transpose()
}

/// A page of policies whose key or keystore is still there.
pub fn list(tx: &mut Tx<'_>, account: &AccountId, page: &Page) -> Result<Listed<PolicyRow>, StoreError> {
    let sql = format!(
        "{COLUMNS} WHERE p.account_id = $1 AND p.subject_id > $2 AND (l.live = 1 OR s.state = 'ACTIVE' OR p.scope = 'default') ORDER BY p.subject_id LIMIT $3"
    );
    let rows = tx.query(&sql, &[account.as_str().into(), page.after_or_start().into(), page.fetch().into()])?;
    let rows: Result<Vec<_>, _> = rows.into_iter().map(read).collect();
    Ok(page.cut(rows?, |policy| subject(&policy.account_id, &policy.scope).to_owned()))
}

/// How many lineages of each keystore would go by a policy of this scope, if there was one: those without a nearer one.
pub fn governed(tx: &mut Tx<'_>, account: &AccountId, scope: &Scope) -> Result<Vec<(KeystoreId, u64)>, StoreError> {
    let nobody_nearer = "NOT EXISTS (SELECT 1 FROM rotation_policies p WHERE p.subject_id = l.id)";
    let concerned = match scope {
        Scope::Key(_) => "l.id = $2".to_owned(),
        Scope::Keystore(_) => format!("l.keystore_id = $2 AND {nobody_nearer}"),
        Scope::Default => {
            format!("l.account_id = $2 AND {nobody_nearer} AND NOT EXISTS (SELECT 1 FROM rotation_policies p WHERE p.subject_id = l.keystore_id)")
        }
    };
    let sql = format!(
        "SELECT l.keystore_id, COUNT(*) FROM lineages l WHERE l.account_id = $1 AND l.live = 1 AND {concerned} GROUP BY l.keystore_id ORDER BY l.keystore_id"
    );
    let rows = tx.query(&sql, &[account.as_str().into(), subject(account, scope).into()])?;
    let read = |row: Row| {
        let mut row = row.read();
        Ok((row.id()?, u64::try_from(row.int()?).unwrap_or(0)))
    };
    rows.into_iter().map(read).collect()
}

/// Says that something changed on which the plans of these lineages hang.
pub fn replan(tx: &mut Tx<'_>, account: &AccountId, scope: &Scope) -> Result<(), StoreError> {
    let column = match scope {
        Scope::Key(_) => "id",
        Scope::Keystore(_) => "keystore_id",
        Scope::Default => "account_id",
    };
    let sql = format!("UPDATE lineages SET is_planned = 0 WHERE {column} = $1 AND live = 1 AND is_planned = 1");
    tx.execute(&sql, &[subject(account, scope).into()]).map(drop)
}

/// The same for the lineage of which this is the current key.
pub fn reconsider(tx: &mut Tx<'_>, current: &KeyId) -> Result<(), StoreError> {
    tx.execute("UPDATE lineages SET is_planned = 0 WHERE current_key_id = $1", &[current.as_str().into()]).map(drop)
}

/// Gives a lineage's own policy to another, in the place of that one's: the policy of a family of Regions goes with the part of the primary.
pub fn hand_over(tx: &mut Tx<'_>, from: &LineageId, to: &LineageId) -> Result<(), StoreError> {
    tx.execute("DELETE FROM rotation_policies WHERE subject_id = $1", &[to.as_str().into()])?;
    tx.execute("UPDATE rotation_policies SET subject_id = $1 WHERE subject_id = $2", &[to.as_str().into(), from.as_str().into()])?;
    tx.execute("UPDATE lineages SET is_planned = 0 WHERE id IN ($1, $2)", &[to.as_str().into(), from.as_str().into()]).map(drop)
}

/// Current keys of lineages whose plan is out of date.
pub fn unplanned(tx: &mut Tx<'_>, limit: u32) -> Result<Vec<KeyRow>, StoreError> {
    let sql =
        format!("{} WHERE l.is_planned = 0 AND l.live = 1 AND k.id = l.current_key_id AND k.state NOT IN ('CREATING', 'DELETED') ORDER BY l.id", keys::COLUMNS);
    readable::first(tx, |rows| format!("{sql} LIMIT {rows}"), &[], limit, keys::read)
}

/// Plans a lineage's next rotation, or none; `notice` is when it is told. What was told already is not told again.
pub fn plan(tx: &mut Tx<'_>, lineage: &LineageId, at: Option<Timestamp>, notice: Option<Timestamp>) -> Result<(), StoreError> {
    tx.execute_one(
        "lineage",
        "UPDATE lineages SET is_planned = 1, rotation_at = $2,
           notice_at = CASE WHEN noticed_for = CAST($2 AS BIGINT) THEN NULL ELSE CAST($3 AS BIGINT) END WHERE id = $1",
        &[lineage.as_str().into(), at.into(), notice.into()],
    )
}

/// Notes a rotation. A clock that was set back since the last one does not make that one later.
pub fn rotated(tx: &mut Tx<'_>, lineage: &LineageId, now: Timestamp) -> Result<(), StoreError> {
    tx.execute_one(
        "lineage",
        "UPDATE lineages SET rotated_at = CASE WHEN rotated_at > $2 THEN rotated_at ELSE $2 END, is_planned = 0, rotation_at = NULL, notice_at = NULL
         WHERE id = $1",
        &[lineage.as_str().into(), now.into()],
    )
}

/// Current keys of lineages whose next rotation is to be told.
pub fn to_tell(tx: &mut Tx<'_>, now: Timestamp, limit: u32) -> Result<Vec<KeyRow>, StoreError> {
    let sql = format!("{} WHERE l.notice_at <= $1 AND l.live = 1 AND k.id = l.current_key_id AND k.state = 'ACTIVE' ORDER BY l.notice_at, l.id", keys::COLUMNS);
    readable::first(tx, |rows| format!("{sql} LIMIT {rows}"), &[now.into()], limit, keys::read)
}

/// Notes that a lineage's rotation at this time was told; `false` when somebody else did, or when it is planned otherwise by now.
pub fn told(tx: &mut Tx<'_>, lineage: &LineageId, rotation_at: Timestamp) -> Result<bool, StoreError> {
    let sql = "UPDATE lineages SET notice_at = NULL, noticed_for = $2 WHERE id = $1 AND rotation_at = $2 AND notice_at IS NOT NULL";
    Ok(tx.execute(sql, &[lineage.as_str().into(), rotation_at.into()])? == 1)
}
