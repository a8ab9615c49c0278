//! A ceremony under the harness: its last component begins the key, and what became of the components is seen afterwards.

use keystead_app::{Request, Started, ceremonies::NewCeremony};
use keystead_domain::ceremony::CeremonyState;
use keystead_identity::Principal;
use keystead_store::{ceremonies, page::Page};
use keystead_vault::SecretBytes;

use crate::world::World;

fn component(seed: u8) -> SecretBytes {
    SecretBytes::from((0..32).map(|at: u8| at.wrapping_mul(seed).wrapping_add(seed)).collect::<Vec<u8>>())
}

async fn bob(world: &World) -> Principal {
    world.house.app.authenticate(&world.tokens[1]).await.expect("a store").expect("bob's token")
}

/// A ceremony for a key of this name, in which one component of two is entered.
pub async fn begin(world: &World, name: &str) {
    let app = &world.house.app;
    let new = NewCeremony { key: world.new_key("payments-eu", name), components: 2 };
    let begun = app.begin_ceremony(&world.ann, &Request::default(), new).await.expect("a ceremony");
    app.enter_component(&world.ann, &Request::default(), begun.row.id.as_str(), component(3), None).await.expect("is kept");
}

/// The other component, by another person.
pub async fn complete(world: &World, name: &str) -> Started {
    let id = found(world, name).await.id;
    let entered = world.house.app.enter_component(&bob(world).await, &Request::default(), id.as_str(), component(5), None).await.expect("is kept");
    entered.started.expect("all are there")
}

async fn found(world: &World, name: &str) -> ceremonies::CeremonyRow {
    let page = Page { after: None, limit: 1000 };
    let all = world.house.app.list_ceremonies(&world.ann, page).await.expect("a store").rows;
    all.into_iter().map(|ceremony| ceremony.row).find(|row| row.name == name).expect("it is there")
}

/// Either the key is made and the components are wiped, or none is made and all of them wait.
pub async fn check(world: &World, name: &str, ended: &str, told: &str) {
    let row = found(world, name).await;
    let id = row.id.clone();
    let components = world.store().read("test", move |tx| ceremonies::components(tx, &id)).await.expect("a store");
    let sealed = components.iter().filter(|component| component.sealed.is_some()).count();
    let wanted = if ended == "SUCCEEDED" { (CeremonyState::Made, 0) } else { (CeremonyState::Waiting, 2) };
    assert_eq!((row.state, sealed), wanted, "{told}: the ceremony");
    if ended != "SUCCEEDED" {
        // What waits makes the key after all.
        let finished = world.house.app.finish_ceremony(&world.ann, &Request::default(), row.id.as_str()).await.expect("an intent");
        world.succeeds(finished.started.expect("all are there")).await;
    }
}
