//! The route table: every path, the functions that serve it, and nothing else. What is not here does not exist, and what is here is in the OpenAPI document.

mod alerts;
mod audit;
mod batches;
mod ceremonies;
mod drifts;
mod estate;
mod keys;
mod keystores;
mod operations;
mod rotations;
mod status;
mod users;
mod vault;

use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{api::Api, openapi, service};

/// All routes, with the document that describes them.
#[rustfmt::skip]
pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::with_openapi(openapi::blank())
        .routes(routes!(keys::list::list_keys, keys::create::create_key))
        .routes(routes!(keys::show::show_key, keys::update::update_key))
        .routes(routes!(keys::history::key_history))
        .routes(routes!(keys::copy::copy_key))
        .routes(routes!(keys::links::key_links))
        .routes(routes!(keys::waves::rotation_waves))
        .routes(routes!(keys::deactivate::deactivate_key))
        .routes(routes!(keys::kill::kill_key))
        .routes(routes!(keys::kills::key_kills))
        .routes(routes!(keys::blast_radius::blast_radius))
        .routes(routes!(keys::restore::restore_key))
        .routes(routes!(keys::activate::activate_key))
        .routes(routes!(keys::upload::upload_key))
        .routes(routes!(keys::renew::renew_key))
        .routes(routes!(keys::rotate::rotate_key))
        .routes(routes!(keys::revert::revert_key))
        .routes(routes!(keys::adopt::adopt_key))
        .routes(routes!(keys::forget::forget_key))
        .routes(routes!(keys::recreate::recreation, keys::recreate::recreate_key))
        .routes(routes!(keys::adoption::adoption))
        .routes(routes!(keys::uses::key_uses))
        .routes(routes!(keys::rehearse_deletion::rehearse_deletion))
        .routes(routes!(keys::end_rehearsal::end_rehearsal))
        .routes(routes!(keys::rehearsals::key_rehearsals))
        .routes(routes!(keys::schedule_deletion::schedule_deletion))
        .routes(routes!(keys::cancel_deletion::cancel_deletion))
        .routes(routes!(keys::add_replica::add_replica))
        .routes(routes!(keys::promote::promote_replica))
        .routes(routes!(keys::family::key_family))
        .routes(routes!(keys::prepare_export::prepare_export))
        .routes(routes!(keys::download_export::download_export))

        .routes(routes!(batches::list::list_batches, batches::begin::begin_batch))
        .routes(routes!(batches::plan::plan_batch))
        .routes(routes!(batches::show::show_batch))
        .routes(routes!(batches::items::batch_items))
        .routes(routes!(batches::stop::stop_batch))

        .routes(routes!(estate::export::export_estate))
        .routes(routes!(estate::plan::plan_estate))
        .routes(routes!(estate::list::list_applies, estate::begin::begin_apply))
        .routes(routes!(estate::show::show_apply))
        .routes(routes!(estate::changes::applied_changes))
        .routes(routes!(estate::stop::stop_apply))

        .routes(routes!(ceremonies::list::list_ceremonies, ceremonies::begin::begin_ceremony))
        .routes(routes!(ceremonies::show::show_ceremony))
        .routes(routes!(ceremonies::enter::enter_component))
        .routes(routes!(ceremonies::finish::finish_ceremony))
        .routes(routes!(ceremonies::cancel::cancel_ceremony))

        .routes(routes!(keystores::list::list_keystores, keystores::create::create_keystore))
        .routes(routes!(keystores::show::show_keystore, keystores::update::update_keystore, keystores::delete::delete_keystore))
        .routes(routes!(keystores::policy::keystore_policy))
        .routes(routes!(keystores::check::check_keystore))
        .routes(routes!(keystores::sync::sync_keystore))
        .routes(routes!(keystores::kill::kill_keystore))
        .routes(routes!(keystores::drill::drill, keystores::drill::set_drill))
        .routes(routes!(keystores::drill::list_drills))
        .routes(routes!(keystores::warm::set_warm))
        .routes(routes!(keystores::restore_forecast::restore_forecast, keystores::restore::restore_keystore))

        .routes(routes!(drifts::list::list_drifts))
        .routes(routes!(drifts::show::show_drift))
        .routes(routes!(drifts::accept::accept_drift))
        .routes(routes!(drifts::repair::repair_drift))
        .routes(routes!(drifts::repair_key::repair_key))
        .routes(routes!(drifts::policy::drift_policy, drifts::policy::set_drift_policy))
        .routes(routes!(drifts::events::event_queue, drifts::events::set_event_queue))

        .routes(routes!(rotations::list::list_rotation_policies))
        .routes(routes!(rotations::show::show_rotation_policy, rotations::set::set_rotation_policy, rotations::clear::clear_rotation_policy))

        .routes(routes!(operations::list::list_operations))
        .routes(routes!(operations::show::show_operation))
        .routes(routes!(operations::wake::wake_operation))

        .routes(routes!(alerts::list::list_alerts))
        .routes(routes!(alerts::show::show_alert))
        .routes(routes!(alerts::test::test_alerts))
        .routes(routes!(alerts::schedule::show_schedule))

        .routes(routes!(audit::list::list_audit))
        .routes(routes!(audit::export::export_audit))
        .routes(routes!(audit::checkpoint::audit_checkpoint))
        .routes(routes!(audit::key::audit_key))

        .routes(routes!(vault::show::show_vault))
        .routes(routes!(vault::modules::vault_modules))
        .routes(routes!(vault::unseal::unseal_vault))
        .routes(routes!(vault::seal::seal_vault))
        .routes(routes!(vault::rotate::rotate_vault))
        .routes(routes!(vault::confirm_rotation::confirm_rotation))
        .routes(routes!(vault::rehearse::rehearse_shares))

        .routes(routes!(users::list::list_users, users::create::create_user))
        .routes(routes!(users::replace_token::replace_token))
        .routes(routes!(users::disable::disable_user))
        .routes(routes!(users::me::me))

        .routes(routes!(status::status))
        .routes(routes!(service::healthz::healthz))
        .routes(routes!(service::readyz::readyz))
        .routes(routes!(service::metrics::metrics))
        .routes(routes!(service::openapi::openapi_document))
        .routes(routes!(service::docs::docs_page))
        .routes(routes!(service::docs::docs_style))
}
