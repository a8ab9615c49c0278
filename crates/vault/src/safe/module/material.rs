//! Material in a module: made there, or brought in, wrapped there under the root, and that sealed once more under the account's key, bound to its place.

use std::sync::Arc;

use keystead_domain::{KeyFamily, KeySpec};

use super::{
    ModuleRoot,
    account::{self, Account, Stored},
    opened, proof, sealed, wrap,
};
use crate::{
    Blob, HsmError, HsmKey, HsmSession, Made, Purpose, Random, RootKeys, VaultError,
    hazmat::{gcm, spki},
    random,
    safe::{
        birth::{Birth, Generated, Source},
        blob::{Format, SealedUnder},
        fingerprint::Fingerprint,
        material,
        place::{AccountKey, Held, Place, SealedMaterial},
    },
};

/// Sealed material as it lies in the store, with all that a job needs to open it.
#[derive(Clone)]
pub(crate) struct Piece {
    pub(crate) account: Stored,
    pub(crate) spec: KeySpec,
    aad: Vec<u8>,
    ciphertext: Vec<u8>,
}

/// Material in a job: wrapped under the root, with its public half.
pub(crate) struct Opened<'a> {
    pub(crate) account: Account<'a>,
    pub(crate) wrapped: Vec<u8>,
    pub(crate) public: Option<Vec<u8>>,
}

impl Piece {
    pub(crate) fn read(root: &ModuleRoot, held: &Held<'_>) -> Result<Self, VaultError> {
        let (under, ciphertext) = SealedUnder::split(Blob::Material, held.sealed)?;
        under.expect_account_key(Blob::Material, held.account_key.generation)?;
        under.expect_format(Blob::Material, Format::Module)?;
        let account = Stored::read(root, held.place.account, held.account_key)?;
        let aad = material::aad(material::INNER, under, &held.place).as_bytes().to_vec();
        Ok(Self { account, spec: held.place.spec, aad, ciphertext: ciphertext.to_vec() })
    }

    pub(crate) fn open(&self, session: &dyn HsmSession) -> Result<Opened<'_>, VaultError> {
        let account = self.account.open(session)?;
        let body = opened(session, account.sealing, &self.aad, &self.ciphertext).map_err(|error| match error {
            HsmError::Unauthentic => VaultError::DoesNotOpen(Blob::Material),
            other => other.into(),
        })?;
        let (wrapped, public) = account::split(body.expose()).ok_or(VaultError::DoesNotOpen(Blob::Material))?;
        let public = self.spec.is_pair().then(|| public.to_vec());
        Ok(Opened { account, wrapped: wrapped.to_vec(), public })
    }

    /// The key, to be wrapped for somebody else.
    pub(crate) fn carried(&self, session: &dyn HsmSession) -> Result<HsmKey, VaultError> {
        let opened = self.open(session)?;
        Ok(carried(session, opened.account.root.wrapping, &opened.wrapped, self.spec)?)
    }

    /// The key itself, in the session.
    pub(crate) fn unwrap(&self, session: &dyn HsmSession, purpose: Purpose) -> Result<(Opened<'_>, HsmKey), VaultError> {
        let opened = self.open(session)?;
        let key = session.unwrap(opened.account.root.wrapping, &opened.wrapped, purpose)?;
        Ok((opened, key))
    }
}

/// Where new material will lie.
#[derive(Clone)]
pub(crate) struct Cradle {
    account: Stored,
    under: SealedUnder,
    spec: KeySpec,
    aad: Vec<u8>,
    random: Arc<dyn Random>,
}

/// New material, sealed, and what is known of it.
pub(crate) struct Kept {
    sealed: Vec<u8>,
    fingerprint: Fingerprint,
    public: Option<Vec<u8>>,
    /// The token that has it, for the birth record.
    token: String,
}

impl Cradle {
    pub(crate) fn new(root: &ModuleRoot, root_generation: u32, place: &Place<'_>, key: AccountKey<'_>, random: Arc<dyn Random>) -> Result<Self, VaultError> {
        let under = SealedUnder { root_generation, account_key_generation: key.generation, format: Format::Module };
        let aad = material::aad(material::INNER, under, place).as_bytes().to_vec();
        Ok(Self { account: Stored::read(root, place.account, key)?, under, spec: place.spec, aad, random })
    }

    /// The kind of key that it is for.
    pub(crate) fn spec(&self) -> KeySpec {
        self.spec
    }

    /// The root under which it will lie.
    pub(crate) fn root(&self, session: &dyn HsmSession) -> Result<RootKeys, HsmError> {
        self.account.root(session)
    }

    /// Wraps a key that is in the session, seals it for its place, and says what is known of it.
    pub(crate) fn keep(&self, session: &dyn HsmSession, key: HsmKey, public: Option<Vec<u8>>) -> Result<Kept, VaultError> {
        let wrapped = session.wrap(self.root(session)?.wrapping, key)?;
        self.keep_as(session, key, &wrapped, public)
    }

    /// The same for a key that is wrapped under the root already: it is unwrapped, and shows that it is what it should be.
    pub(crate) fn keep_wrapped(&self, session: &dyn HsmSession, wrapped: &[u8], public: Option<Vec<u8>>) -> Result<Kept, VaultError> {
        let key = session.unwrap(self.root(session)?.wrapping, wrapped, Purpose::Material(self.spec))?;
        self.keep_as(session, key, wrapped, public)
    }

    fn keep_as(&self, session: &dyn HsmSession, key: HsmKey, wrapped: &[u8], public: Option<Vec<u8>>) -> Result<Kept, VaultError> {
        if let Some(public) = &public {
            proof::prove(session, key, self.spec, public, self.random.as_ref())?;
        }
        let account = self.account.open(session)?;
        let fingerprint = fingerprint(session, &account, self.spec, key, public.as_deref())?;
        let sealed = self.seal(session, &account, wrapped, public.as_deref())?;
        Ok(Kept { sealed, fingerprint, public, token: session.token().to_owned() })
    }

    fn seal(&self, session: &dyn HsmSession, account: &Account<'_>, wrapped: &[u8], public: Option<&[u8]>) -> Result<Vec<u8>, VaultError> {
        let nonce = random::public::<{ gcm::NONCE_LEN }>(self.random.as_ref());
        let body = account::join(wrapped, public.unwrap_or_default());
        Ok(self.under.join(&sealed(session, account.sealing, nonce, &self.aad, &body)?))
    }
}

impl Kept {
    /// The sealed material, if it is the key that has this fingerprint.
    pub(super) fn if_it_is(self, fingerprint: Fingerprint) -> Result<SealedMaterial, VaultError> {
        if self.fingerprint == fingerprint { Ok(SealedMaterial(self.sealed)) } else { Err(VaultError::NotTheSame) }
    }
}

impl ModuleRoot {
    /// Makes fresh material inside.
    pub(crate) fn generate(&self, cradle: Cradle) -> Result<Generated, VaultError> {
        let spec = cradle.spec;
        if !self.abilities().makes.contains(&spec) {
            let mend = "Choose another kind of key, or a keystore whose keys are made elsewhere; `keystead doctor hsm` says which kinds it makes.";
            return Err(HsmError::Cannot { what: format!("does not make {}", spec.as_str()), mend: mend.to_owned() }.into());
        }
        let kept = self.run(move |session| {
            let Made { key, public } = session.generate(Purpose::Material(spec))?;
            let public = public.map(|numbers| spki::of(spec, &numbers)).transpose()?;
            cradle.keep(session, key, public)
        })?;
        Ok(self.generated(kept, spec, Source::GeneratedInModule, made_by(spec)))
    }

    /// What is told of material that was kept.
    pub(crate) fn generated(&self, kept: Kept, spec: KeySpec, source: Source, mechanism: &'static str) -> Generated {
        let Kept { sealed, fingerprint, public, token } = kept;
        let birth = Birth::in_module(source, mechanism, token, proof::tests(spec), wrap::way_around(self.abilities(), spec));
        Generated { sealed: SealedMaterial(sealed), fingerprint, public_key: public, birth }
    }

    /// Seals what is held anew. The material stays wrapped under the root as it is; only what lies around it changes.
    pub(crate) fn rewrap(&self, held: Piece, cradle: Cradle) -> Result<SealedMaterial, VaultError> {
        let sealed = self.run(move |session| {
            let opened = held.open(session)?;
            let account = cradle.account.open(session)?;
            cradle.seal(session, &account, &opened.wrapped, opened.public.as_deref())
        })?;
        Ok(SealedMaterial(sealed))
    }

    /// The fingerprint, of the key itself.
    pub(crate) fn fingerprint(&self, held: Piece) -> Result<Fingerprint, VaultError> {
        self.run(move |session| {
            let (opened, key) = held.unwrap(session, Purpose::Material(held.spec))?;
            fingerprint(session, &opened.account, held.spec, key, opened.public.as_deref())
        })
    }

    /// The public half, as it was sealed with the private one.
    pub(crate) fn public_key(&self, held: Piece) -> Result<Option<Vec<u8>>, VaultError> {
        self.run(move |session| Ok(held.open(session)?.public))
    }
}

pub(super) fn fingerprint(
    session: &dyn HsmSession,
    account: &Account<'_>,
    spec: KeySpec,
    key: HsmKey,
    public: Option<&[u8]>,
) -> Result<Fingerprint, VaultError> {
    Fingerprint::inside(session, account.mac_key(session)?, spec, key, public)
}

/// A key as it goes from one wrapping to another. Of a curve it goes as its document: two modules write it differently (with or without the public half), and a cloud that
/// has had a key may know it again by its bytes. A module that takes no document for a secret writes its own.
pub(super) fn carried(session: &dyn HsmSession, under: HsmKey, wrapped: &[u8], spec: KeySpec) -> Result<HsmKey, HsmError> {
    if spec.family() == KeyFamily::Ec {
        match session.unwrap(under, wrapped, Purpose::Document) {
            Err(HsmError::Refused(_) | HsmError::Cannot { .. }) => {}
            done => return done,
        }
    }
    session.unwrap(under, wrapped, Purpose::Material(spec))
}

/// The mechanism, as PKCS#11 names it.
const fn made_by(spec: KeySpec) -> &'static str {
    match spec.family() {
        KeyFamily::Aes => "CKM_AES_KEY_GEN, from the module's own generator",
        KeyFamily::Hmac => "CKM_GENERIC_SECRET_KEY_GEN, from the module's own generator",
        KeyFamily::Rsa => "CKM_RSA_PKCS_KEY_PAIR_GEN, from the module's own generator",
        KeyFamily::Ec => "CKM_EC_KEY_PAIR_GEN, from the module's own generator",
    }
}
