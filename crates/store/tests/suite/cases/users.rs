//! Accounts and the people in them.

use keystead_store::{
    StoreError, accounts,
    page::Page,
    users::{self, UserRow},
};

use crate::world::*;

pub async fn the_first_account_is_the_installations(world: World) {
    assert_eq!(world.read(accounts::first).await, Ok(None));
    let made = world.write(|tx| {
        accounts::insert(tx, &account_id(2), "later", NOW)?;
        accounts::insert(tx, &account_id(1), "home", NOW)
    });
    made.await.expect("are made");
    assert_eq!(world.read(accounts::first).await, Ok(Some(account_id(1))));
    assert_eq!(world.write(|tx| accounts::insert(tx, &account_id(1), "again", NOW)).await, taken("accounts", "id"));
}

pub async fn users_are_found_by_their_tokens_hash(world: World) {
    let world = world.with_house().await;
    let (ana, ben) = (user_row(1, "ana"), user_row(2, "ben"));
    let rows = (ana.clone(), ben.clone());
    let made = world.write(move |tx| {
        users::insert(tx, &rows.0, "hash-ana", None)?;
        users::insert(tx, &rows.1, "hash-ben", Some("system"))
    });
    made.await.expect("are made");
    assert_eq!(world.read(|tx| users::by_token_hash(tx, "hash-ana")).await, Ok(Some(ana.clone())));
    assert_eq!(world.read(|tx| users::by_token_hash(tx, "hash")).await, Ok(None));
    world.write(|tx| users::replace_token(tx, &user_id(1), "hash-new")).await.expect("is replaced");
    assert_eq!(world.read(|tx| users::by_token_hash(tx, "hash-ana")).await, Ok(None), "the old token is useless");
    assert_eq!(world.read(|tx| users::by_token_hash(tx, "hash-new")).await, Ok(Some(ana.clone())));
    world.write(|tx| users::set_state(tx, &user_id(1), "DISABLED")).await.expect("is locked out");
    assert_eq!(world.read(|tx| users::by_token_hash(tx, "hash-new")).await, Ok(None), "who is locked out is not found");
    let locked_out = world.read(|tx| users::locked_out_by_token_hash(tx, "hash-new")).await;
    assert_eq!(locked_out.map(|user| user.map(|user| user.id)), Ok(Some(ana.id.clone())), "but known by name when they try");
    assert_eq!(world.read(|tx| users::locked_out_by_token_hash(tx, "hash-ana")).await, Ok(None));
    world.write(|tx| users::set_state(tx, &user_id(1), "ACTIVE")).await.expect("is let in again");
    assert_eq!(world.read(|tx| users::by_token_hash(tx, "hash-new")).await, Ok(Some(ana)));
    assert_eq!(world.write(|tx| users::replace_token(tx, &user_id(2), "hash-new")).await, taken("users", "token_hash"));
    assert_eq!(world.write(|tx| users::replace_token(tx, &user_id(9), "x")).await, Err(StoreError::MovedOn("user")));
    assert_eq!(world.write(|tx| users::set_state(tx, &user_id(9), "ACTIVE")).await, Err(StoreError::MovedOn("user")));
}

pub async fn users_belong_to_one_account(world: World) {
    let world = world.with_house().await;
    let stranger = UserRow { account_id: account_id(2), ..user_row(2, "ana") };
    let other = stranger.clone();
    let made = world.write(move |tx| {
        accounts::insert(tx, &account_id(2), "other", NOW)?;
        users::insert(tx, &user_row(1, "ana"), "h1", None)?;
        users::insert(tx, &other, "h2", None)
    });
    made.await.expect("the same name in two accounts");
    assert_eq!(world.read(|tx| users::find(tx, &account(), "ana")).await, Ok(Some(user_row(1, "ana"))));
    assert_eq!(world.read(|tx| users::find(tx, &account(), user_id(1).as_str())).await, Ok(Some(user_row(1, "ana"))));
    assert_eq!(world.read(|tx| users::find(tx, &account(), user_id(2).as_str())).await, Ok(None));
    let listed = world.read(|tx| users::list(tx, &account_id(2), &Page::first())).await.expect("are listed");
    assert_eq!((listed.rows, listed.next), (vec![stranger], None));
    let homeless = UserRow { account_id: account_id(3), ..user_row(3, "eve") };
    assert!(matches!(world.write(move |tx| users::insert(tx, &homeless, "h3", None)).await, Err(StoreError::Database(_))), "an account that is not there");
}

pub async fn who_was_locked_out_locks_nobody_out(world: World) {
    let world = world.with_house().await;
    let made = world.write(|tx| (1..=3).try_for_each(|n| users::insert(tx, &user_row(n, &format!("user-{n}")), &format!("hash-{n}"), None)));
    made.await.expect("are made");
    let disable = async |id: u64, by: u64| world.write(move |tx| users::disable(tx, &user_id(id), &user_id(by))).await;
    assert_eq!(disable(1, 2).await, Ok(()));
    // Each was somebody when their request came in.
    assert_eq!(disable(2, 1).await, Err(StoreError::MovedOn("caller")));
    assert_eq!(disable(3, 9).await, Err(StoreError::MovedOn("caller")), "nobody");
    assert_eq!(disable(9, 2).await, Err(StoreError::MovedOn("user")));
    assert_eq!(disable(1, 3).await, Ok(()), "again is no harm");
    assert_eq!(world.ask("SELECT COUNT(*) FROM users WHERE state = 'ACTIVE'"), 2);
}
