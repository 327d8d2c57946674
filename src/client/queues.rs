//! Queues.

use reqwest::Method;

use super::{ClientError, Paths, Rest};
use crate::{
    model::QueueName,
    protocol::{Page, PauseRequest, QueueRules, QueueView},
};

impl Rest {
    /// The queues.
    pub async fn queues(&self) -> Result<Page<QueueView>, ClientError> {
        self.get(&Paths::queues()).await
    }

    /// One queue.
    pub async fn queue(&self, name: &QueueName) -> Result<QueueView, ClientError> {
        self.get(&Paths::queue(name)).await
    }

    /// Makes a queue, or gives one other rules.
    pub async fn put_queue(
        &self,
        name: &QueueName,
        rules: &QueueRules,
    ) -> Result<QueueView, ClientError> {
        let put = self.http().request(Method::PUT, &Paths::queue(name));
        self.http().json(put.json(rules)).await
    }

    /// Has a queue give out no jobs.
    pub async fn pause_queue(
        &self,
        name: &QueueName,
        reason: &str,
    ) -> Result<QueueView, ClientError> {
        let request = PauseRequest { reason: reason.to_owned() };
        let post = self.http().request(Method::POST, &format!("{}/pause", Paths::queue(name)));
        self.http().json(post.json(&request)).await
    }

    /// Has a queue give out jobs again.
    pub async fn resume_queue(&self, name: &QueueName) -> Result<QueueView, ClientError> {
        let post = self.http().request(Method::POST, &format!("{}/resume", Paths::queue(name)));
        self.http().json(post).await
    }

    /// Removes a queue.
    pub async fn remove_queue(&self, name: &QueueName) -> Result<(), ClientError> {
        let request = self.http().request(Method::DELETE, &Paths::queue(name));
        self.http().send(request).await.map(drop)
    }
}
