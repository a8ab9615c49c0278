//! What only PostgreSQL has: several nodes at once, a server that may go away, and errors that ask for another try.

use std::sync::{
    Arc, Barrier,
    atomic::{AtomicUsize, Ordering},
};

use keystead_domain::Timestamp;
use keystead_store::{
    Database, SCHEMA_VERSION, Store, StoreError, Tx, accounts, audit, ceremonies, keys, keystores, lineages, locks, operations, quotas, schedules, users,
    vault, versions,
};
use keystead_testkit::postgres;

use crate::{
    cases::{self, verified_log},
    world::*,
};

/// Runs a test with a world on PostgreSQL, unless such tests were left out.
macro_rules! on_postgres {
    ($($(#[$doc:meta])* async fn $name:ident($world:ident) $body:block)*) => {$(
        $(#[$doc])*
        #[tokio::test(flavor = "multi_thread")]
        async fn $name() {
            let Some($world) = World::postgres() else { return };
            $body
        }
    )*};
}

/// Runs a function on both nodes at the same time.
async fn on_both_nodes<T: Send + 'static>(nodes: [&Store; 2], function: fn(&mut Tx<'_>) -> Result<T, StoreError>) -> [Result<T, StoreError>; 2] {
    tokio::join!(nodes[0].write("test", function), nodes[1].write("test", function)).into()
}

/// Ends every connection to the database but the one that does it, and waits until they are gone.
fn cut_connections(world: &World) {
    let others = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
    world.aside(&format!("SELECT pg_terminate_backend(pid, 5000) {others}"));
}

/// Makes each new user raise an error of this code, as often as told.
fn raise_at_users(world: &World, code: &str, times: u32) {
    world.aside(&format!(
        "CREATE SEQUENCE IF NOT EXISTS raised; SELECT setval('raised', 1, false);
         CREATE OR REPLACE FUNCTION raise_it() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
           IF nextval('raised') <= {times} THEN RAISE EXCEPTION 'raised by the test' USING ERRCODE = '{code}'; END IF;
           RETURN NEW;
         END $$;
         CREATE OR REPLACE TRIGGER raise_it BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION raise_it()"
    ));
}

#[test]
fn nodes_that_open_a_new_database_at_once_make_one_schema() {
    if postgres::is_skipped() {
        return;
    }
    for _ in 0..4 {
        let database = Database::Postgres(postgres::fresh_database());
        let start = Barrier::new(6);
        let opened = std::thread::scope(|scope| {
            let open = || {
                start.wait();
                Store::open(&database)
            };
            let nodes: Vec<_> = (0..6).map(|_| scope.spawn(open)).collect();
            nodes.into_iter().map(|node| node.join().expect("no panic").map(drop)).collect::<Vec<_>>()
        });
        assert_eq!(opened, vec![Ok(()); 6]);
        let world = World::open(database, None).expect("opens once more");
        assert!(!world.store.is_exclusive(), "other nodes may hold leases");
        assert_eq!(world.ask("SELECT COUNT(*) FROM schema_version"), SCHEMA_VERSION);
        assert_eq!(world.ask("SELECT COUNT(*) FROM audit_head"), 1);
    }
}

#[test]
fn a_database_that_cannot_be_reached_is_told_without_its_password() {
    for url in ["postgres://app:hunter2@127.0.0.1:1/x", "postgres://app:hunter2@127.0.0.1:port/x", "hunter2"] {
        let Err(StoreError::Unavailable(why)) = Store::open(&Database::Postgres(url.to_owned())) else { panic!("{url} opened") };
        assert!(!why.contains("hunter2"), "{why}");
    }
}

on_postgres! {
    async fn a_server_without_tls_is_refused_when_tls_is_required(world) {
        let Database::Postgres(url) = &world.database else { unreachable!("a world on PostgreSQL") };
        let required = Store::open(&Database::Postgres(format!("{url}?sslmode=require")));
        assert!(matches!(required.err(), Some(StoreError::Unavailable(_))));
    }

    async fn two_nodes_leave_one_gapless_log(world) {
        let world = world.with_house().await;
        let nodes = [world.store.clone(), world.second_node()];
        let writers = (0..32u64).map(|writer| {
            let store = nodes[writer as usize % 2].clone();
            tokio::spawn(async move {
                for n in writer * 8..(writer + 1) * 8 {
                    let write = move |tx: &mut Tx<'_>| {
                        tx.audit(entry(n, n));
                        users::insert(tx, &user_row(n, &format!("user-{n}")), &format!("hash-{n}"), None)
                    };
                    store.write("test", write).await.expect("is kept");
                }
            })
        });
        for writer in writers.collect::<Vec<_>>() {
            writer.await.expect("no panic");
        }
        let log = verified_log(&nodes[0]).await;
        assert_eq!(log.len(), 256);
        assert_eq!(world.ask("SELECT COUNT(*) FROM users"), 256);
        // Turn by turn, each finds that its edge is stale.
        for n in 256..270 {
            let say = move |tx: &mut Tx<'_>| {
                tx.audit(entry(n, n));
                Ok::<_, StoreError>(())
            };
            nodes[n as usize % 2].write("test", say).await.expect("is kept");
        }
        assert_eq!(verified_log(&nodes[1]).await[256..], (256..270).map(|n| entry(n, n)).collect::<Vec<_>>());
    }

    async fn a_node_waits_for_the_log_until_the_other_has_committed(world) {
        let second = world.second_node();
        let say = |n: u64| move |tx: &mut Tx<'_>| {
            tx.audit(entry(n, n));
            Ok::<_, StoreError>(())
        };
        world.write(say(0)).await.expect("is kept");
        // The head is taken at the end of a batch; a transaction that runs long does not hold the other node's log up.
        let long = pause_in(&world.store, say(1)).await;
        second.write("test", say(2)).await.expect("is kept");
        long.go_on().await.expect("is kept");
        assert_eq!(verified_log(&second).await.iter().map(|said| said.id.clone()).collect::<Vec<_>>(), [0, 2, 1].map(|n| entry_id(n).to_string()));
    }

    async fn two_nodes_that_wait_for_each_other_both_come_through(world) {
        let world = world.with_house().await;
        let made = world.write(|tx| (1..=2).try_for_each(|n| users::insert(tx, &user_row(n, &format!("user-{n}")), &format!("hash-{n}"), None)));
        made.await.expect("are made");
        let (both, runs) = (Arc::new(Barrier::new(2)), Arc::new(AtomicUsize::new(0)));
        let crossing = |first: u64, second: u64| {
            let (both, runs, mut met) = (both.clone(), runs.clone(), false);
            move |tx: &mut Tx<'_>| {
                runs.fetch_add(1, Ordering::Relaxed);
                users::set_state(tx, &user_id(first), &format!("{first} first"))?;
                if !std::mem::replace(&mut met, true) {
                    both.wait();
                }
                tx.audit(entry(first, 1));
                users::set_state(tx, &user_id(second), &format!("{first} first"))
            }
        };
        let second = world.second_node();
        let outcomes = tokio::join!(world.write(crossing(1, 2)), second.write("test", crossing(2, 1)));
        assert_eq!(outcomes, (Ok(()), Ok(())));
        assert!(runs.load(Ordering::Relaxed) >= 3, "one of them ran again");
        assert_eq!(world.ask("SELECT COUNT(DISTINCT state) FROM users"), 1, "one came whole behind the other");
        assert_eq!(verified_log(&world.store).await.len(), 2);
    }

    async fn a_collision_is_tried_again_and_hurts_no_neighbour(world) {
        let world = world.with_house().await;
        for code in ["40001", "40P01", "55P03"] {
            world.aside("DELETE FROM users");
            raise_at_users(&world, code, 5);
            let answers = crate::cases::write_in_one_batch(&world.store, 8, |_, _| Ok::<_, StoreError>(())).await;
            assert_eq!(answers, vec![Ok(()); 8], "{code}");
            assert_eq!(world.ask("SELECT COUNT(*) FROM users"), 8);
        }
        assert_eq!(verified_log(&world.store).await.len(), 24, "each entry once, however often it ran");
        world.aside("DELETE FROM users");
        raise_at_users(&world, "40001", 1_000_000);
        let endless = world.write(|tx| users::insert(tx, &user_row(1, "ana"), "h1", None)).await;
        assert!(matches!(endless, Err(StoreError::Collided(_))), "{endless:?}");
    }

    async fn what_the_server_lacks_is_told_and_nothing_is_kept(world) {
        let world = world.with_house().await;
        type Expected = fn(&StoreError) -> bool;
        let codes: [(&str, Expected); 4] = [
            ("53100", |error| *error == StoreError::Full),
            ("53200", |error| matches!(error, StoreError::Unavailable(_))),
            ("57014", |error| matches!(error, StoreError::Unavailable(_))),
            ("23514", |error| matches!(error, StoreError::Database(_))),
        ];
        for (code, expected) in codes {
            raise_at_users(&world, code, 1);
            let add = |tx: &mut Tx<'_>| {
                tx.audit(entry(1, 1));
                accounts::insert(tx, &account_id(2), "other", NOW)?;
                users::insert(tx, &user_row(1, "ana"), "h1", None)
            };
            let told = world.write(add).await.expect_err("is refused");
            assert!(expected(&told), "{code}: {told:?}");
            assert_eq!(world.ask("SELECT COUNT(*) FROM accounts"), 1, "{code}");
            world.write(add).await.expect("works again");
            world.aside("DELETE FROM users; DELETE FROM accounts WHERE name = 'other'");
        }
        assert_eq!(verified_log(&world.store).await.len(), 4);
    }

    async fn a_lost_connection_heals_before_anybody_notices(world) {
        let world = world.with_house().await;
        for round in 1..=3 {
            let reads: Vec<_> = (0..16).map(|_| world.store.clone()).map(|store| tokio::spawn(async move { store.read("test", keystores::active).await })).collect();
            for read in reads {
                assert_eq!(read.await.expect("no panic"), Ok(vec![keystore_row(1, "main")]), "round {round}");
            }
            world.write(move |tx| users::insert(tx, &user_row(round, &format!("user-{round}")), &format!("hash-{round}"), None)).await.expect("is kept");
            cut_connections(&world);
        }
        assert_eq!(world.ask("SELECT COUNT(*) FROM users"), 3);
    }

    async fn a_connection_lost_in_a_transaction_keeps_nothing(world) {
        let world = world.with_house().await;
        let cut = pause_in(&world.store, |tx| {
            tx.audit(entry(1, 1));
            users::insert(tx, &user_row(1, "ana"), "h1", None)
        });
        let cut = cut.await;
        cut_connections(&world);
        let told = cut.go_on().await;
        assert!(matches!(told, Err(StoreError::Unavailable(_))), "{told:?}");
        assert_eq!(world.ask("SELECT COUNT(*) FROM users"), 0);
        world.write(|tx| users::insert(tx, &user_row(1, "ana"), "h1", None)).await.expect("the next one has a new connection");
        assert_eq!(verified_log(&world.store).await.len(), 0);
    }

    /// CM-038 with two nodes: one looks whether the keystore is empty while the other has put a key into it that it cannot see yet.
    async fn a_keystore_is_not_deleted_under_a_key_that_another_node_makes(world) {
        let world = world.with_house().await;
        let second = world.second_node();
        let making = pause_in(&world.store, |tx| insert_key(tx, &key_row(1, "orders"))).await;
        let deleting = tokio::spawn(async move { second.write("test", |tx| keystores::delete(tx, &keystore_id(1), NOW)).await });
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        assert_eq!(making.go_on().await, Ok(()));
        assert_eq!(deleting.await.expect("no panic"), Err(StoreError::MovedOn("keystore")));
    }

    /// What was being written under the old root is there before the new record is, and so is found by the rotation; what comes later is refused.
    async fn nothing_slips_in_under_the_old_root_while_another_node_replaces_it(world) {
        let world = world.with_keys(1..=2).await;
        let second = world.second_node();
        let writing = pause_in(&world.store, |tx| versions::insert(tx, &version_row(1, 1, 1))).await;
        let replacing = tokio::spawn({
            let second = second.clone();
            async move { second.write("test", |tx| vault::replace_root(tx, b"\0root 1", b"root 2", 2, NOW)).await }
        });
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        assert!(!replacing.is_finished(), "it waits for who seals under the old root");
        assert_eq!(writing.go_on().await, Ok(()));
        assert_eq!(replacing.await.expect("no panic"), Ok(()));
        assert_eq!(world.read(versions::progress).await, Ok((0, 1)), "the rotation sees it");

        let replacing = pause_in(&second, |tx| vault::replace_root(tx, b"root 2", b"root 3", 3, NOW)).await;
        let row = vault::AccountKeyRow { generation: 2, root_generation: 2, sealed: b"account key 2".to_vec() };
        let writing = tokio::spawn({
            let store = world.store.clone();
            async move { store.write("test", move |tx| vault::insert_account_key(tx, &account(), &row, NOW)).await }
        });
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        assert!(!writing.is_finished(), "it waits for what becomes of the root");
        assert_eq!(replacing.go_on().await, Ok(()));
        assert_eq!(writing.await.expect("no panic"), Err(StoreError::MovedOn("vault root")));
        assert_eq!(world.write(|tx| versions::insert(tx, &version_row(2, 2, 1))).await, Err(StoreError::MovedOn("account key")));
    }

    /// Whose commit was not answered asks the row itself, and is answered behind that commit.
    async fn who_holds_the_root_sees_what_another_connection_was_writing(world) {
        let world = world.with_house().await;
        let second = world.second_node();
        let replacing = pause_in(&world.store, |tx| vault::replace_root(tx, b"\0root 1", b"root 2", 2, NOW)).await;
        let asking = tokio::spawn(async move { second.write("test", vault::hold_root).await });
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        assert!(!asking.is_finished(), "it waits for the commit");
        assert_eq!(replacing.go_on().await, Ok(()));
        assert_eq!(asking.await.expect("no panic"), Ok(Some(b"root 2".to_vec())));
    }

    /// FX-015 with two nodes: who enters waits for who cancels, and what was wiped stays wiped; of two who enter at once the later sees the earlier.
    async fn who_enters_a_component_sees_what_another_node_was_doing_to_the_ceremony(world) {
        let world = cases::with_components(world).await;
        let second = world.second_node();
        let look = |tx: &mut Tx<'_>| Ok::<_, StoreError>((ceremonies::hold_waiting(tx, &cases::ceremony_id(1), NOW)?, ceremonies::components(tx, &cases::ceremony_id(1))?));
        let entering = pause_in(&world.store, |tx| {
            ceremonies::hold_waiting(tx, &cases::ceremony_id(1), NOW)?;
            ceremonies::enter(tx, &cases::component(1, 3, "user_3"))
        });
        let entering = entering.await;
        let looking = tokio::spawn({
            let second = second.clone();
            async move { second.write("test", look).await }
        });
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        assert!(!looking.is_finished(), "it waits for who enters");
        assert_eq!(entering.go_on().await, Ok(()));
        let (held, components) = looking.await.expect("no panic").expect("a store");
        assert_eq!((held.is_some(), components.len()), (true, 3), "and sees their component");

        let cancelling = pause_in(&world.store, |tx| ceremonies::cancel(tx, &cases::ceremony_id(1), NOW)).await;
        let looking = tokio::spawn(async move { second.write("test", look).await });
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        assert!(!looking.is_finished(), "it waits for who cancels");
        assert_eq!(cancelling.go_on().await, Ok(()));
        assert_eq!(looking.await.expect("no panic").expect("a store").0, None, "and enters nothing");
    }

    async fn a_key_is_not_made_in_a_keystore_that_another_node_deletes(world) {
        let world = world.with_house().await;
        let second = world.second_node();
        let deleting = pause_in(&world.store, |tx| keystores::delete(tx, &keystore_id(1), NOW)).await;
        let making = tokio::spawn(async move { second.write("test", |tx| insert_key(tx, &key_row(1, "orders"))).await });
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        assert_eq!(deleting.go_on().await, Ok(()));
        assert_eq!(making.await.expect("no panic"), Err(StoreError::MovedOn("keystore")));
        assert_eq!(world.read(|tx| lineages::by_id(tx, &lineage_id(1))).await, Ok(None));
    }

    /// Of two people who lock each other out at the same moment one remains: who is locked out first locks nobody out.
    async fn two_who_lock_each_other_out_on_two_nodes_are_not_both_locked_out(world) {
        let world = world.with_house().await;
        let made = world.write(|tx| (1..=2).try_for_each(|n| users::insert(tx, &user_row(n, &format!("user-{n}")), &format!("hash-{n}"), None)));
        made.await.expect("are made");
        let second = world.second_node();
        let first = pause_in(&world.store, |tx| users::disable(tx, &user_id(1), &user_id(2))).await;
        let back = tokio::spawn({
            let second = second.clone();
            async move { second.write("test", |tx| users::disable(tx, &user_id(2), &user_id(1))).await }
        });
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        assert_eq!(first.go_on().await, Ok(()));
        assert_eq!(back.await.expect("no panic"), Err(StoreError::MovedOn("caller")));
        for _ in 0..20 {
            world.aside("UPDATE users SET state = 'ACTIVE'");
            let disable = |id: u64, by: u64| move |tx: &mut Tx<'_>| users::disable(tx, &user_id(id), &user_id(by));
            let both = tokio::join!(world.write(disable(1, 2)), second.write("test", disable(2, 1)));
            assert!(matches!(both, (Ok(()), Err(StoreError::MovedOn(_))) | (Err(StoreError::MovedOn(_)), Ok(()))), "{both:?}");
            assert_eq!(world.ask("SELECT COUNT(*) FROM users WHERE state = 'ACTIVE'"), 1);
        }
    }

    /// The last two keys of a lineage are cleaned up on two nodes; neither sees the other's as DELETED.
    async fn a_lineage_ends_although_its_last_keys_end_on_two_nodes(world) {
        use keystead_domain::KeyState::{Active, Deleted};
        let world = world.with_keys(1..=1).await;
        let successor = keys::KeyRow { lineage_id: lineage_id(1), is_current: false, ..key_row(2, "key-1") };
        world.write(move |tx| keys::insert(tx, &successor)).await.expect("is made");
        let second = world.second_node();
        let clean_up = |n: u64| move |tx: &mut Tx<'_>| {
            keys::transition(tx, &key_id(n), Active, Deleted, NOW)?;
            lineages::end_if_all_deleted(tx, &lineage_id(1))
        };
        let first = pause_in(&world.store, clean_up(1)).await;
        let last = tokio::spawn({
            let second = second.clone();
            async move { second.write("test", clean_up(2)).await }
        });
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        assert_eq!((first.go_on().await, last.await.expect("no panic")), (Ok(()), Ok(())));
        assert_eq!(world.ask("SELECT live FROM lineages"), 0, "its name is free again");
        for _ in 0..20 {
            world.aside("UPDATE keys SET state = 'ACTIVE'; UPDATE lineages SET live = 1");
            assert_eq!(tokio::join!(world.write(clean_up(1)), second.write("test", clean_up(2))), (Ok(()), Ok(())));
            assert_eq!(world.ask("SELECT live FROM lineages"), 0);
        }
    }

    /// One order on both engines, whatever language the database was made in.
    async fn text_is_compared_by_its_bytes(world) {
        let text = "FROM information_schema.columns WHERE table_schema = 'public' AND data_type = 'text'";
        let (all, by_bytes) = (world.ask(&format!("SELECT COUNT(*) {text}")), world.ask(&format!("SELECT COUNT(*) {text} AND collation_name = 'C'")));
        assert!(all > 50 && by_bytes == all, "{by_bytes} of {all} columns");
        world.aside("INSERT INTO accounts VALUES ('acct_a', 'a', 0), ('acct_B', 'B', 0)");
        assert_eq!(world.ask("SELECT COUNT(*) FROM accounts WHERE 'acct_a' > id"), 1, "as bytes, capitals come first");
    }

    /// Material sealed under an account key that is gone would be lost for ever.
    async fn an_account_key_is_not_deleted_under_material_that_another_node_seals(world) {
        let world = world.with_keys(1..=2).await;
        let second = world.second_node();
        let sealing = pause_in(&world.store, |tx| versions::insert(tx, &version_row(1, 1, 1))).await;
        let deleting = tokio::spawn(async move { second.write("test", |tx| vault::delete_account_key(tx, &account(), 1)).await });
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        assert_eq!(sealing.go_on().await, Ok(()));
        assert_eq!(deleting.await.expect("no panic"), Err(StoreError::MovedOn("account key")));
        world.write(|tx| end_key(tx, 1, NOW)).await.expect("is destroyed");

        let second = world.second_node();
        let deleting = pause_in(&world.store, |tx| vault::delete_account_key(tx, &account(), 1)).await;
        let sealing = tokio::spawn(async move { second.write("test", |tx| versions::insert(tx, &version_row(2, 2, 1))).await });
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        assert_eq!(deleting.go_on().await, Ok(()));
        assert_eq!(sealing.await.expect("no panic"), Err(StoreError::MovedOn("account key")));
    }

    async fn two_nodes_lease_every_operation_once(world) {
        let world = world.with_operations(1..=200).await;
        let nodes = [world.store.clone(), world.second_node()];
        let lease = |tx: &mut Tx<'_>| operations::lease_due(tx, "node", NOW.plus_days(1), NOW.plus_days(2), 7);
        let mut leased = Vec::new();
        loop {
            let rows: Vec<_> = on_both_nodes([&nodes[0], &nodes[1]], lease).await.into_iter().map(|rows| rows.expect("are leased")).collect();
            assert!(rows.iter().all(|rows| rows.len() <= 7), "no more than was asked for");
            if rows.iter().all(Vec::is_empty) {
                break;
            }
            leased.extend(rows.into_iter().flatten().map(|row| (row.id.clone(), row.fence)));
        }
        leased.sort();
        assert_eq!(leased, (1..=200).map(|n| (operation_id(n), 1)).collect::<Vec<_>>());
    }

    /// A planner that runs the inner SELECT once a row would lease more than was asked for: each run skips what the one before has locked.
    async fn no_plan_leases_more_than_was_asked_for(world) {
        let world = world.with_operations(1..=40).await;
        let Database::Postgres(url) = &world.database else { unreachable!("a world on PostgreSQL") };
        let name = url.rsplit('/').next().expect("a name");
        for setting in ["enable_hashjoin", "enable_mergejoin", "enable_hashagg", "enable_sort", "enable_material"] {
            world.aside(&format!("ALTER DATABASE {name} SET {setting} = off"));
        }
        let leased = world.second_node().write("test", |tx| operations::lease_due(tx, "node", NOW.plus_days(1), NOW.plus_days(2), 3)).await.expect("are leased");
        assert_eq!(leased.into_iter().map(|row| row.id).collect::<Vec<_>>(), (1..=3).map(operation_id).collect::<Vec<_>>());
        assert_eq!(world.ask("SELECT COUNT(*) FROM operations WHERE fence > 0"), 3);
    }

    async fn what_nodes_share_goes_to_one_of_them(world) {
        let world = world.with_operations(1..=2).await;
        let nodes = [&world.store, &world.second_node()];
        let mut slots = Vec::new();
        for _ in 0..20 {
            let taken = on_both_nodes(nodes, |tx| schedules::take(tx, "sweep", NOW, NOW.plus_days(1))).await;
            let expected = world.ask("SELECT COUNT(*) FROM schedules") == 1 && taken.iter().filter(|taken| **taken == Ok(true)).count() == 1;
            assert!(expected, "{taken:?}");
            world.aside("UPDATE schedules SET due_at = 0");
            let locked = on_both_nodes(nodes, |tx| locks::take(tx, "subject", &operation_id(1))).await;
            assert_eq!(locked.iter().filter(|locked| locked.is_ok()).count(), 1, "{locked:?}");
            assert!(locked.iter().any(|locked| *locked == taken_lock()), "{locked:?}");
            world.write(|tx| locks::release(tx, &operation_id(1))).await.expect("is given back");
            slots.extend(on_both_nodes(nodes, |tx| quotas::reserve(tx, "aws/1", "CreateKey", NOW, 100)).await.into_iter().map(|slot| slot.expect("a slot")));
        }
        slots.sort();
        assert_eq!(slots, (0..40).map(|n| NOW.plus_micros(n * 100)).collect::<Vec<Timestamp>>());
    }

    async fn a_key_is_moved_by_one_of_two_nodes(world) {
        use keystead_domain::KeyState::{Active, Inactive};
        let world = world.with_keys(1..=1).await;
        let second = world.second_node();
        let moved = on_both_nodes([&world.store, &second], |tx| keys::transition(tx, &key_id(1), Active, Inactive, NOW)).await;
        assert!(moved.contains(&Ok(())) && moved.contains(&Err(StoreError::MovedOn("key"))), "{moved:?}");
        assert_eq!(world.read(audit::head).await.map(|head| head.0), Ok(0));
    }
}

fn taken_lock() -> Result<(), StoreError> {
    taken("locks", "subject_id")
}
