//! What is known of a key without its bytes: how it came to be, and by what it is known again.

use super::{CheckValue, fingerprint::Fingerprint, place::SealedMaterial};
use crate::hazmat::key_wrap::KeyWrapMode;
use keystead_domain::{KeyId, VersionId, WrapMethod};

/// The version of the cryptographic module's Rust binding; a test holds it against the lock file.
const BINDING: &str = "aws-lc-rs 1.19.0";

/// New material, sealed, and what is known of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generated {
    /// To be stored.
    pub sealed: SealedMaterial,
    /// By what it is known again.
    pub fingerprint: Fingerprint,
    /// The public half of a pair: SubjectPublicKeyInfo in DER (RFC 5280, section 4.1).
    pub public_key: Option<Vec<u8>>,
    /// How it came to be; who, when and approved by whom is the caller's to add.
    pub birth: Birth,
}

impl Generated {
    /// Says of material that came in that it was found to be what was expected.
    pub(crate) fn checked(mut self, expected: Option<&CheckValue>) -> Self {
        self.birth.checked = expected.map(CheckValue::told);
        self
    }
}

/// Where material came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Made in this vault.
    Generated,
    /// Made in the hardware module that holds the root.
    GeneratedInModule,
    /// Brought in plain.
    ImportedRaw,
    /// Brought in wrapped, and unwrapped in this vault.
    ImportedWrapped {
        /// The key that unwrapped it.
        key: KeyId,
        /// Its version.
        version: VersionId,
        /// How it was wrapped.
        mode: KeyWrapMode,
    },
    /// Brought in wrapped under the public half of a pair, and unwrapped in this vault.
    ImportedByPair {
        /// The pair that unwrapped it.
        key: KeyId,
        /// Its version.
        version: VersionId,
        /// How it was wrapped.
        method: WrapMethod,
    },
    /// Made of components, each of which another person brought in plain.
    ImportedByComponents {
        /// Who brought which, in the order in which they did.
        entered_by: Vec<String>,
    },
}

/// The cryptographic module that did it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Module {
    /// The Rust binding and its version.
    pub binding: &'static str,
    /// The version of AWS-LC itself.
    pub library_version: &'static str,
    /// Whether it runs in FIPS mode. Whether that build is validated, NIST's list says.
    pub fips: bool,
}

impl Module {
    /// The module of this process.
    pub fn present() -> Self {
        Self { binding: BINDING, library_version: aws_lc_rs::awslc_version(), fips: aws_lc_rs::try_fips_mode().is_ok() }
    }

    /// Whether this is a FIPS build, which works in FIPS mode or not at all.
    pub fn is_meant_for_fips(&self) -> bool {
        cfg!(feature = "fips")
    }
}

/// The record of a key's birth, as far as the vault can witness it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Birth {
    /// Where the material came from.
    pub source: Source,
    /// By what means, with its standard.
    pub mechanism: &'static str,
    /// The module that did it: the software's, or, where the next field names one, the binding to that.
    pub module: Module,
    /// The hardware module that did it.
    pub hardware: Option<String>,
    /// The way around under which the key lives, where its hardware module falls short and its owner allows it.
    pub way_around: Option<&'static str>,
    /// How material from elsewhere was found to be what was expected.
    pub checked: Option<String>,
    /// Health tests of the source that were passed; none for imports, whose source we did not see.
    pub health_tests: &'static [&'static str],
}

impl Birth {
    pub(crate) fn new(source: Source, mechanism: &'static str, health_tests: &'static [&'static str]) -> Self {
        Self { source, mechanism, module: Module::present(), hardware: None, way_around: None, checked: None, health_tests }
    }

    pub(crate) fn in_module(
        source: Source,
        mechanism: &'static str,
        hardware: String,
        health_tests: &'static [&'static str],
        way_around: Option<&'static str>,
    ) -> Self {
        Self { hardware: Some(hardware), way_around, ..Self::new(source, mechanism, health_tests) }
    }

    /// The record as names and values, for the audit log and for people.
    pub fn fields(&self) -> Vec<(&'static str, String)> {
        let source = match &self.source {
            Source::Generated => "generated in the vault".to_owned(),
            Source::GeneratedInModule => "generated in the hardware module".to_owned(),
            Source::ImportedRaw if self.hardware.is_some() => "imported, plain: it was in the host's memory on its way into the hardware module".to_owned(),
            Source::ImportedRaw => "imported, plain".to_owned(),
            Source::ImportedWrapped { key, version, .. } => format!("imported, wrapped under {key} {version}"),
            Source::ImportedByComponents { entered_by } => {
                let of = format!("imported by {} components, entered by {}", entered_by.len(), entered_by.join(", "));
                if self.hardware.is_some() { format!("{of}; they and the key were in the host's memory on its way into the hardware module") } else { of }
            }
            Source::ImportedByPair { key, version, .. } => format!("imported, wrapped under the public half of {key} {version}"),
        };
        let module = format!("{} (AWS-LC {})", self.module.binding, self.module.library_version);
        let mut fields = vec![("source", source), ("mechanism", self.mechanism.to_owned())];
        match &self.hardware {
            // Whether a hardware module is validated, and in which mode it runs, its own certificate says.
            Some(hardware) => fields.push(("module", hardware.clone())),
            None => fields.extend([("module", module), ("fips", self.module.fips.to_string())]),
        }
        fields.extend(self.checked.iter().map(|checked| ("check_value", checked.clone())));
        fields.extend(self.way_around.map(|way| ("way_around", way.to_owned())));
        fields.extend(self.health_tests.iter().map(|test| ("health_test", (*test).to_owned())));
        fields
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_binding_is_the_one_that_is_linked() {
        let lock = include_str!("../../../../Cargo.lock");
        let (_, after) = lock.split_once("name = \"aws-lc-rs\"\nversion = \"").expect("the lock file names the module");
        let (version, _) = after.split_once('"').expect("a version ends in a quote");
        assert_eq!(BINDING, format!("aws-lc-rs {version}"));
    }

    /// Nobody takes one build for the other.
    #[test]
    fn a_fips_build_works_in_fips_mode_and_another_does_not() {
        let module = Module::present();
        assert_eq!((module.fips, module.is_meant_for_fips()), (cfg!(feature = "fips"), cfg!(feature = "fips")));
    }

    #[test]
    fn a_birth_of_an_import_claims_no_tests_and_one_of_ours_says_what_they_are_worth() {
        let import = Birth::new(Source::ImportedRaw, "raw bytes", &[]).fields();
        assert!(import.iter().all(|(name, _)| *name != "health_test"));
        assert!(crate::hazmat::health::TESTS[0].contains("sanity check on conditioned output"));
    }
}
