//! Users: named people with tokens. At least two, so that dual control is real.

use std::net::IpAddr;

use keystead_audit::Outcome;
use keystead_domain::{Name, UserId};
use keystead_identity::{Action, Principal, Token, token};
use keystead_store::{
    StoreError,
    page::{Listed, Page},
    users,
    users::UserRow,
};

use crate::{App, Error, Request, error::TxError, once::Deed, permit};

impl App {
    /// Who a token belongs to; `None` for nobody.
    ///
    /// # Errors
    /// What the store says.
    pub async fn authenticate(&self, shown: &str) -> Result<Option<Principal>, Error> {
        let hash = token::hash(shown);
        let user = self.store().read("users.by_token_hash", move |tx| users::by_token_hash(tx, &hash)).await?;
        Ok(user.map(|user| Principal { user: user.id, account: user.account_id, name: user.name }))
    }

    /// Who shows this token, from this address; `None` for nobody, and then the audit log has an entry. `shown` is `None` for what cannot be a token.
    ///
    /// # Errors
    /// What the store says: a refusal that cannot be told to the audit log is not answered as if it had been.
    pub async fn log_in(&self, shown: Option<&str>, from: Option<IpAddr>) -> Result<Option<Principal>, Error> {
        let mut locked_out = None;
        if let Some(shown) = shown {
            let known = self.authenticate(shown).await?;
            if known.is_some() {
                return Ok(known);
            }
            let hash = token::hash(shown);
            locked_out = self.store().read("users.locked_out", move |tx| users::locked_out_by_token_hash(tx, &hash)).await?;
        }
        self.refuse_token(shown, locked_out, from).await?;
        Ok(None)
    }

    /// Makes a user; the token is shown this once.
    ///
    /// # Errors
    /// [`Error::Taken`]; [`Error::AlreadyDone`] for the same request again, because the token is not kept.
    pub async fn create_user(&self, principal: &Principal, request: &Request, name: Name) -> Result<(UserRow, Token), Error> {
        self.refuse_again(principal, request).await?;
        let proof = permit(principal, Action::ManageUsers, &principal.account, name)?;
        let token = Token::new(self.random());
        let user = UserRow {
            id: UserId::new(self.now(), self.random()),
            account_id: principal.account.clone(),
            name: proof.payload.to_string(),
            state: "ACTIVE".to_owned(),
            created_at: self.now(),
        };
        let entry = self.entry(principal, "user.create", proof.rule).subject("user", user.id.as_str(), &user.name).done();
        let memory = self.memory(principal, request, Deed::CreateUser, &user.name);
        let (row, hash, by) = (user.clone(), token.hash(), principal.user.to_string());
        let made = self
            .store()
            .write("users.create", move |tx| {
                memory.write(tx)?;
                users::insert(tx, &row, &hash, Some(&by))?;
                tx.audit(entry.clone());
                Ok::<_, TxError>(())
            })
            .await;
        let Err(error) = made else { return Ok((user, token)) };
        match self.met_itself(principal, request, error).await {
            TxError::Store(error) if error.is_unique("users") => {
                Err(self.refuse_taken(self.entry(principal, "user.create", "names-are-unique"), "name", user.name).await)
            }
            other => Err(other.into()),
        }
    }

    /// A page of users.
    ///
    /// # Errors
    /// What the store says.
    pub async fn list_users(&self, principal: &Principal, page: Page) -> Result<Listed<UserRow>, Error> {
        let account = principal.account.clone();
        Ok(self.store().read("users.list", move |tx| users::list(tx, &account, &page)).await?)
    }

    /// The caller's own record.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn me(&self, principal: &Principal) -> Result<UserRow, Error> {
        self.user(principal, principal.user.as_str()).await
    }

    async fn user(&self, principal: &Principal, id_or_name: &str) -> Result<UserRow, Error> {
        let (account, wanted) = (principal.account.clone(), id_or_name.to_owned());
        let found = self.store().read("users.find", move |tx| users::find(tx, &account, &wanted)).await?;
        found.ok_or_else(|| Error::NotFound { what: "user", name: id_or_name.to_owned() })
    }

    /// Gives a user a new token; the old one is useless when this answers.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::AlreadyDone`] for the same request again, because the token is not kept.
    pub async fn replace_token(&self, principal: &Principal, request: &Request, id_or_name: &str) -> Result<(UserRow, Token), Error> {
        self.refuse_again(principal, request).await?;
        let user = self.user(principal, id_or_name).await?;
        let proof = permit(principal, Action::ManageUsers, &user.account_id.clone(), user)?;
        let (user, token) = (proof.payload, Token::new(self.random()));
        let entry = self.entry(principal, "user.replace-token", proof.rule).subject("user", user.id.as_str(), &user.name).done();
        let memory = self.memory(principal, request, Deed::ReplaceToken, &user.name);
        let (id, hash) = (user.id.clone(), token.hash());
        let replaced = self
            .store()
            .write("users.replace_token", move |tx| {
                memory.write(tx)?;
                users::replace_token(tx, &id, &hash)?;
                tx.audit(entry.clone());
                Ok::<_, TxError>(())
            })
            .await;
        match replaced {
            Ok(()) => Ok((user, token)),
            Err(error) => Err(self.met_itself(principal, request, error).await.into()),
        }
    }

    /// Locks a user out. Nobody locks themselves out: somebody must remain who can let them in again.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::SamePerson`]; [`Error::MovedOn`] when the caller was locked out meanwhile.
    pub async fn disable_user(&self, principal: &Principal, id_or_name: &str) -> Result<UserRow, Error> {
        let user = self.user(principal, id_or_name).await?;
        if user.id == principal.user {
            let entry = self.entry(principal, "user.disable", "somebody-else-disables").subject("user", user.id.as_str(), &user.name);
            return Err(self.tell(entry.outcome(Outcome::Refused).done()).await.err().unwrap_or(Error::SamePerson));
        }
        let proof = permit(principal, Action::ManageUsers, &user.account_id.clone(), user)?;
        let user = UserRow { state: "DISABLED".to_owned(), ..proof.payload };
        let entry = self.entry(principal, "user.disable", proof.rule).subject("user", user.id.as_str(), &user.name).done();
        let (id, by) = (user.id.clone(), principal.user.clone());
        self.store()
            .write("users.disable", move |tx| {
                users::disable(tx, &id, &by)?;
                tx.audit(entry.clone());
                Ok::<_, StoreError>(())
            })
            .await?;
        Ok(user)
    }
}
