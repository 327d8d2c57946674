//! Uploaded trees: how a submission names one, and what it says of where the tree came from.

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, MapAccess, Visitor, value::MapAccessDeserializer},
};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, OneOfBuilder, RefOr, Schema, schema::AdditionalProperties},
};

use crate::model::{CommitId, Revision, Timestamp, TreeDigest};

/// An upload as the API shows it.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Upload {
    /// The tree's digest: SHA-256 over its sorted entries, whatever order, times, owners and
    /// compression it was sent with.
    pub digest: TreeDigest,
    /// The revision that builds of it have.
    pub revision: Revision,
    /// Bytes of its files together.
    pub bytes: u64,
    /// Its files and symlinks.
    pub entries: u64,
    /// When it was uploaded first.
    pub created_at: Timestamp,
    /// Until when it is kept; longer if a build refers to it by then.
    pub expires_at: Timestamp,
}

/// An uploaded tree: its digest, or an object with the digest and what the tree was made from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UploadSubmission {
    /// The digest that the upload was answered with.
    pub digest: TreeDigest,
    /// What the tree was made from: it belongs to the submission and not to the upload, because
    /// the same tree can be made from several commits.
    pub base: Option<TreeBase>,
}

/// The commit that a working tree was made from.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TreeBase {
    /// The commit that was checked out.
    pub commit: CommitId,
    /// When it was committed: the time that files have, and `SOURCE_DATE_EPOCH`.
    pub committed_at: Timestamp,
    /// Whether the tree differs from the commit.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dirty: bool,
    /// What `git describe` says there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub describe: Option<String>,
}

/// The long form.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Long {
    /// The digest that the upload was answered with.
    digest: TreeDigest,
    /// What the tree was made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    base: Option<TreeBase>,
}

impl Serialize for UploadSubmission {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.base {
            None => self.digest.serialize(serializer),
            base => Long { digest: self.digest.clone(), base: base.clone() }.serialize(serializer),
        }
    }
}

/// Not by trying one form after the other, which would lose what is wrong with the right one.
impl<'de> Deserialize<'de> for UploadSubmission {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = UploadSubmission;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("the digest of an upload, or an object with `digest` and `base`")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<UploadSubmission, E> {
                let digest = text.parse().map_err(E::custom)?;
                Ok(UploadSubmission { digest, base: None })
            }

            fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<UploadSubmission, M::Error> {
                let Long { digest, base } = Long::deserialize(MapAccessDeserializer::new(map))?;
                Ok(UploadSubmission { digest, base })
            }
        }

        deserializer.deserialize_any(Either)
    }
}

impl PartialSchema for UploadSubmission {
    fn schema() -> RefOr<Schema> {
        let long = ObjectBuilder::new()
            .property("digest", TreeDigest::schema())
            .required("digest")
            .property("base", TreeBase::schema())
            .additional_properties(Some(AdditionalProperties::FreeForm(false)));
        let either = OneOfBuilder::new()
            .description(Some(
                "The digest of an upload, alone or with what the tree was made from.",
            ))
            .item(TreeDigest::schema())
            .item(long);
        RefOr::T(Schema::OneOf(either.build()))
    }
}

impl ToSchema for UploadSubmission {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((TreeDigest::name().into_owned(), TreeDigest::schema()));
        schemas.push((TreeBase::name().into_owned(), TreeBase::schema()));
        TreeBase::schemas(schemas);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::protocol::SourceSubmission;

    #[test]
    fn an_upload_is_named_by_its_digest_or_with_what_it_was_made_from() {
        let digest = "0123456789abcdef".repeat(4);
        let commit = "0123456789abcdef0123456789abcdef01234567";
        let base = json!({"commit": commit, "committed_at": "2026-11-23T14:14:41.000Z"});
        for upload in [json!(digest), json!({"digest": digest, "base": base})] {
            let source = json!({"upload": upload});
            let read: SourceSubmission = serde_json::from_value(source.clone()).unwrap();
            assert_eq!(serde_json::to_value(read).unwrap(), source);
        }
        for (bad, problem) in [
            (json!("main"), "64 hexadecimal digits"),
            (json!(7), "the digest of an upload, or an object"),
            (json!({"digest": digest, "bas": 1}), "unknown field `bas`"),
            (json!({"digest": digest, "base": {"commit": commit}}), "committed_at"),
        ] {
            let source = serde_json::from_value::<SourceSubmission>(json!({"upload": bad}));
            let error = source.unwrap_err().to_string();
            assert!(error.contains(problem), "{error}");
        }
    }
}
