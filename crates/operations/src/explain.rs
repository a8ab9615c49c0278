//! Whether an operation explains a call that was made in Keystead's own name: one that makes such calls. What none explains may be the work of stolen credentials (CM-018).

use keystead_cloud::Call;

use crate::{Saga, effort::Calls};

/// Whether one of these operations, by their journals' records, makes such a call or takes something back by it. One that cannot be read was written by a newer Keystead, and
/// is believed. A pure function.
pub fn is_made_by(records: &[String], call: Call) -> bool {
    records.iter().any(|record| serde_json::from_str::<Saga>(record).map_or(true, |saga| makes(&saga, call)))
}

fn makes(saga: &Saga, call: Call) -> bool {
    let mut calls = Calls::default();
    for planned in saga.shape().steps() {
        std::iter::once(&planned.step).chain(&planned.undo).for_each(|step| calls.add_step(step));
    }
    calls.count(call) > 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        saga::{activate_key::ActivateKey, deactivate_key::DeactivateKey, upload_key::UploadKey},
        stored::Stored,
    };
    use keystead_domain::{KeyId, Timestamp};

    fn record(saga: &Saga) -> String {
        serde_json::to_string(saga).expect("a record")
    }

    #[test]
    fn an_operation_explains_the_calls_that_it_makes_or_takes_back_and_no_others_cm_018() {
        let key = || Stored(KeyId::new(Timestamp::from_secs(1), [1; 10]));
        let deactivation = record(&Saga::DeactivateKey(DeactivateKey { key: key(), retires: false, material_stays: false, replicas: Vec::new() }));
        let upload = record(&Saga::UploadKey(UploadKey { key: key(), expires: None, replicas: Vec::new() }));
        let activation = record(&Saga::ActivateKey(ActivateKey { key: key(), expires: None, material_stays: false, replicas: Vec::new(), primary: None }));
        let is_made_by = |records: &[&String], call| is_made_by(&records.iter().map(|record| (*record).clone()).collect::<Vec<_>>(), call);
        assert!(is_made_by(&[&deactivation], Call::Disable) && is_made_by(&[&deactivation], Call::DeleteMaterial));
        assert!(!is_made_by(&[&upload], Call::Disable) && !is_made_by(&[&deactivation, &upload], Call::ScheduleDeletion));
        assert!(is_made_by(&[&upload, &deactivation], Call::Disable), "one of them is enough");
        assert!(is_made_by(&[&activation], Call::DeleteMaterial), "what an activation takes back");
        assert!(!is_made_by(&[], Call::Disable));
        assert!(is_made_by(&[&"{\"saga\":\"of-tomorrow\"}".to_owned()], Call::Disable), "a newer Keystead's is believed");
    }
}
