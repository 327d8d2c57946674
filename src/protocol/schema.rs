//! OpenAPI schemas of the model's newtypes: strings with a format and an example.

use std::borrow::Cow;

use utoipa::{
    PartialSchema, ToSchema,
    openapi::{KnownFormat, ObjectBuilder, RefOr, Schema, SchemaFormat, schema::Type},
};

use crate::model::{
    AccountName, AgentId, AuditId, BuildId, CommitId, DeliveryId, EnrollmentId, JobId, Label,
    NoticeId, PackageName, ProjectId, ProjectName, QueueName, RefName, RefPattern, Revision,
    SecretName, StepName, TargetId, Timestamp, TokenId, ToolchainName, TreeDigest,
};

macro_rules! text {
    ($($type:ty: $name:literal, $format:expr, $example:literal, $about:literal;)*) => {$(
        impl PartialSchema for $type {
            fn schema() -> RefOr<Schema> {
                let builder = ObjectBuilder::new()
                    .schema_type(Type::String)
                    .format($format)
                    .description(Some($about))
                    .examples([serde_json::json!($example)]);
                RefOr::T(Schema::Object(builder.build()))
            }
        }

        impl ToSchema for $type {
            fn name() -> Cow<'static, str> {
                Cow::Borrowed($name)
            }
        }
    )*};
}

text! {
    BuildId: "BuildId", None, "01KB0Q6M3V8W2T5XJ4C9ZR7HND", "A build's id (ULID).";
    JobId: "JobId", None, "01KB0Q6M3V8W2T5XJ4C9ZR7HNE", "A job's id (ULID).";
    AgentId: "AgentId", None, "01KB0Q6M3V8W2T5XJ4C9ZR7HNF", "An agent's id (ULID).";
    EnrollmentId: "EnrollmentId", None, "01KB0Q6M3V8W2T5XJ4C9ZR7HNG",
        "An enrollment token's id (ULID).";
    DeliveryId: "DeliveryId", None, "01KB0Q6M3V8W2T5XJ4C9ZR7HNM", "A delivery's id (ULID).";
    TargetId: "TargetId", None, "01KB0Q6M3V8W2T5XJ4C9ZR7HNN",
        "The id of somebody who is told how builds go (ULID).";
    NoticeId: "NoticeId", None, "01KB0Q6M3V8W2T5XJ4C9ZR7HNP",
        "The id of something that is told (ULID).";
    ProjectId: "ProjectId", None, "01KB0Q6M3V8W2T5XJ4C9ZR7HNH", "A project's id (ULID).";
    TokenId: "TokenId", None, "01KB0Q6M3V8W2T5XJ4C9ZR7HNJ", "A token's id (ULID).";
    AuditId: "AuditId", None, "01KB0Q6M3V8W2T5XJ4C9ZR7HNK",
        "The id of a line of the audit log (ULID).";
    ProjectName: "ProjectName", None, "zlib", "A project's name.";
    AccountName: "AccountName", None, "alice", "The name of somebody who has tokens, or of a token.";
    Label: "Label", None, "arch=aarch64", "A label: a word, or a key with a value.";
    CommitId: "CommitId", None, "0123456789abcdef0123456789abcdef01234567",
        "A commit's id, 40 hexadecimal digits.";
    Revision: "Revision", None, "0123456789abcdef0123456789abcdef01234567",
        "What was built: a commit's id, or `tree-` and the digest of an upload.";
    TreeDigest: "TreeDigest", None,
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "The digest of an uploaded tree, 64 hexadecimal digits.";
    RefName: "RefName", None, "main", "A branch, a tag or a full ref name.";
    ToolchainName: "ToolchainName", None, "gcc:14", "A toolchain's name.";
    PackageName: "PackageName", None, "libevent-dev", "The name of a Debian package.";
    QueueName: "QueueName", None, "default", "A queue's name.";
    SecretName: "SecretName", None, "DEPLOY_TOKEN", "A secret's name: that of a variable.";
    RefPattern: "RefPattern", None, "refs/heads/*",
        "A pattern of full names of branches or tags.";
    StepName: "StepName", None, "compile", "A step's name.";
    Timestamp: "Timestamp", Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)),
        "2026-11-23T14:14:41.005Z", "A point in time, UTC, RFC 3339 with milliseconds.";
}
