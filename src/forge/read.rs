//! From a delivery's body to what happened, in the way of its forge.

use super::{BadPayload, Envelope, Event, github, gitlab};
use crate::model::ForgeKind;

impl Envelope {
    /// What the body says; to be asked only after the signature was found good.
    pub fn event(&self, body: &[u8]) -> Result<Event, BadPayload> {
        match self.forge {
            ForgeKind::Github | ForgeKind::Gitea => github::read(&self.event, body),
            ForgeKind::Gitlab => gitlab::read(&self.event, body),
        }
    }
}
