//! Object stores of others: how they are reached, how long they are waited for, and whether they are
//! there at all.

use std::{sync::Arc, time::Duration};

use object_store::{
    BackoffConfig, ClientOptions, ObjectStore, RetryConfig, aws::AmazonS3Builder,
    azure::MicrosoftAzureBuilder, gcp::GoogleCloudStorageBuilder, path::Path, prefix::PrefixStore,
    signer::Signer,
};

use super::ArtifactError;
use crate::{
    config::artifacts::{ArtifactRoot, ArtifactSettings, Bucket},
    tls,
};

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(5);

/// How long the service may be silent in the middle of an answer.
const SILENCE: Duration = Duration::from_secs(20);

/// How long one request may take: a part of eight MiB at some hundred KiB a second.
const REQUEST: Duration = Duration::from_mins(2);

/// How often a request is made again, and for how long in all: longer than a restart of the service,
/// shorter than an agent's patience with one upload. What fails then is tried again by the agent.
const RETRIES: usize = 6;
const RETRY_FOR: Duration = Duration::from_secs(30);

/// A service that can be used.
pub(super) struct Remote {
    pub(super) store: Arc<dyn ObjectStore>,
    pub(super) signer: Arc<dyn Signer>,
    pub(super) prefix: Path,
}

/// Reaches the bucket that the settings name.
pub(super) fn remote(
    root: &ArtifactRoot,
    settings: &ArtifactSettings,
) -> Result<Option<Remote>, ArtifactError> {
    tls::init();
    let endpoint = settings.endpoint.as_ref().map(|url| url.as_str().trim_end_matches('/'));
    let options = || {
        ClientOptions::new()
            .with_connect_timeout(CONNECT)
            .with_read_timeout(SILENCE)
            .with_timeout(REQUEST)
            .with_allow_http(endpoint.is_some_and(|url| url.starts_with("http://")))
    };
    let known = || settings.credentials.iter().map(|(name, value)| (name.to_lowercase(), value));
    Ok(Some(match root {
        ArtifactRoot::Local(_) => return Ok(None),
        ArtifactRoot::S3(bucket) => {
            let mut builder = AmazonS3Builder::new();
            for (name, value) in known() {
                if let Ok(key) = name.parse() {
                    builder = builder.with_config(key, value.reveal());
                }
            }
            let has_region = known().any(|(name, _)| name.contains("region"));
            match &settings.region {
                Some(region) => builder = builder.with_region(region),
                None if !has_region => builder = builder.with_region("us-east-1"),
                None => {}
            }
            if let Some(endpoint) = endpoint {
                builder = builder.with_endpoint(endpoint);
            }
            let path_style = settings.path_style.unwrap_or(endpoint.is_some());
            let store = builder
                .with_bucket_name(&bucket.name)
                .with_virtual_hosted_style_request(!path_style)
                .with_client_options(options())
                .with_retry(retries())
                .build()?;
            below(store, bucket)?
        }
        ArtifactRoot::Google(bucket) => {
            let mut builder = GoogleCloudStorageBuilder::new();
            for (name, value) in known() {
                if let Ok(key) = name.parse() {
                    builder = builder.with_config(key, value.reveal());
                }
            }
            if let Some(endpoint) = endpoint {
                builder = builder.with_base_url(endpoint);
            }
            let store = builder
                .with_bucket_name(&bucket.name)
                .with_client_options(options())
                .with_retry(retries())
                .build()?;
            below(store, bucket)?
        }
        ArtifactRoot::Azure(bucket) => {
            let mut builder = MicrosoftAzureBuilder::new();
            for (name, value) in known() {
                if let Ok(key) = name.parse() {
                    builder = builder.with_config(key, value.reveal());
                }
            }
            if let Some(account) = &settings.account {
                builder = builder.with_account(account);
            }
            if let Some(endpoint) = endpoint {
                builder = builder.with_endpoint(endpoint.to_owned());
            }
            let store = builder
                .with_container_name(&bucket.name)
                .with_client_options(options())
                .with_retry(retries())
                .build()?;
            below(store, bucket)?
        }
    }))
}

fn retries() -> RetryConfig {
    RetryConfig {
        backoff: BackoffConfig { max_backoff: Duration::from_secs(5), ..BackoffConfig::default() },
        max_retries: RETRIES,
        retry_timeout: RETRY_FOR,
    }
}

fn below<S>(store: S, bucket: &Bucket) -> Result<Remote, ArtifactError>
where
    S: ObjectStore + Signer + Clone,
{
    let prefix = Path::parse(&bucket.prefix)
        .map_err(|error| ArtifactError::Failed(format!("artifacts.root: {error}")))?;
    let signer = Arc::new(store.clone());
    let store: Arc<dyn ObjectStore> = if prefix.as_ref().is_empty() {
        Arc::new(store)
    } else {
        Arc::new(PrefixStore::new(store, prefix.clone()))
    };
    Ok(Remote { store, signer, prefix })
}

/// Why a bucket cannot be used, for whoever starts the server.
pub(super) fn unusable(root: &ArtifactRoot, error: &ArtifactError) -> ArtifactError {
    let text = error.to_string();
    let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
    // With their names: addresses have numbers like these in them.
    let advice = if has(&[
        "NoSuchBucket",
        "ContainerNotFound",
        "404 Not Found",
        "there is no object",
    ]) {
        "there is no such bucket: make it, or correct artifacts.root"
    } else if has(&[
        "403 Forbidden",
        "401 Unauthorized",
        "AccessDenied",
        "SignatureDoesNotMatch",
        "InvalidAccessKeyId",
    ]) {
        "it does not let kiln in: check the credentials in the environment (AWS_ACCESS_KEY_ID and \
         AWS_SECRET_ACCESS_KEY, GOOGLE_APPLICATION_CREDENTIALS, or AZURE_STORAGE_ACCOUNT_KEY)"
    } else if has(&["connect", "timed out", "dns", "resolve", "refused"]) {
        "it does not answer: check artifacts.endpoint and the network"
    } else {
        "check artifacts.root, artifacts.endpoint and the credentials in the environment"
    };
    ArtifactError::Failed(format!("{root}: {advice} ({text})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_an_address_say_nothing_of_why_a_bucket_cannot_be_used() {
        let root = "s3://kiln".parse().unwrap();
        let advice =
            |text: &str| unusable(&root, &ArtifactError::Failed(text.to_owned())).to_string();
        for port in ["40437", "40300", "14012"] {
            let refused = advice(&format!(
                "error performing GET http://127.0.0.1:{port}/kiln: tcp connect error: refused"
            ));
            assert!(refused.contains("it does not answer"), "{refused}");
        }
        assert!(advice("status code: 404 Not Found").contains("no such bucket"));
        assert!(advice("status code: 403 Forbidden").contains("does not let kiln in"));
    }
}
