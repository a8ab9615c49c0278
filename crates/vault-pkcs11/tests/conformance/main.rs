//! One suite over every root: the software's, and that of each soft token that is installed. What a root cannot, it must refuse in words, and nothing else.

mod backups;
mod cases;
mod house;
mod imports;
mod moves;
mod pairs;

use house::Root;
use keystead_testkit::token::{Kind, apart};

/// Every case, whichever file it stands in.
mod every {
    pub use crate::{cases::*, imports::*};
}

macro_rules! suite {
    ($($case:ident),* $(,)?) => {
        mod software {
            $(#[test] fn $case() { super::every::$case(&super::Root::Software); })*
        }
        mod softhsm {
            $(#[test] fn $case() { super::on_token(concat!("softhsm::", stringify!($case)), super::Kind::Softhsm, super::every::$case); })*
        }
        mod kryoptic {
            $(#[test] fn $case() { super::on_token(concat!("kryoptic::", stringify!($case)), super::Kind::Kryoptic, super::every::$case); })*
        }
    };
}

fn on_token(name: &str, kind: Kind, case: fn(&Root)) {
    apart(name, kind, |library, _| case(&Root::Token(kind, library.to_owned())));
}

suite!(
    every_kind_of_key_is_made_and_known_again_cm_002_cm_035,
    a_kind_that_the_root_does_not_make_is_refused_in_words,
    a_pair_signs_for_the_public_half_that_is_told,
    material_is_bound_to_its_place,
    a_flipped_bit_is_noticed,
    a_blob_of_another_root_does_not_open,
    what_is_sealed_anew_is_the_same_material,
    an_account_key_rotates_and_old_rows_stay_closed_to_the_new,
    a_cloud_unwraps_every_kind_of_key_fx_012,
    a_person_unwraps_an_export,
    plain_material_is_taken_in_and_is_the_same_at_the_cloud,
    wrapped_material_is_taken_in_under_a_key_of_the_vault,
    a_wrapped_pair_is_taken_in_or_refused_in_words,
    what_others_wrap_under_our_pair_is_taken_in_fx_015,
    what_was_not_wrapped_under_our_pair_is_refused_in_one_way,
    a_key_that_comes_wrapped_is_compared_inside_fx_015,
    a_key_is_made_of_components_that_waited_sealed_fx_015,
    what_does_not_unwrap_is_refused,
    a_preparation_that_was_changed_is_not_the_one_that_was_sealed,
    the_audit_logs_key_signs,
    a_restart_opens_what_was_made_before_and_a_wrong_secret_does_not,
    a_sealed_vault_does_nothing,
    the_birth_record_says_where_a_key_was_made_aw_034,
    many_threads_use_it_at_once,
);
