//! Writing and removing the people's tags.

use keystead_cloud::{CloudError, CloudKeyId, Kind, OwnTags, Reply};
use keystead_domain::tags::TagChange;

use crate::{client::AwsCloud, error::refused, own, send::send};

impl AwsCloud {
    /// UntagResource, then TagResource: what goes makes room for what comes. AWS takes both again without complaint. Keystead's own tags are out of reach: without them a key is lost to the sweep.
    pub(crate) async fn retag(&self, key: &CloudKeyId, change: &TagChange) -> Result<Reply<()>, CloudError> {
        let set = change.set.iter().map(|(name, value)| own::peoples_tag("TagResource", name, value)).collect::<Result<Vec<_>, _>>()?;
        if let Some(name) = change.remove.iter().find(|name| own::is_own(name)) {
            return Err(refused("UntagResource", Kind::BadInput, format!("The tag {name} is Keystead's own.")));
        }
        let mut request_id = None;
        if !change.remove.is_empty() {
            request_id = send!(self, "UntagResource", self.kms.untag_resource().key_id(&key.0).set_tag_keys(Some(change.remove.clone())))?.request_id;
        }
        if !set.is_empty() {
            request_id = send!(self, "TagResource", self.kms.tag_resource().key_id(&key.0).set_tags(Some(set)))?.request_id;
        }
        Ok(Reply { value: (), request_id })
    }

    /// TagResource with Keystead's own tags: somebody took them away.
    pub(crate) async fn retag_own(&self, key: &CloudKeyId, own: &OwnTags) -> Result<Reply<()>, CloudError> {
        let tags = own::own_tags("TagResource", own)?;
        Ok(send!(self, "TagResource", self.kms.tag_resource().key_id(&key.0).set_tags(Some(tags)))?.map(drop))
    }
}
