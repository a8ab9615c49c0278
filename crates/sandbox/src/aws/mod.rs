//! Simulated AWS: KMS over JSON 1.1 and STS over the Query protocol, both behind Signature Version 4. Regions, IAM, quotas and the event trail are shared
//! by the two.

pub(crate) mod authenticate;
pub(crate) mod call;
pub(crate) mod errors;
pub(crate) mod events;
pub(crate) mod front;
pub(crate) mod iam;
pub(crate) mod kms;
pub(crate) mod policy;
pub(crate) mod quota;
pub(crate) mod regions;
pub(crate) mod request;
pub(crate) mod sigv4;
pub(crate) mod sts;
pub(crate) mod wire;
