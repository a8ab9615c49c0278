//! One suite over both engines: each case runs on SQLite and on a private PostgreSQL, and must say the same. What only one engine has stands beside it.

mod cases;
mod full_disk;
mod lost_commit;
mod mirror;
mod on_postgres;
mod on_sqlite;
mod world;

use world::World;

macro_rules! on_both {
    ($($case:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread")] async fn $case() { super::run(super::World::sqlite(), super::cases::$case).await; })*
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread")] async fn $case() { super::run(super::World::postgres(), super::cases::$case).await; })*
        }
    };
}

/// Runs a case; without a world it was left out on purpose.
async fn run(world: Option<World>, case: impl AsyncFnOnce(World)) {
    if let Some(world) = world {
        case(world).await;
    }
}

on_both! {
    the_schema_is_made_once_and_a_newer_one_is_refused,
    an_alias_of_an_older_schema_is_brought_along,
    a_transaction_is_kept_whole_or_not_at_all,
    a_refusal_takes_only_its_own_transaction_back,
    a_swallowed_error_takes_the_transaction_back,
    a_panic_ends_its_own_transaction_only,
    a_read_sees_one_snapshot,
    a_read_cannot_write,
    what_was_answered_is_there_after_a_restart,
    many_writers_leave_one_log,
    the_audit_log_grows_with_its_transactions,
    an_entry_that_does_not_fit_the_kept_tree_is_refused,
    entries_are_listed_newest_first_by_account_and_subject,
    checkpoints_are_kept_once_a_size,
    the_signer_is_kept_once_and_resealed_from_what_was_read,
    times_before_1970_and_far_away_are_kept_exactly,
    the_first_account_is_the_installations,
    users_are_found_by_their_tokens_hash,
    users_belong_to_one_account,
    who_was_locked_out_locks_nobody_out,
    names_and_aliases_are_unique_while_they_live,
    every_value_that_is_taken_is_told_in_the_same_words,
    a_name_means_the_current_key_of_its_lineage,
    a_name_without_a_living_lineage_means_the_newest_that_bore_it,
    a_lineage_ends_with_its_last_key,
    a_keystores_name_is_free_again_after_its_deletion,
    a_keystore_is_read_as_it_was_written,
    a_keystore_with_living_keys_is_not_deleted,
    no_key_is_made_in_a_deleted_keystore,
    active_keystores_of_every_account_are_swept,
    a_key_is_read_as_it_was_written,
    a_key_moves_only_from_the_state_that_is_expected,
    facts_of_the_cloud_are_kept_one_by_one,
    properties_are_changed_whole,
    what_was_promised_never_to_leave_stays_so,
    only_a_key_that_never_was_is_taken_back,
    keys_are_due_for_clean_up_when_their_countdown_has_ended,
    keys_are_due_for_expiry_when_their_policy_acts_by_itself,
    a_key_falls_due_to_the_microsecond_when_the_rule_says,
    due_keys_are_paged_through_and_nothing_is_lost_or_shown_twice,
    keystores_are_asked_for_what_is_due_in_them_only,
    a_key_that_cannot_be_read_is_left_out_and_hides_none_behind_it,
    a_keystore_that_cannot_be_read_is_left_out,
    an_end_is_told_once_on_each_day_by_the_rule_until_it_has_come,
    what_has_expired_is_looked_at_until_the_row_says_so,
    a_failed_operation_of_the_schedule_lets_its_key_rest,
    failures_are_counted_by_task_and_forgotten_with_a_success,
    a_row_that_does_not_read_as_it_was_written_is_told,
    a_family_is_its_primary_and_the_replicas_that_live,
    a_ceremony_is_read_as_it_was_written_and_belongs_to_one_account,
    nobody_enters_two_components_and_no_number_is_there_twice,
    components_wait_for_the_end_of_the_making_and_are_wiped_with_it,
    a_ceremony_that_is_cancelled_or_overdue_is_wiped,
    a_promotion_changes_the_parts_and_nothing_else,
    the_schedule_acts_on_the_primary_only,
    a_rotation_policy_goes_with_the_part_of_the_primary,
    lists_come_in_pages_and_lose_nothing,
    a_list_of_keys_is_narrowed_by_every_filter,
    an_operation_is_read_as_it_was_written,
    one_operation_at_a_time_holds_a_key,
    due_operations_are_leased_once,
    an_older_lease_cannot_write,
    leases_are_renewed_let_go_and_freed,
    a_waiting_operation_is_woken,
    what_is_woken_during_a_step_does_not_wait_behind_it,
    operations_are_counted_by_kind_and_state_and_by_keystore,
    an_idempotency_key_names_one_operation,
    two_runners_cannot_both_write_the_journal,
    the_root_changes_only_from_what_was_read,
    account_keys_belong_to_the_stored_root,
    an_old_root_goes_when_nothing_is_sealed_under_it,
    material_is_destroyed_and_its_record_stays,
    shared_material_is_destroyed_with_the_last_key_that_has_it,
    material_of_a_key_that_is_gone_goes_with_the_last_copy_that_never_was,
    a_promise_binds_every_key_with_the_material,
    a_pending_version_becomes_the_current_one_or_goes,
    facts_of_a_versions_copy_are_kept_one_by_one,
    the_kinds_of_key_are_those_with_material,
    material_is_resealed_in_rounds,
    material_of_which_no_copy_is_kept_goes_before_the_key_is_in_use,
    keys_with_the_same_material_are_the_holder_its_copies_and_its_replicas,
    operations_of_a_kind_are_those_that_were_asked_of_the_key,
    links_are_listed_from_both_ends_in_pages,
    the_link_of_a_copy_that_never_was_is_taken_back,
    names_in_use_are_found_by_their_beginning,
    nothing_is_sealed_under_an_account_key_that_is_gone,
    an_export_is_used_up_once,
    a_request_is_remembered_once_with_what_it_did,
    a_rotation_policy_is_read_as_it_was_written_and_listed,
    the_nearest_rotation_policy_counts,
    a_policy_governs_the_lineages_that_have_no_nearer_one,
    a_changed_policy_makes_the_plans_under_it_out_of_date,
    a_rotation_is_due_when_its_time_has_come,
    a_rotation_is_told_once,
    a_wave_is_read_as_it_was_written_and_moves_from_the_state_that_is_expected,
    copies_in_use_are_those_of_the_sources_whole_lineage,
    copies_of_whoever_was_primary_are_those_of_the_family,
    a_rotation_that_cannot_be_read_holds_up_no_other,
    a_replaced_key_retires_while_its_successor_is_in_use,
    quota_slots_follow_each_other,
    a_schedule_runs_on_one_node,
    an_alert_is_told_once_and_read_as_it_was_written,
    a_failure_is_told_until_its_recovery_is,
    what_waits_goes_out_as_one_message,
    an_alert_that_cannot_be_read_holds_up_no_other_and_waits,
    a_message_keeps_its_name_until_it_is_taken,
    what_is_coming_is_found_by_its_date,
    a_view_is_read_as_it_was_written_and_replaced_whole,
    a_sync_knows_what_it_has_seen_and_what_it_has_not,
    what_can_be_restored_is_in_use_in_a_cloud_and_not_past_its_end,
    a_restore_goes_on_under_its_lease_and_settles_each_key_once,
    parameters_are_kept_while_a_keystore_shall_be_warm_and_spent_once,
    a_sync_counts_and_goes_on_under_its_lease_only,
    a_syncs_aliases_are_kept_once_and_dropped_by_keystore,
    a_difference_is_read_as_it_was_written_and_ends_once,
    differences_are_listed_by_every_filter_and_counted,
    a_stranger_is_open_until_it_is_not_seen_again,
    what_may_be_mended_alone_is_found_where_a_policy_says_so,
    a_pointer_takes_over_what_the_cloud_says_if_it_is_as_it_was_read,
    only_a_deleted_pointer_is_forgotten_and_then_in_no_list,
    pointers_go_with_their_keystore_unless_an_operation_holds_one,
    names_and_aliases_in_use_are_found,
    a_batch_is_read_as_it_was_written_and_belongs_to_one_account,
    a_key_of_a_batch_is_begun_once_and_rests_when_it_must,
    a_batch_that_is_stopped_begins_nothing_and_ends_with_what_runs,
    a_batch_in_which_everything_has_its_outcome_is_done,
    a_kill_takes_from_batches_what_would_bring_its_key_back,
    an_apply_is_read_as_it_was_written_and_one_at_a_time_is_open,
    a_change_is_begun_once_and_behind_what_it_waits_for,
    what_waits_for_a_failure_is_hopeless,
    a_change_expects_its_key_as_it_was_seen_and_a_kill_takes_what_would_bring_it_back,
    an_apply_that_is_stopped_begins_nothing_and_ends_with_what_runs,
}
