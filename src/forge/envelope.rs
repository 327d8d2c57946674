//! Which forge a delivery comes from, as its headers say, and what it calls it.

use super::signature::Signature;
use crate::model::ForgeKind;

/// A delivery's headers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Envelope {
    /// Who sent it.
    pub forge: ForgeKind,
    /// What the forge calls what happened.
    pub event: String,
    /// The delivery's own id: the same if it is sent again.
    pub delivery: Option<String>,
    /// How it proves where it comes from, if it does.
    pub signature: Option<Signature>,
}

/// No forge that is known sends such headers.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "this is no delivery of a forge: there is no X-GitHub-Event, X-Gitlab-Event, X-Gitea-Event or X-Forgejo-Event"
)]
pub struct NoForge;

impl Envelope {
    /// Reads the headers; `header` gives the value of one, if it is there once.
    pub fn read<'h>(header: impl Fn(&str) -> Option<&'h str>) -> Result<Self, NoForge> {
        let owned = |name: &str| header(name).map(str::to_owned);
        let first = |names: &[&str]| names.iter().find_map(|name| owned(name));
        // Gitea and Forgejo send GitHub's headers, too.
        if let Some(event) = first(&["x-forgejo-event", "x-gitea-event"]) {
            let signature = first(&["x-forgejo-signature", "x-gitea-signature"]);
            return Ok(Self {
                forge: ForgeKind::Gitea,
                event,
                delivery: first(&["x-forgejo-delivery", "x-gitea-delivery"]),
                signature: signature.map(Signature::Sha256),
            });
        }
        if let Some(event) = owned("x-gitlab-event") {
            return Ok(Self {
                forge: ForgeKind::Gitlab,
                event,
                delivery: first(&["idempotency-key", "x-gitlab-event-uuid"]),
                signature: owned("x-gitlab-token").map(Signature::Token),
            });
        }
        let event = owned("x-github-event").ok_or(NoForge)?;
        // The older header with SHA-1 is not looked at.
        let signature = owned("x-hub-signature-256");
        let signature = signature.map(|text| match text.strip_prefix("sha256=") {
            Some(hex) => Signature::Sha256(hex.to_owned()),
            None => Signature::Unknown,
        });
        Ok(Self {
            forge: ForgeKind::Github,
            event,
            delivery: owned("x-github-delivery"),
            signature,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(headers: &[(&'static str, &'static str)]) -> Result<Envelope, NoForge> {
        Envelope::read(|name| {
            headers.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
        })
    }

    #[test]
    fn headers_say_which_forge_it_is() {
        let github = read(&[
            ("x-github-event", "push"),
            ("x-github-delivery", "72d3162e"),
            ("x-hub-signature-256", "sha256=ab"),
            ("x-hub-signature", "sha1=cd"),
        ]);
        let github = github.unwrap();
        assert_eq!((github.forge, &*github.event), (ForgeKind::Github, "push"));
        assert_eq!(github.signature, Some(Signature::Sha256("ab".into())));
        let old = read(&[("x-github-event", "push"), ("x-hub-signature", "sha1=cd")]).unwrap();
        assert_eq!(old.signature, None, "SHA-1 proves nothing");
        let odd = read(&[("x-github-event", "push"), ("x-hub-signature-256", "sha1=cd")]).unwrap();
        assert_eq!(odd.signature, Some(Signature::Unknown));
        let gitea = read(&[
            ("x-github-event", "push"),
            ("x-gitea-event", "push"),
            ("x-hub-signature-256", "sha256=ab"),
            ("x-gitea-signature", "ab"),
            ("x-gitea-delivery", "1"),
        ]);
        let gitea = gitea.unwrap();
        assert_eq!((gitea.forge, gitea.delivery.as_deref()), (ForgeKind::Gitea, Some("1")));
        let gitlab = read(&[
            ("x-gitlab-event", "Push Hook"),
            ("x-gitlab-token", "secret"),
            ("x-gitlab-event-uuid", "u"),
            ("idempotency-key", "k"),
        ]);
        let gitlab = gitlab.unwrap();
        assert_eq!((gitlab.forge, gitlab.delivery.as_deref()), (ForgeKind::Gitlab, Some("k")));
        assert_eq!(gitlab.signature, Some(Signature::Token("secret".into())));
        assert_eq!(read(&[("content-type", "application/json")]), Err(NoForge));
    }
}
