//! `keystead key …`

mod export;
mod replica;

use std::path::PathBuf;

use clap::{ArgGroup, Args, Subcommand, ValueEnum};
pub use export::{Download, ExportVerb, Prepare};
use keystead_domain::{KeySpec, KeyUsage, WrapMethod};
pub use replica::{AddReplica, ReplicaVerb, ScheduleDeletion};

use super::{chosen::Chosen, listing::Listing, parse, rotation::Strategy};

/// What can be done with keys.
#[derive(Subcommand)]
pub enum KeyVerb {
    /// Make a key: material from the vault, imported into the cloud
    Create(Create),
    /// Take material from a file, and import it into the cloud
    Import(Import),
    /// List keys
    List(List),
    /// Show one key, its versions and what the cloud says of it
    Show(Show),
    /// Print the public half of a key pair, in PEM, or write it to a file in DER
    PublicKey(PublicKey),
    /// Show what was done with a key, newest first
    History(History),
    /// Take a key out of use: disable it in the cloud, then remove the material there
    ///
    /// What is encrypted under it cannot be read until it is activated again. The material stays in the vault.
    #[command(
        after_help = "Examples:\n  keystead key deactivate orders\n  keystead key deactivate --tag env=test --dry-run\n  keystead key deactivate --keystore payments-us --older-than 365d --yes"
    )]
    Deactivate(Chosen),
    /// Take a key out of use everywhere at once: in its cloud, its replicas' Regions and every keystore that has a copy, and show since when
    ///
    /// All are disabled before the first is emptied. The vault keeps the material: `key restore` brings everything back.
    Kill(Kill),
    /// Show what depends on a key, as far as it is known: copies, replicas, predecessors, aliases, grants, policy; changes nothing
    #[command(after_help = "Example:\n  keystead key blast-radius orders")]
    BlastRadius(One),
    /// List the kills of a key, and how long it was until the clouds refused it
    Kills(Kills),
    /// Undo the newest kill of a key: everything that it took out of use comes back as it was
    #[command(after_help = "Example:\n  keystead key restore orders")]
    Restore(One),
    /// Take a deactivated key into use again
    #[command(after_help = "Examples:\n  keystead key activate orders\n  keystead key activate --tag env=test")]
    Activate(Chosen),
    /// Import the material again, where the cloud lost it or somebody deleted it
    #[command(after_help = "Examples:\n  keystead key upload orders\n  keystead key upload --keystore payments-eu --without-material    # a restore")]
    Upload(Chosen),
    /// Make a successor with new material that takes over the aliases
    ///
    /// The old key becomes REPLACED: it still decrypts. The new key is printed.
    #[command(after_help = "Examples:\n  keystead key renew orders\n  keystead key renew --all --older-than 365d --dry-run")]
    Renew(Chosen),
    /// Rotate a key now, whatever its policy's window says: by a successor or in place, as its policy or --strategy says
    ///
    /// What that will not do for the key's users is said before it is done.
    Rotate(Rotate),
    /// Copy a key into other keystores: keys with the same material, linked to their source
    Copy(Copy),
    /// List the links of a key: to its source, or to its copies
    Links(Links),
    /// List the copies that are rotated behind a key, and how far that has come
    Waves(Waves),
    /// Undo a renewal: the aliases go back to the predecessor, which is printed
    #[command(after_help = "Example:\n  keystead key revert orders")]
    Revert(One),
    /// Put a key with material of the vault in the place of one whose material is the cloud's
    ///
    /// The successor has the same kind, use, tags and description, and takes over all its aliases as the last sync saw them. The old key becomes REPLACED: it still decrypts.
    /// Revert takes the aliases back. What that will not do for the key's users is said before it is done.
    Adopt(Adopt),
    /// Make a key anew that its cloud no longer has: another cloud key with the same material, description, tags and aliases
    ///
    /// What was encrypted symmetrically under the old one stays closed: see --dry-run, which says what comes back and what does not.
    Recreate(Recreate),
    /// Take the pointer to a key that the cloud has really deleted out of the lists
    ///
    /// Nothing is deleted in the cloud; the key's record and its entries in the audit log stay.
    #[command(after_help = "Example:\n  keystead key forget old-orders")]
    Forget(One),
    /// Show whether the predecessors of a renewed key are still used, when they last were, and by whom
    #[command(after_help = "Example:\n  keystead key adoption orders")]
    Adoption(One),
    /// Show who used a key, or tried to, as far as its keystore's queue told it
    #[command(after_help = "Example:\n  keystead key uses orders")]
    Uses(One),
    /// Disable a key for a while, to see who needs it before it is deleted; by itself it is enabled again
    ///
    /// Whatever becomes of this command and of the server: the end is written before the key is disabled.
    RehearseDeletion(RehearseDeletion),
    /// Enable a key that a rehearsal keeps disabled, before its time
    #[command(after_help = "Example:\n  keystead key end-rehearsal old-orders")]
    EndRehearsal(One),
    /// List the rehearsed deletions of a key, and who used it before and behind them
    Rehearsals(Rehearsals),
    /// Start the cloud's countdown to deletion; until it ends, cancel-deletion stops it
    ScheduleDeletion(ScheduleDeletions),
    /// Stop the countdown; the key is INACTIVE then, and activate takes it into use
    #[command(after_help = "Examples:\n  keystead key cancel-deletion orders\n  keystead key cancel-deletion --state PENDING_DELETION --keystore payments-eu")]
    CancelDeletion(Chosen),
    /// Change name, aliases, expiry, tags or description
    ///
    /// The end of material that has expired cannot be moved: upload the key first.
    Update(Update),
    /// Add, remove and promote the replicas of a multi-Region key
    #[command(subcommand)]
    Replica(ReplicaVerb),
    /// Show the Regions of a multi-Region key: its primary and its replicas
    #[command(after_help = "Example:\n  keystead key family orders")]
    Family(One),
    /// Hand material out under a person's public key; two people are needed
    #[command(subcommand)]
    Export(ExportVerb),
}

/// One key.
#[derive(Args)]
#[command(after_help = "Examples:\n  keystead key show orders\n  keystead key show key_01939f4e8a7b7c3d9e2f1a0b5c6d7e8f --output json")]
pub struct One {
    /// Id or name; a name means the current key that bears it
    #[arg(value_name = "KEY")]
    pub key: String,
}

/// What is said of a new key.
#[derive(Args)]
pub struct NewKey {
    /// Its name: 1 to 64 letters, digits, '.', '_' and '-'
    #[arg(value_name = "NAME", value_parser = parse::name)]
    pub name: String,
    /// The keystore it shall live in, by id or name
    #[arg(long, value_name = "KEYSTORE")]
    pub keystore: String,
    /// Its kind: AES_256, HMAC_224 to HMAC_512, RSA_2048 to RSA_4096, EC_P256, EC_P384, EC_P521 or EC_SECP256K1
    #[arg(long, value_name = "SPEC", default_value = "AES_256", value_parser = parse::spec)]
    pub spec: KeySpec,
    /// What it may be used for, for ever: encrypt, sign, mac or key-agreement; an RSA pair must be told
    #[arg(long, value_name = "USAGE", value_parser = parse::usage)]
    pub usage: Option<KeyUsage>,
    /// An alias by which applications reach it; it moves to the successor at a renewal. Several with commas between, or the option several times
    #[arg(long = "alias", value_name = "ALIAS,…", value_delimiter = ',', value_parser = parse::alias)]
    pub aliases: Vec<String>,
    /// When the material expires in the cloud: a span such as 90d, or a time such as 2027-01-31T12:00:00Z; at most 365 days
    #[arg(long, value_name = "WHEN", value_parser = parse::expires)]
    pub expires: Option<String>,
    /// What happens before it expires
    #[arg(long, value_enum, value_name = "POLICY")]
    pub expiry_policy: Option<ExpiryPolicy>,
    /// A tag, kept by the cloud too; may be given several times
    #[arg(long = "tag", value_name = "KEY=VALUE", value_parser = parse::tag)]
    pub tags: Vec<(String, String)>,
    /// What it is for
    #[arg(long, value_name = "TEXT")]
    pub description: Option<String>,
    /// Its material never leaves the vault but for its own keystore: no export, no copy; this cannot be taken back
    #[arg(long)]
    pub not_exportable: bool,
    /// A multi-Region primary key, of which replicas can be made in other Regions; it cannot be changed later
    #[arg(long)]
    pub multi_region: bool,
}

/// What Keystead does before material expires.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ExpiryPolicy {
    /// Tell somebody
    Alert,
    /// Import the same material again with a later date
    Extend,
    /// Renew the key: new material, the aliases move
    Renew,
}

impl ExpiryPolicy {
    /// The word of the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Alert => "alert",
            Self::Extend => "extend",
            Self::Renew => "renew",
        }
    }
}

/// `key create`
#[derive(Args)]
#[command(after_help = "\
Examples:
  keystead key create orders --keystore payments-eu --alias orders
  keystead key create signer --keystore payments-eu --spec RSA_3072 --usage sign
  keystead key create ledger --keystore payments-eu --multi-region
  keystead key create orders --keystore payments-eu --expires 90d --expiry-policy renew --tag team=pay --tag env=prod")]
pub struct Create {
    #[command(flatten)]
    pub new: NewKey,
}

/// How material stands in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum MaterialFormat {
    /// The bytes as they are
    Raw,
    /// Text in base64
    Base64,
    /// Hexadecimal digits
    Hex,
    /// A private key in PKCS#8: PEM or DER, also encrypted
    Pkcs8,
    /// Wrapped under a key of this vault: an AES_256 key (AES-KWP or AES-KW, RFC 5649, RFC 3394), or the public half of an RSA_4096 pair
    Wrapped,
}

impl MaterialFormat {
    /// The word of the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Base64 => "base64",
            Self::Hex => "hex",
            Self::Pkcs8 => "pkcs8",
            Self::Wrapped => "wrapped",
        }
    }
}

/// `key import`
#[derive(Args)]
#[command(after_help = "\
Examples:
  keystead key import legacy --keystore payments-eu --file key.bin --format raw
  keystead key import legacy --keystore payments-eu --file key.hex --format hex --alias legacy
  keystead key import signer --keystore payments-eu --spec EC_P256 --file signer.pem --format pkcs8 --passphrase-file pass.txt
  keystead key import legacy --keystore payments-eu --file key.wrapped --format wrapped --unwrap-with transport
  keystead key import theirs --keystore payments-eu --file key.bin --format raw --no-copy
  keystead key import legacy --keystore payments-eu --file key.hex --format hex --check-value 0123456789

From another hardware module, under a transport key of this vault:
  keystead key create transport --keystore own --spec RSA_4096 --usage encrypt --not-exportable
  keystead key public-key transport > transport.pub.pem      # take it there, and wrap
  keystead key import theirs --keystore payments-eu --file theirs.wrapped --format wrapped --unwrap-with transport --method RSA_AES_KEY_WRAP_SHA_256 --check-value 0123456789")]
pub struct Import {
    #[command(flatten)]
    pub new: NewKey,
    /// The file of the material; - is standard input
    #[arg(long, value_name = "FILE")]
    pub file: PathBuf,
    /// How the material stands in it
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub format: MaterialFormat,
    /// For wrapped material: the key that unwraps it, by id or name
    #[arg(long, value_name = "KEY", required_if_eq("format", "wrapped"))]
    pub unwrap_with: Option<String>,
    /// For what was wrapped under a pair, how: RSAES_OAEP_SHA_256, RSAES_OAEP_SHA_1, RSA_AES_KEY_WRAP_SHA_256 or RSA_AES_KEY_WRAP_SHA_1
    #[arg(long, value_name = "METHOD", value_parser = parse::method)]
    pub method: Option<WrapMethod>,
    /// The check value that the key is expected to have; another key is refused. AES: AES-CMAC of a zero block, or kcv-zero:XXXXXX; HMAC: of an empty text; pairs: SHA-256
    #[arg(long, value_name = "[METHOD:]HEX")]
    pub check_value: Option<String>,
    /// For an encrypted PKCS#8 file: the file that holds its passphrase
    #[arg(long, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
    /// Keep no copy: the vault destroys its own as soon as the cloud has confirmed the material
    #[arg(long)]
    pub no_copy: bool,
}

/// `key recreate`
#[derive(Args)]
#[command(after_help = "\
Examples:
  keystead key recreate orders --dry-run
  keystead key recreate orders
  keystead key recreate orders --yes")]
pub struct Recreate {
    #[command(flatten)]
    pub one: One,
    /// Only say what comes back with it, and what cannot
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask, in front of a terminal
    #[arg(long)]
    pub yes: bool,
}

/// `key list`
#[derive(Args)]
#[command(after_help = "\
Examples:
  keystead key list
  keystead key list --keystore payments-eu --state ACTIVE
  keystead key list --health failing
  keystead key list --name orders --all                # predecessors and deleted ones too
  keystead key list --output json | jq '.[].cloud_arn'")]
pub struct List {
    /// Only keys of this keystore, by id or name
    #[arg(long, value_name = "KEYSTORE")]
    pub keystore: Option<String>,
    /// Only keys in this state: ACTIVE, INACTIVE, REPLACED, PENDING_DELETION or DELETED
    #[arg(long, value_name = "STATE", value_parser = parse::state)]
    pub state: Option<String>,
    /// Only keys of this name, predecessors included
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Only keys whose material is kept so: own (in the vault), linked (another key's) or native (in the cloud alone)
    #[arg(long, value_name = "CUSTODY", value_parser = parse::custody)]
    pub custody: Option<String>,
    /// Only keys whose health is this: failing, degraded, unknown or ok
    #[arg(long, value_name = "HEALTH", value_parser = parse::health)]
    pub health: Option<String>,
    #[command(flatten)]
    pub listing: Listing,
}

/// `key show`
#[derive(Args)]
#[command(after_help = "Examples:\n  keystead key show orders\n  keystead key show orders --policy")]
pub struct Show {
    #[command(flatten)]
    pub one: One,
    /// Print the key's policy in the cloud alone, as the last sync saw it
    #[arg(long)]
    pub policy: bool,
}

/// `key public-key`
#[derive(Args)]
#[command(after_help = "Examples:\n  keystead key public-key signer > signer.pub.pem\n  keystead key public-key transport --der transport.pub.der")]
pub struct PublicKey {
    #[command(flatten)]
    pub one: One,
    /// Write it to this new file, as SubjectPublicKeyInfo in DER: what other hardware modules read
    #[arg(long, value_name = "FILE")]
    pub der: Option<PathBuf>,
}

/// `key history`
#[derive(Args)]
#[command(after_help = "Example:\n  keystead key history orders")]
pub struct History {
    #[command(flatten)]
    pub one: One,
    #[command(flatten)]
    pub listing: Listing,
}

/// `key copy`
#[derive(Args)]
#[command(after_help = "\
Examples:
  keystead key copy orders --to payments-eu --alias orders
  keystead key copy orders --to payments-eu,payments-us --expires 90d --expiry-policy extend

Every keystore is checked before anything begins. A copy that has no --name is called orders_copy1, orders_copy2, and so on.")]
pub struct Copy {
    #[command(flatten)]
    pub one: One,
    /// A keystore that shall get a copy, by id or name; several with commas between, or the option several times
    #[arg(long = "to", value_name = "KEYSTORE,…", required = true, value_delimiter = ',')]
    pub to: Vec<String>,
    /// The copy's name, where there is one keystore
    #[arg(long, value_name = "NAME", value_parser = parse::name)]
    pub name: Option<String>,
    /// An alias by which applications reach it, in its own keystore; several with commas between, or the option several times
    #[arg(long = "alias", value_name = "ALIAS,…", value_delimiter = ',', value_parser = parse::alias)]
    pub aliases: Vec<String>,
    /// When the material expires in the cloud: a span such as 90d, or a time such as 2027-01-31T12:00:00Z; at most 365 days
    #[arg(long, value_name = "WHEN", value_parser = parse::expires)]
    pub expires: Option<String>,
    /// What happens before it expires: alert or extend
    #[arg(long, value_enum, value_name = "POLICY")]
    pub expiry_policy: Option<ExpiryPolicy>,
    /// A tag; without any, it has those of its source
    #[arg(long = "tag", value_name = "KEY=VALUE", value_parser = parse::tag)]
    pub tags: Vec<(String, String)>,
    /// What it is for; without it, the words of its source
    #[arg(long, value_name = "TEXT")]
    pub description: Option<String>,
}

/// `key links`
#[derive(Args)]
#[command(after_help = "Example:\n  keystead key links orders")]
pub struct Links {
    #[command(flatten)]
    pub one: One,
    #[command(flatten)]
    pub listing: Listing,
}

/// `key waves`
#[derive(Args)]
#[command(after_help = "Example:\n  keystead key waves orders")]
pub struct Waves {
    #[command(flatten)]
    pub one: One,
    #[command(flatten)]
    pub listing: Listing,
}

/// `key kill`
#[derive(Args)]
#[command(after_help = "Examples:\n  keystead key kill orders\n  keystead key kill orders --no-lineage    (its predecessors go on decrypting)")]
pub struct Kill {
    #[command(flatten)]
    pub one: One,
    /// Leave the key's predecessors, and their copies, as they are: what they encrypted can be read on
    #[arg(long)]
    pub no_lineage: bool,
    /// Do not show who depends on it, and do not ask
    #[arg(long)]
    pub yes: bool,
}

/// `key kills`
#[derive(Args)]
#[command(after_help = "Example:\n  keystead key kills orders")]
pub struct Kills {
    #[command(flatten)]
    pub one: One,
    #[command(flatten)]
    pub listing: Listing,
}

/// `key rehearse-deletion`
#[derive(Args)]
#[command(after_help = "Example:\n  keystead key rehearse-deletion old-orders --for 15m")]
pub struct RehearseDeletion {
    #[command(flatten)]
    pub one: One,
    /// For how long, 1m to 24h
    #[arg(long = "for", value_name = "SPAN", value_parser = parse::span_text)]
    pub span: String,
    /// Do not show who depends on it, and do not ask
    #[arg(long)]
    pub yes: bool,
}

/// `key rehearsals`
#[derive(Args)]
#[command(after_help = "Example:\n  keystead key rehearsals old-orders")]
pub struct Rehearsals {
    #[command(flatten)]
    pub one: One,
    #[command(flatten)]
    pub listing: Listing,
}

/// `key adopt`
#[derive(Args)]
#[command(after_help = "Examples:\n  keystead key adopt orders\n  keystead key adopt orders --expires 180d")]
pub struct Adopt {
    #[command(flatten)]
    pub one: One,
    /// When the successor's material expires in the cloud: a span such as 90d, or a time such as 2027-01-31T12:00:00Z; at most 365 days
    #[arg(long, value_name = "WHEN", value_parser = parse::expires)]
    pub expires: Option<String>,
}

/// `key rotate`
#[derive(Args)]
#[command(after_help = "\
Examples:
  keystead key rotate orders
  keystead key rotate orders --strategy in-place
  keystead key rotate orders --copies all --wave 20
  keystead key rotate orders --copies orders_copy1,orders_copy2
  keystead key rotate orders_copy3                       # a copy that follows its source, which was rotated without it
  keystead key rotate --tag env=test --dry-run")]
pub struct Rotate {
    #[command(flatten)]
    pub chosen: Chosen,
    /// The copies that get successors behind it: all, none, or their names with commas between
    #[arg(long, value_name = "all|none|NAME,…", default_value = "none", value_delimiter = ',')]
    pub copies: Vec<String>,
    /// How many copies a wave has behind the first one, 1 to 100; each wave begins when the one before has succeeded
    #[arg(long, value_name = "COPIES")]
    pub wave: Option<u32>,
    /// How it is done; left out, as the key's rotation policy says
    #[arg(long, value_enum, value_name = "STRATEGY")]
    pub strategy: Option<Strategy>,
}

/// `key schedule-deletion`
#[derive(Args)]
#[command(
    after_help = "Examples:\n  keystead key schedule-deletion orders --days 7\n  keystead key schedule-deletion --tag env=test --state INACTIVE --dry-run"
)]
pub struct ScheduleDeletions {
    #[command(flatten)]
    pub chosen: Chosen,
    /// Days until the cloud deletes it: 7 to 30
    #[arg(long, value_name = "DAYS", default_value = "30", value_parser = parse::days)]
    pub days: u8,
}

/// `key update`
#[derive(Args)]
#[command(group = ArgGroup::new("change").required(true).multiple(true)
    .args(["name", "aliases", "add_aliases", "remove_aliases", "no_alias", "expires", "no_expiry", "expiry_policy", "tags", "no_tags", "description", "not_exportable"]))]
#[command(after_help = "\
Examples:
  keystead key update orders --expires 180d --expiry-policy extend
  keystead key update orders --add-alias billing --remove-alias bills
  keystead key update orders --no-alias --no-tags --description retired")]
pub struct Update {
    #[command(flatten)]
    pub one: One,
    /// A new name
    #[arg(long, value_name = "NAME", value_parser = parse::name)]
    pub name: Option<String>,
    /// An alias; those that are given replace all that were there
    #[arg(long = "alias", value_name = "ALIAS,…", value_delimiter = ',', value_parser = parse::alias)]
    pub aliases: Vec<String>,
    /// One more alias
    #[arg(long = "add-alias", value_name = "ALIAS,…", value_delimiter = ',', value_parser = parse::alias)]
    pub add_aliases: Vec<String>,
    /// An alias that it shall not have any more
    #[arg(long = "remove-alias", value_name = "ALIAS,…", value_delimiter = ',', value_parser = parse::alias)]
    pub remove_aliases: Vec<String>,
    /// No aliases
    #[arg(long, conflicts_with_all = ["aliases", "add_aliases", "remove_aliases"])]
    pub no_alias: bool,
    /// When the material expires in the cloud: a span such as 90d, or a time such as 2027-01-31T12:00:00Z; at most 365 days
    #[arg(long, value_name = "WHEN", value_parser = parse::expires)]
    pub expires: Option<String>,
    /// The material never expires
    #[arg(long, conflicts_with = "expires")]
    pub no_expiry: bool,
    /// What happens before it expires
    #[arg(long, value_enum, value_name = "POLICY")]
    pub expiry_policy: Option<ExpiryPolicy>,
    /// A tag; those that are given replace all that were there
    #[arg(long = "tag", value_name = "KEY=VALUE", value_parser = parse::tag)]
    pub tags: Vec<(String, String)>,
    /// No tags
    #[arg(long, conflicts_with = "tags")]
    pub no_tags: bool,
    /// What it is for
    #[arg(long, value_name = "TEXT")]
    pub description: Option<String>,
    /// From now on its material never leaves the vault: no export, no copy; this cannot be taken back
    #[arg(long)]
    pub not_exportable: bool,
}

#[cfg(test)]
mod tests {
    use crate::args::Cli;
    use clap::Parser as _;

    fn refused(line: &str) -> String {
        Cli::try_parse_from(line.split(' ')).err().unwrap_or_else(|| panic!("{line} is accepted")).to_string()
    }

    #[test]
    fn an_update_must_change_something_and_cannot_contradict_itself() {
        assert!(refused("keystead key update orders").contains("required"));
        for line in ["--alias a --no-alias", "--add-alias a --no-alias", "--remove-alias a --no-alias", "--expires 9d --no-expiry", "--tag a=b --no-tags"] {
            assert!(refused(&format!("keystead key update orders {line}")).contains("cannot be used with"), "{line}");
        }
    }

    #[test]
    fn wrapped_material_needs_the_key_that_unwraps_it() {
        assert!(refused("keystead key import a --keystore k --file f --format wrapped").contains("--unwrap-with"));
    }

    #[test]
    fn a_refusal_says_the_field_and_the_mend() {
        let words = refused("keystead key schedule-deletion orders --days 3");
        assert!(words.contains("days is 3") && words.contains("at least 7 days"), "{words}");
        assert!(refused("keystead key create orders --keystore k --expires soon").contains("90d"));
    }
}
