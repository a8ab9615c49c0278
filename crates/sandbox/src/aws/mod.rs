//! Simulated AWS: KMS and SQS over JSON and STS over the Query protocol, all behind Signature Version 4. Regions, IAM, quotas and the event trail are
//! shared by them.

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
pub(crate) mod sqs;
pub(crate) mod sts;
pub(crate) mod wire;
