//! Checks of multi-Region keys: one family over two connections, each to a Region of the same account (FT-046 to FT-050).

use keystead_cloud::{Cloud, CloudKey, Kind, NewCloudKey};
use keystead_domain::{RegionRole, key::deletion::WaitingDays};

use super::{Known, Subject, kind};

/// The Region of the suite's own connection, and the one in which its replicas are made.
const HERE: &str = "eu-west-1";
const THERE: &str = "us-east-1";

/// Every check of families; `there` is the same account in the Region `THERE`, under the same installation.
pub async fn families(subject: &Subject<'_>, there: &dyn Cloud) {
    let elsewhere = Subject::new(there, subject.now, subject.installation, subject.known);
    a_replica_has_the_id_and_waits_for_the_material(subject, &elsewhere).await;
    a_region_has_one_replica_and_a_single_region_key_none(subject, &elsewhere).await;
    the_part_of_the_primary_is_handed_on_and_may_be_again(subject, &elsewhere).await;
    a_primary_waits_for_its_last_replica(subject, &elsewhere).await;
}

fn order(subject: &Subject<'_>) -> NewCloudKey {
    NewCloudKey { multi_region: true, ..subject.order() }
}

/// A primary with this material, and its replica in the other Region.
async fn pair(subject: &Subject<'_>, material: &[u8]) -> (CloudKey, CloudKey) {
    let primary = subject.cloud.create_key(&order(subject)).await.expect("a primary is made").value;
    subject.import(&primary.id, material).await.expect("the material is taken");
    let replica = subject.cloud.replicate(&primary.id, THERE, &order(subject)).await.expect("a replica is made").value;
    (primary, replica)
}

async fn a_replica_has_the_id_and_waits_for_the_material(here: &Subject<'_>, there: &Subject<'_>) {
    let primary = here.cloud.create_key(&order(here)).await.expect("a primary is made").value;
    here.import(&primary.id, &[31; 32]).await.expect("the material is taken");
    let new = order(here);
    let replica = here.cloud.replicate(&primary.id, THERE, &new).await.expect("a replica is made").value;
    assert_eq!(replica.id, primary.id, "a family has one id (FT-049)");
    assert_ne!(replica.arn, primary.arn);
    let found = there.cloud.find(&new.own.operation, &|_| false).await.expect("a search");
    if here.is_known(Known::DropsReplicaTags) {
        assert!(found.is_empty(), "mended: strike DropsReplicaTags");
    } else {
        assert_eq!(found.iter().map(|found| (&found.id, &found.own)).collect::<Vec<_>>(), [(&replica.id, &new.own)], "its own tags, from the first moment");
    }
    let is_filled = there.seen(&replica.id).await.material_present == Some(true);
    assert_eq!(is_filled, here.is_known(Known::FillsReplicas), "material is there at once: {is_filled}");
    there.import(&replica.id, &[31; 32]).await.expect("the same material is taken");
    let (ours, theirs) = (here.seen(&primary.id).await, there.seen(&replica.id).await);
    assert_eq!((theirs.enabled, theirs.material_present), (true, Some(true)));
    assert_eq!(theirs.material_id, ours.material_id, "a material has one id in all Regions");
    let (ours, theirs) = (ours.family.expect("a family"), theirs.family.expect("a family"));
    assert_eq!((ours.role, theirs.role), (RegionRole::Primary, RegionRole::Replica));
    assert_eq!((theirs.primary_region.as_str(), ours.replica_regions.as_slice()), (HERE, &[THERE.to_owned()][..]));
}

async fn a_region_has_one_replica_and_a_single_region_key_none(here: &Subject<'_>, _: &Subject<'_>) {
    let (primary, _) = pair(here, &[32; 32]).await;
    assert_eq!(kind(here.cloud.replicate(&primary.id, THERE, &order(here)).await), Some(Kind::ReplicaThere));
    let single = here.full_key(&[33; 32]).await;
    assert!(here.cloud.replicate(&single.id, THERE, &order(here)).await.is_err(), "AWS cannot make a multi-Region key of it");
    assert_eq!(here.seen(&single.id).await.family, None);
    assert_eq!(kind(here.cloud.replicate(&primary.id, HERE, &order(here)).await), Some(Kind::Unsupported), "not in its own Region");
}

async fn the_part_of_the_primary_is_handed_on_and_may_be_again(here: &Subject<'_>, there: &Subject<'_>) {
    let (primary, replica) = pair(here, &[34; 32]).await;
    there.import(&replica.id, &[34; 32]).await.expect("the same material is taken");
    let promoted = here.cloud.promote(&primary.id, THERE).await;
    if here.is_known(Known::CannotPromote) {
        assert!(promoted.is_err(), "mended: strike CannotPromote");
        return;
    }
    promoted.expect("is promoted");
    here.cloud.promote(&primary.id, THERE).await.expect("what is already so is a success");
    let role = async |subject: &Subject<'_>| subject.seen(&primary.id).await.family.map(|family| (family.role, family.primary_region));
    assert_eq!(role(there).await, Some((RegionRole::Primary, THERE.to_owned())));
    assert_eq!(role(here).await, Some((RegionRole::Replica, THERE.to_owned())));
    there.cloud.promote(&replica.id, HERE).await.expect("and back");
    assert_eq!(role(here).await, Some((RegionRole::Primary, HERE.to_owned())));
}

async fn a_primary_waits_for_its_last_replica(here: &Subject<'_>, there: &Subject<'_>) {
    let (primary, replica) = pair(here, &[35; 32]).await;
    there.cloud.schedule_deletion(&replica.id, WaitingDays::SHORTEST).await.expect("scheduled").value.expect("a date");
    let date = here.cloud.schedule_deletion(&primary.id, WaitingDays::SHORTEST).await.expect("scheduled").value;
    assert_eq!(date.is_some(), here.is_known(Known::CountsDownBeforeReplicas), "it has a date: {date:?}");
    assert_eq!(here.cloud.schedule_deletion(&primary.id, WaitingDays::SHORTEST).await.expect("again").value.is_some(), date.is_some());
    assert!(here.seen(&primary.id).await.is_ending());
    here.cloud.cancel_deletion(&primary.id).await.expect("cancelled");
    assert!(!here.seen(&primary.id).await.is_ending());
}
